//! Small pictures of frames: one for the grid, one that fills a page where a browser cannot show the frame
//! itself. Made once, when first asked for, and kept in a folder that may be emptied at any time.
//!
//! Frames come from workers and may be of any size: they are decoded in blocking threads, few at a time,
//! within a bound on memory.

mod exr_lines;
mod pixels;
mod tone;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat};
use pictor_actors::ids::UploadId;
use pictor_actors::protocol::assignment::OutputFormat;
use pictor_actors::units::BlobHash;
use tokio::sync::Semaphore;

use super::scratch::as_file;
use crate::blobs::{BlobError, Blobs};

/// How small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// At most 320 pixels on the longer side.
    #[default]
    Small,
    /// At most 1600 pixels on the longer side.
    Large,
}

impl Size {
    /// Pixels of the longer side.
    #[must_use]
    pub const fn side_max(self) -> u32 {
        match self {
            Self::Small => 320,
            Self::Large => 1600,
        }
    }

    /// Added to the frame's hash it names the picture, on the disk and in a tag.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Small => "",
            Self::Large => "-large",
        }
    }
}

/// Pictures made at a time: each may take [`pixels::DECODED_BYTES_MAX`].
const AT_A_TIME: usize = 2;
/// Requests that may wait for that; more are told to come again.
const WAITING_MAX: usize = 64;
/// Of 100; a small picture of this quality is 10 to 15 KiB, a large one 150 to 300.
const JPEG_QUALITY: u8 = 82;

/// Makes and keeps small pictures. Clones share the bounds.
#[derive(Clone)]
pub struct Thumbnails {
    dir: PathBuf,
    blobs: Arc<dyn Blobs>,
    making: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// A small picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// Its bytes.
    pub bytes: Bytes,
    /// `image/jpeg`, or `image/webp` where it has transparency.
    pub media_type: &'static str,
}

/// Why there is no small picture.
#[derive(Debug, thiserror::Error)]
pub enum ThumbnailError {
    /// The frame cannot be shown small; it can still be downloaded.
    #[error("the frame cannot be shown small: {0}")]
    NotShown(String),
    /// Too many are being made.
    #[error("too many small pictures are being made: try again soon")]
    Busy,
    /// The blob store's answer.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl Thumbnails {
    /// Keeps the pictures in `dir`.
    #[must_use]
    pub fn new(dir: PathBuf, blobs: Arc<dyn Blobs>) -> Self {
        let (making, waiting) = (Semaphore::new(AT_A_TIME), Semaphore::new(WAITING_MAX));
        Self { dir, blobs, making: Arc::new(making), waiting: Arc::new(waiting) }
    }

    /// The picture of a stored frame in that size.
    ///
    /// # Errors
    /// Where the frame cannot be decoded within the bounds, or the blob is not there.
    pub async fn thumbnail(
        &self,
        hash: BlobHash,
        format: OutputFormat,
        size: Size,
    ) -> Result<Thumbnail, ThumbnailError> {
        let name = format!("{hash}{}", size.suffix());
        let kept = self.dir.join(&name[..2]).join(&name);
        if let Ok(bytes) = tokio::fs::read(&kept).await {
            return Ok(named(bytes));
        }
        // Of several who ask at once the first makes it, and the others find it when it is their turn.
        let _waiting = self.waiting.try_acquire().map_err(|_| ThumbnailError::Busy)?;
        let making = Arc::clone(&self.making).acquire_owned().await.map_err(|_| ThumbnailError::Busy)?;
        if let Ok(bytes) = tokio::fs::read(&kept).await {
            return Ok(named(bytes));
        }
        let file = as_file(self.blobs.as_ref(), hash, &self.dir).await?;
        let made = tokio::task::spawn_blocking(move || {
            // Both live until the work ends, also when the asker has gone.
            let (_making, file) = (making, file);
            make(file.path(), format, size)
        });
        let bytes = made
            .await
            .map_err(|_| ThumbnailError::NotShown("its decoder failed".to_owned()))?
            .map_err(ThumbnailError::NotShown)?;
        if let Err(error) = keep(&kept, &bytes).await {
            tracing::warn!(%error, "a small picture was not kept");
        }
        Ok(named(bytes))
    }
}

fn make(path: &Path, format: OutputFormat, size: Size) -> Result<Vec<u8>, String> {
    let small = match format {
        OutputFormat::Png => pixels::read(path, ImageFormat::Png, size)?,
        OutputFormat::Jpeg => pixels::read(path, ImageFormat::Jpeg, size)?,
        OutputFormat::OpenExr | OutputFormat::OpenExrMultilayer => {
            DynamicImage::ImageRgb8(exr_lines::read(path, size)?)
        }
    };
    encode(&small).map_err(|error| format!("it cannot be written: {error}"))
}

fn encode(small: &DynamicImage) -> image::ImageResult<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    if has_transparency(small) {
        small.to_rgba8().write_to(&mut bytes, ImageFormat::WebP)?;
    } else {
        small.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?;
    }
    Ok(bytes.into_inner())
}

fn has_transparency(small: &DynamicImage) -> bool {
    small.color().has_alpha() && small.to_rgba8().pixels().any(|pixel| pixel[3] < u8::MAX)
}

fn named(bytes: Vec<u8>) -> Thumbnail {
    let media_type = if bytes.starts_with(&[0xff, 0xd8]) { "image/jpeg" } else { "image/webp" };
    Thumbnail { bytes: bytes.into(), media_type }
}

/// Written aside and renamed, so that a reader finds it whole or not at all.
async fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    tokio::fs::create_dir_all(folder).await?;
    let aside = folder.join(format!("{}.part", UploadId::generate()));
    let written = match tokio::fs::write(&aside, bytes).await {
        Ok(()) => tokio::fs::rename(&aside, path).await,
        Err(error) => Err(error),
    };
    if written.is_err() {
        // A full disk shall not keep what is of no use; should this fail too, a sweep finds it.
        let _ = tokio::fs::remove_file(&aside).await;
    }
    written
}
