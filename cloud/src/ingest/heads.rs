//! What the first bytes of a file say it is, whatever its name says: a page of text called `scene.blend` is
//! better refused here than by a worker, an hour later.

use futures_util::TryStreamExt;
use pictor_actors::protocol::assignment::InputFile;

use super::IngestError;
use crate::blobs::{BlobError, Blobs};

/// Bytes that are looked at.
const HEAD_BYTES: u64 = 8;
const BLENDER: &[u8] = b"BLENDER";
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZIP: &[u8] = b"PK\x03\x04";
const ZSTD: u32 = 0xfd2f_b528;
/// Any of sixteen numbers: a part of a zstd stream that readers pass over.
const ZSTD_SKIPPED: u32 = 0x184d_2a50;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// A `.blend` file as it is.
    Blend,
    /// Packed as Blender packs (gzip before 3.0, zstd since); what is inside is not known yet.
    Packed,
    /// A zip.
    Zip,
    /// Something else.
    Other,
}

impl Head {
    /// Reads the head of a stored file.
    pub(super) async fn read(blobs: &dyn Blobs, file: &InputFile) -> Result<Self, IngestError> {
        if file.size == 0 {
            return Ok(Self::Other);
        }
        let (_, body) = blobs.get(file.hash, Some(0..file.size.min(HEAD_BYTES))).await?;
        let head: Vec<_> = body.try_collect().await.map_err(BlobError::Io)?;
        Ok(Self::of(&head.concat()))
    }

    fn of(bytes: &[u8]) -> Self {
        let number = bytes.first_chunk().map(|four| u32::from_le_bytes(*four));
        let is_zstd = number.is_some_and(|number| number == ZSTD || number & !0xf == ZSTD_SKIPPED);
        if bytes.starts_with(BLENDER) {
            Self::Blend
        } else if bytes.starts_with(GZIP) || is_zstd {
            Self::Packed
        } else if bytes.starts_with(ZIP) {
            Self::Zip
        } else {
            Self::Other
        }
    }

    /// Why it is no scene, after its name; nothing where it may be one.
    pub(super) const fn objection(self) -> Option<&'static str> {
        match self {
            Self::Blend | Self::Packed => None,
            Self::Zip => Some("is a zip, not a .blend file: give its name the ending .zip"),
            Self::Other => Some(NOT_BLEND),
        }
    }
}

/// Why a file is no scene, after its name.
pub(super) const NOT_BLEND: &str =
    "is not a .blend file, whatever its name says: save the scene in Blender and send that";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_stands_at_its_beginning() {
        for (bytes, head) in [
            (&b"BLENDER-v304RENDH"[..], Head::Blend),
            (b"BLENDER17-01v0500", Head::Blend),
            (b"BLENDER", Head::Blend),
            (b"BLENDE", Head::Other),
            (b"blender-v304", Head::Other),
            (b"\x1f\x8b\x08\x00", Head::Packed),
            (b"\x28\xb5\x2f\xfd\x04", Head::Packed),
            (b"\x5e\x2a\x4d\x18\x04", Head::Packed),
            (b"PK\x03\x04....", Head::Zip),
            (b"Dear Sir or Madam", Head::Other),
            (b"\xfd\x2f\xb5\x28", Head::Other),
            (b"", Head::Other),
        ] {
            assert_eq!(Head::of(bytes), head, "{bytes:?}");
        }
    }
}
