//! Whether an OpenEXR file has all its chunks. It has no mark at its end: the table of its chunks is after
//! its header, and is right only if the file was closed in order. Blender says "Saved" even where it was not.
//!
//! Reads the header, the table and the head of the last chunk. What a file may hold and Blender never writes
//! (tiles, deep pixels, a compression of tomorrow) is taken for whole.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// More attributes than any file has; Blender writes some dozens a layer.
const ATTRIBUTES_MAX: u32 = 100_000;
/// Parts of one file: one a layer and view.
const PARTS_MAX: u32 = 10_000;
/// Chunks of one file: a line each of many layers of the highest picture.
const CHUNKS_MAX: u64 = 16 << 20;
const NAME_BYTES_MAX: u64 = 256;

const TILED: u32 = 0x200;
const DEEP: u32 = 0x800;
const MULTI_PART: u32 = 0x1000;

/// What counts of one part's header.
#[derive(Default)]
struct Part {
    chunk_count: Option<u64>,
    lines: Option<u64>,
    lines_per_chunk: Option<u64>,
}

/// Whether all is there in a file of this size. The reader stands after the first four bytes.
///
/// # Errors
/// The file cannot be read, or ends within its header.
pub fn is_whole<R: BufRead + Seek>(file: &mut R, size: u64) -> io::Result<bool> {
    let flags = u32::from_le_bytes(bytes(file)?);
    let is_multi_part = flags & MULTI_PART != 0;
    let mut chunks = 0_u64;
    for _ in 0..PARTS_MAX {
        let Some(part) = part(file)? else { break };
        match part.chunks(flags) {
            Some(count) => chunks = chunks.saturating_add(count),
            None => return Ok(true),
        }
        if !is_multi_part {
            break;
        }
    }
    if chunks > CHUNKS_MAX {
        return Ok(false);
    }
    let table_ends = file.stream_position()? + chunks * 8;
    let mut last = 0;
    for _ in 0..chunks {
        let offset = u64::from_le_bytes(bytes(file)?);
        if offset < table_ends || offset >= size {
            return Ok(false);
        }
        last = last.max(offset);
    }
    if chunks == 0 || flags & DEEP != 0 {
        return Ok(chunks > 0);
    }
    let head_bytes = if is_multi_part { 12 } else { 8 };
    file.seek(SeekFrom::Start(last + head_bytes - 4))?;
    let of_pixels = u64::from(u32::from_le_bytes(bytes(file)?));
    Ok(last + head_bytes + of_pixels <= size)
}

impl Part {
    fn chunks(&self, flags: u32) -> Option<u64> {
        let counted = || {
            let (lines, per_chunk) = (self.lines?, self.lines_per_chunk?);
            (flags & (TILED | DEEP) == 0).then(|| lines.div_ceil(per_chunk))
        };
        self.chunk_count.or_else(counted)
    }
}

/// The next header; nothing where there is none any more.
fn part<R: BufRead + Seek>(file: &mut R) -> io::Result<Option<Part>> {
    let mut part = Part::default();
    for number in 0..ATTRIBUTES_MAX {
        let name = word(file)?;
        if name.is_empty() {
            return Ok((number > 0).then_some(part));
        }
        let _kind = word(file)?;
        let length = u32::from_le_bytes(bytes(file)?);
        let value_ends = file.stream_position()? + u64::from(length);
        match name.as_slice() {
            b"chunkCount" => part.chunk_count = u64::try_from(i32::from_le_bytes(bytes(file)?)).ok(),
            b"compression" => part.lines_per_chunk = lines_per_chunk(bytes::<1, _>(file)?[0]),
            b"dataWindow" => {
                let [_, top, _, bottom] = [bytes(file)?, bytes(file)?, bytes(file)?, bytes(file)?]
                    .map(|bytes: [u8; 4]| i64::from(i32::from_le_bytes(bytes)));
                part.lines = u64::try_from(bottom - top + 1).ok();
            }
            _ => {}
        }
        file.seek(SeekFrom::Start(value_ends))?;
    }
    Err(io::Error::from(io::ErrorKind::InvalidData))
}

/// By the numbers of the format, 0 for none to 9 for DWAB.
const fn lines_per_chunk(compression: u8) -> Option<u64> {
    match compression {
        0..=2 => Some(1),
        3 | 5 => Some(16),
        4 | 6..=8 => Some(32),
        9 => Some(256),
        _ => None,
    }
}

/// Text up to a zero byte, which is taken and not answered.
fn word<R: BufRead>(file: &mut R) -> io::Result<Vec<u8>> {
    let mut word = Vec::new();
    file.take(NAME_BYTES_MAX).read_until(0, &mut word)?;
    match word.pop() {
        Some(0) => Ok(word),
        Some(_) | None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
    }
}

fn bytes<const N: usize, R: Read>(file: &mut R) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use exr::prelude::*;

    use super::*;

    fn looked_at(file: &[u8]) -> bool {
        let mut reader = Cursor::new(file);
        reader.set_position(4);
        is_whole(&mut reader, file.len() as u64).unwrap_or(false)
    }

    fn written(encoding: Encoding, layers: usize) -> Vec<u8> {
        let size = Vec2(40, 70);
        let layer = |number: usize| {
            let samples = FlatSamples::F32((0..40 * 70).map(|n| (n % 97) as f32).collect());
            let channels = AnyChannels::sort([AnyChannel::new("R", samples)].into_iter().collect());
            Layer::new(size, LayerAttributes::named(format!("layer {number}").as_str()), encoding, channels)
        };
        let layers: Vec<_> = (0..layers).map(layer).collect();
        let attributes = ImageAttributes::new(IntegerBounds::from_dimensions(size));
        let image = Image { attributes, layer_data: layers.into_iter().collect::<Layers<_>>() };
        let mut file = Cursor::new(Vec::new());
        image.write().to_buffered(&mut file).unwrap();
        file.into_inner()
    }

    #[test]
    fn a_file_that_lacks_its_end_or_a_chunk_is_not_whole() {
        let lines = |compression| Encoding {
            compression,
            blocks: Blocks::ScanLines,
            line_order: LineOrder::Increasing,
        };
        let encodings = [Compression::Uncompressed, Compression::ZIP1, Compression::ZIP16, Compression::PIZ];
        for (encoding, layers) in encodings.map(lines).into_iter().flat_map(|e| [(e, 1), (e, 3)]) {
            let file = written(encoding, layers);
            assert!(looked_at(&file), "{encoding:?}, {layers} layers");
            for size in [file.len() - 1, file.len() / 2, 300, 100] {
                assert!(!looked_at(&file[..size]), "{encoding:?}, {layers} layers, {size} bytes");
            }
        }
        // A file that was not closed in order: its table was never filled.
        let mut file = written(lines(Compression::ZIP16), 1);
        // Five chunks of sixteen lines; the first stands right behind the table.
        let is_table = |at: &usize| file[*at..*at + 8] == (*at as u64 + 5 * 8).to_le_bytes();
        let first = (0..file.len() - 8).find(is_table).unwrap();
        file[first..first + 8].fill(0);
        assert!(!looked_at(&file));
    }

    #[test]
    fn what_blender_never_writes_passes() {
        assert!(looked_at(&written(Encoding::FAST_LOSSLESS, 1)));
        let tiles = Blocks::Tiles(Vec2(16, 16));
        let tiled = Encoding { blocks: tiles, ..Encoding::UNCOMPRESSED };
        assert!(looked_at(&written(tiled, 1)));
    }
}
