//! Small pictures without an image library: a colour gradient that moves with the frame. PNG with stored
//! blocks, OpenEXR without compression; JPEG is one fixed picture. Each carries a note, so that no two files
//! need be the same.

use pictor_actors::protocol::assignment::OutputFormat;

/// Pictures are at most this wide and high: they are fakes.
const SIDE_MAX: u32 = 512;
const STORED_MAX: usize = 65_535;
/// Longer notes are cut.
const NOTE_MAX: usize = 1_024;
const CRC_TABLE: [u32; 256] = crc_table();

/// The bytes of a picture file with a note in ASCII; the same for the same arguments.
#[must_use]
pub fn picture(format: OutputFormat, frame: i32, width: u32, height: u32, note: &str) -> Vec<u8> {
    let (width, height) = (width.clamp(1, SIDE_MAX), height.clamp(1, SIDE_MAX));
    let note = note.get(..NOTE_MAX).unwrap_or(note);
    match format {
        OutputFormat::Png => png(frame, width, height, note),
        OutputFormat::Jpeg => jpeg(note),
        OutputFormat::OpenExr | OutputFormat::OpenExrMultilayer => exr(frame, width, height, note),
    }
}

fn jpeg(note: &str) -> Vec<u8> {
    let still = include_bytes!("still.jpg");
    let (begin, rest) = still.split_at(2);
    let length = u16::try_from(note.len() + 2).unwrap_or(2).to_be_bytes();
    [begin, &[0xff, 0xfe], &length, note.as_bytes(), rest].concat()
}

/// Red and green run over the picture, blue with the frame; each 0 to 255.
fn colour(frame: i32, x: u32, y: u32, width: u32, height: u32) -> [u8; 3] {
    let part = |at: u32, of: u32| u8::try_from(at * 255 / of.max(1)).unwrap_or(255);
    [part(x, width), part(y, height), u8::try_from(frame.rem_euclid(256)).unwrap_or(0)]
}

fn png(frame: i32, width: u32, height: u32, note: &str) -> Vec<u8> {
    let mut rows = Vec::new();
    for y in 0..height {
        rows.push(0); // no filter
        (0..width).for_each(|x| rows.extend(colour(frame, x, y, width, height)));
    }
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]); // 8 bits, RGB
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, b"IHDR", &header);
    chunk(&mut file, b"tEXt", format!("Comment\0{note}").as_bytes());
    chunk(&mut file, b"IDAT", &stored_zlib(&rows));
    chunk(&mut file, b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
    file.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    let from = file.len();
    file.extend(kind);
    file.extend(body);
    let sum = crc32(&file[from..]);
    file.extend(sum.to_be_bytes());
}

fn stored_zlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks = bytes.chunks(STORED_MAX).len();
    for (n, block) in bytes.chunks(STORED_MAX).enumerate() {
        let size = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(n + 1 == blocks));
        out.extend(size.to_le_bytes());
        out.extend((!size).to_le_bytes());
        out.extend(block);
    }
    out.extend(adler32(bytes).to_be_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| (crc >> 8) ^ CRC_TABLE[usize::from((crc as u8) ^ byte)])
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

/// Three channels of 32-bit floats, one scan line a chunk.
fn exr(frame: i32, width: u32, height: u32, note: &str) -> Vec<u8> {
    let mut file = vec![0x76, 0x2f, 0x31, 0x01, 2, 0, 0, 0];
    let mut channels = Vec::new();
    for name in [b"B\0", b"G\0", b"R\0"] {
        channels.extend(name);
        // float; not linear, reserved; sampled at every pixel
        [2_u32, 0, 1, 1].iter().for_each(|value| channels.extend(value.to_le_bytes()));
    }
    channels.push(0);
    let window = [0, 0, width - 1, height - 1].map(u32::to_le_bytes).concat();
    let one = 1_f32.to_le_bytes();
    attribute(&mut file, "channels", "chlist", &channels);
    attribute(&mut file, "comments", "string", note.as_bytes());
    attribute(&mut file, "compression", "compression", &[0]);
    attribute(&mut file, "dataWindow", "box2i", &window);
    attribute(&mut file, "displayWindow", "box2i", &window);
    attribute(&mut file, "lineOrder", "lineOrder", &[0]);
    attribute(&mut file, "pixelAspectRatio", "float", &one);
    attribute(&mut file, "screenWindowCenter", "v2f", &[0; 8]);
    attribute(&mut file, "screenWindowWidth", "float", &one);
    file.push(0);
    let line_bytes = width * 3 * 4;
    let first = u64::try_from(file.len()).unwrap_or(0) + u64::from(height) * 8;
    (0..height).for_each(|y| file.extend((first + u64::from(y) * u64::from(line_bytes + 8)).to_le_bytes()));
    for y in 0..height {
        file.extend(y.to_le_bytes());
        file.extend(line_bytes.to_le_bytes());
        for channel in [2, 1, 0] {
            let value = |x| f32::from(colour(frame, x, y, width, height)[channel]) / 255.0;
            (0..width).for_each(|x| file.extend(value(x).to_le_bytes()));
        }
    }
    file
}

fn attribute(file: &mut Vec<u8>, name: &str, kind: &str, value: &[u8]) {
    for text in [name, kind] {
        file.extend(text.as_bytes());
        file.push(0);
    }
    file.extend(u32::try_from(value.len()).unwrap_or(0).to_le_bytes());
    file.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_decodes_to_the_wanted_size_and_the_frame_shows() {
        let decoded =
            image::load_from_memory(&picture(OutputFormat::Png, 7, 300, 200, "one")).unwrap().to_rgb8();
        assert_eq!(decoded.dimensions(), (300, 200));
        assert_eq!(decoded.get_pixel(299, 0).0, colour(7, 299, 0, 300, 200));
        let still = image::load_from_memory(&picture(OutputFormat::Jpeg, 7, 64, 36, "one")).unwrap();
        assert_eq!(still.to_rgb8().dimensions(), (64, 36));
        let bytes = picture(OutputFormat::OpenExr, 51, 20, 10, "one");
        use exr::image::read::image::ReadLayers as _;
        use exr::image::read::layers::ReadChannels as _;
        let file = exr::prelude::read().no_deep_data().largest_resolution_level().all_channels().all_layers();
        let image = file.all_attributes().from_buffered(std::io::Cursor::new(&bytes)).unwrap();
        let layer = &image.layer_data[0];
        assert_eq!((layer.size.0, layer.size.1), (20, 10));
        let blue = layer.channel_data.list[0].sample_data.values_as_f32().next().unwrap();
        assert!((blue - 0.2).abs() < 1e-6);
        for format in [OutputFormat::Png, OutputFormat::Jpeg, OutputFormat::OpenExr] {
            let noted = |note| picture(format, 51, 20, 10, note);
            assert_eq!(noted("one"), noted("one"));
            assert_ne!(noted("one"), noted("other"));
        }
    }
}
