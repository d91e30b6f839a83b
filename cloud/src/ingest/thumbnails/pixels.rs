//! PNG and JPEG, made small.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, GenericImageView, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::Size;

/// Memory for one decoded picture: 16-bit RGBA of 8,192 × 4,608 pixels and some.
pub(super) const DECODED_BYTES_MAX: u64 = 320 * 1024 * 1024;
/// Pixels of either side.
const SIDE_PIXELS_MAX: u32 = 32_768;

pub(super) fn read(path: &Path, format: ImageFormat, size: Size) -> Result<DynamicImage, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut reader = ImageReader::with_format(BufReader::new(file), format);
    reader.limits(limits());
    let decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    if decoder.total_bytes() > DECODED_BYTES_MAX {
        return Err(format!("{width} × {height} pixels are too many to show"));
    }
    let whole = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
    Ok(made_small(&whole, size))
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODED_BYTES_MAX);
    limits.max_image_width = Some(SIDE_PIXELS_MAX);
    limits.max_image_height = Some(SIDE_PIXELS_MAX);
    limits
}

fn made_small(whole: &DynamicImage, size: Size) -> DynamicImage {
    let (width, height) = whole.dimensions();
    let (small_width, small_height) = small_size(width, height, size);
    if (small_width, small_height) == (width, height) {
        return whole.clone();
    }
    // Four times the wanted size by simple averages first: the good filter alone takes seconds on a large
    // frame.
    let coarse = if width / 4 > small_width {
        whole.thumbnail_exact(small_width * 4, small_height * 4)
    } else {
        whole.clone()
    };
    coarse.resize_exact(small_width, small_height, FilterType::Triangle)
}

/// The size that fits within [`Size::side_max`], never larger than the picture, never below one pixel.
pub(super) fn small_size(width: u32, height: u32, size: Size) -> (u32, u32) {
    let side_max = size.side_max();
    let longer = width.max(height).max(1);
    if longer <= side_max {
        return (width.max(1), height.max(1));
    }
    let scaled = |side: u32| {
        let exact = u64::from(side) * u64::from(side_max) / u64::from(longer);
        u32::try_from(exact).unwrap_or(side_max).max(1)
    };
    (scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_their_shape_and_never_grow() {
        assert_eq!(small_size(1920, 1080, Size::Small), (320, 180));
        assert_eq!(small_size(1080, 1920, Size::Small), (180, 320));
        assert_eq!(small_size(100, 50, Size::Small), (100, 50));
        assert_eq!(small_size(100_000, 1, Size::Small), (320, 1));
        assert_eq!(small_size(0, 0, Size::Small), (1, 1));
        assert_eq!(small_size(3840, 2160, Size::Large), (1600, 900));
        assert_eq!(small_size(1280, 720, Size::Large), (1280, 720));
    }
}
