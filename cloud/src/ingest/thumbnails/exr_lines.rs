//! OpenEXR, made small line by line: a frame of 16k × 16k pixels with thirty passes takes no more memory than
//! one of its blocks.
//!
//! Blender writes the picture that people mean as `Combined` of a view layer (one part with all channels, or
//! a part a layer), or as plain R, G, B.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use exr::block::chunk::TileCoordinates;
use exr::block::lines::LineRef;
use exr::block::reader::ChunksReader;
use exr::block::{BlockIndex, UncompressedBlock};
use exr::meta::MetaData;
use exr::meta::attribute::SampleType;
use exr::meta::header::Header;
use exr::prelude::f16;
use image::RgbImage;

use super::Size;
use super::pixels::small_size;
use super::tone::to_screen;

/// Pixels of one layer: 32k × 16k.
const PIXELS_MAX: usize = 512 * 1024 * 1024;
/// Bytes of one block with all channels of its part.
const BLOCK_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Which channels of which part are shown; three times the same where there is only one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    part: usize,
    red_green_blue: [usize; 3],
}

pub(super) fn read(path: &Path, size: Size) -> Result<RgbImage, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let reader = exr::block::read(BufReader::new(file), false).map_err(|error| error.to_string())?;
    let shown = shown(reader.headers()).ok_or("it has no channel that can be shown")?;
    let header = &reader.headers()[shown.part];
    check_size(header)?;
    let types = shown.red_green_blue.map(|channel| header.channels.list[channel].sample_type);
    let channels = header.channels.clone();
    let mut small = Small::new(header.layer_size.0, header.layer_size.1, size);
    let wanted = |_: &MetaData, tile: TileCoordinates, block: BlockIndex| {
        block.layer == shown.part && tile.is_largest_resolution_level()
    };
    let chunks = reader.filter_chunks(false, wanted).map_err(|error| error.to_string())?;
    chunks
        .decompress_sequential(false, |_, block: UncompressedBlock| {
            for line in block.lines(&channels) {
                for (color, &channel) in shown.red_green_blue.iter().enumerate() {
                    if line.location.channel == channel {
                        small.add(color, types[color], line)?;
                    }
                }
            }
            Ok(())
        })
        .map_err(|error| error.to_string())?;
    Ok(small.picture())
}

fn check_size(header: &Header) -> Result<(), String> {
    let (width, height) = (header.layer_size.0, header.layer_size.1);
    let block = header.max_block_pixel_size();
    let block_bytes =
        block.0.checked_mul(block.1).and_then(|area| area.checked_mul(header.channels.bytes_per_pixel));
    let is_subsampled =
        header.channels.list.iter().any(|channel| channel.sampling.0 != 1 || channel.sampling.1 != 1);
    if header.deep || is_subsampled {
        return Err("it is deep or has channels of different sizes".to_owned());
    }
    let is_small_enough = width.checked_mul(height).is_some_and(|pixels| (1..=PIXELS_MAX).contains(&pixels))
        && block_bytes.is_some_and(|bytes| bytes <= BLOCK_BYTES_MAX);
    if is_small_enough { Ok(()) } else { Err(format!("{width} × {height} pixels are too many to show")) }
}

/// The channels that people mean by *the picture*.
fn shown(headers: &[Header]) -> Option<Shown> {
    let groups = headers.iter().enumerate().flat_map(|(part, header)| {
        let layer = header.own_attributes.layer_name.as_ref().map(ToString::to_string).unwrap_or_default();
        let names: Vec<String> =
            header.channels.list.iter().map(|channel| channel.name.to_string()).collect();
        let reds = (0..names.len()).filter(|&index| last(&names[index]) == "R").collect::<Vec<_>>();
        let group = move |red: usize| {
            let prefix = names[red].strip_suffix('R').unwrap_or_default();
            let find = |letter: &str| names.iter().position(|name| *name == format!("{prefix}{letter}"));
            let red_green_blue = [red, find("G")?, find("B")?];
            Some((rank(&format!("{layer}.{prefix}")), Shown { part, red_green_blue }))
        };
        reds.into_iter().filter_map(group).collect::<Vec<_>>()
    });
    let best = groups.min_by_key(|(rank, _)| *rank).map(|(_, shown)| shown);
    best.or_else(|| {
        let part = headers.iter().position(|header| !header.channels.list.is_empty())?;
        Some(Shown { part, red_green_blue: [0; 3] })
    })
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Lower is better: the composited picture, a layer's combined pass, plain colours, any other pass.
fn rank(name: &str) -> u8 {
    let is_combined = name.split('.').any(|word| word == "Combined");
    let is_composite = name.split('.').any(|word| word == "Composite");
    match (is_composite, is_combined, name.trim_matches('.').is_empty()) {
        (true, true, _) => 0,
        (_, true, _) => 1,
        (_, _, true) => 2,
        (true, false, _) => 3,
        (false, false, false) => 4,
    }
}

/// Averages of the pixels that fall into each pixel of the small picture.
struct Small {
    width: usize,
    height: usize,
    small_width: u32,
    small_height: u32,
    sums: [Vec<f32>; 3],
    counts: [Vec<u32>; 3],
}

impl Small {
    fn new(width: usize, height: usize, size: Size) -> Self {
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        let (small_width, small_height) = small_size(side(width), side(height), size);
        let area = small_width as usize * small_height as usize;
        let (sums, counts) =
            (std::array::from_fn(|_| vec![0.0; area]), std::array::from_fn(|_| vec![0; area]));
        Self { width, height, small_width, small_height, sums, counts }
    }

    fn add(&mut self, color: usize, sample: SampleType, line: LineRef<'_>) -> exr::error::UnitResult {
        let (x, y) = (line.location.position.0, line.location.position.1);
        let row = (y * self.small_height as usize / self.height).min(self.small_height as usize - 1);
        let mut add = |index: usize, light: f32| {
            let column =
                ((x + index) * self.small_width as usize / self.width).min(self.small_width as usize - 1);
            let at = row * self.small_width as usize + column;
            // A firefly or an infinity would paint the whole small pixel white.
            if light.is_finite() {
                self.sums[color][at] += light.clamp(0.0, 16.0);
                self.counts[color][at] += 1;
            }
        };
        match sample {
            SampleType::F16 => each(line.read_samples::<f16>(), |index, value| add(index, value.to_f32())),
            SampleType::F32 => each(line.read_samples::<f32>(), &mut add),
            #[allow(clippy::cast_precision_loss)] // numbers of objects: only shown
            SampleType::U32 => each(line.read_samples::<u32>(), |index, value| add(index, value as f32)),
        }
    }

    fn picture(&self) -> RgbImage {
        RgbImage::from_fn(self.small_width, self.small_height, |x, y| {
            let at = (y * self.small_width + x) as usize;
            #[allow(clippy::cast_precision_loss)]
            // counts below 2^24: a small pixel holds at most 16k × 16k ÷ 320²
            let mean = |color: usize| self.sums[color][at] / self.counts[color][at].max(1) as f32;
            image::Rgb(std::array::from_fn(|color| to_screen(mean(color))))
        })
    }
}

fn each<T>(
    samples: impl Iterator<Item = exr::error::Result<T>>,
    mut add: impl FnMut(usize, T),
) -> exr::error::UnitResult {
    for (index, sample) in samples.enumerate() {
        add(index, sample?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_combined_pass_is_shown_before_any_other() {
        // Part and channel prefix, as Blender and others write them, best first.
        let names = [
            "ViewLayer.Composite.Combined.",
            "Second.Combined.",
            ".",
            "Composite.Noisy.",
            "ViewLayer.DiffCol.",
        ];
        assert!(names.map(rank).is_sorted_by(|one, next| one < next), "{:?}", names.map(rank));
        assert_eq!(rank(".ViewLayer.Combined."), rank("ViewLayer.Combined."), "one part or a part a layer");
    }
}
