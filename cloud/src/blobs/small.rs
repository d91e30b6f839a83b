//! Small blobs: taken into memory, then written, flushed and named in one go on one thread.
//!
//! A large one goes through [`super::staging`], piece by piece; of a small one the ways between threads would
//! cost more than the writing.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use pictor_actors::faults;
use pictor_actors::ids::UploadId;
use pictor_actors::units::BlobHash;

use super::staging::{disk, name_flushed};
use super::{BlobError, BytesIn, Stored};

/// Bytes of the largest one: beside many uploads at once that is little memory.
pub const SMALL_BYTES_MAX: u64 = 256 * 1024;

/// A blob in memory.
pub struct Small {
    bytes: Vec<u8>,
    /// What it is.
    pub stored: Stored,
}

impl Small {
    /// Takes in the whole stream, at most `size_max` bytes.
    pub async fn read(mut body: BytesIn, size_max: u64) -> Result<Self, BlobError> {
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(BlobError::Body)?;
            if (bytes.len() + piece.len()) as u64 > size_max {
                return Err(BlobError::TooLarge { limit: size_max });
            }
            bytes.extend_from_slice(&piece);
        }
        let hash = BlobHash::from_bytes(*blake3::hash(&bytes).as_bytes());
        let stored = Stored { hash, size: bytes.len() as u64 };
        Ok(Self { bytes, stored })
    }

    /// Writes it into `staging`, flushes it and moves it to its name, as `Staging::keep` does.
    pub async fn keep(self, staging: &Path, target: PathBuf) -> Result<(), BlobError> {
        let path = staging.join(format!("{}.part", UploadId::generate()));
        let keeping = tokio::task::spawn_blocking(move || {
            let kept = write_and_name(&path, &target, &self.bytes);
            if kept.is_err() {
                // Left behind at worst until the next start, which clears the folder.
                drop(fs::remove_file(&path));
            }
            kept
        });
        keeping.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(disk)
    }
}

fn write_and_name(path: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    faults::reach("blob.filled")?;
    file.sync_all()?;
    faults::reach("blob.flushed")?;
    name_flushed(path, target)?;
    faults::reach("blob.kept").map_err(io::Error::from)
}
