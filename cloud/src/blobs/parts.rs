//! Parts of uploads, each a file of its own until the whole is there.
//!
//! A part is written aside and swapped in whole: one that is sent again and breaks off, or that another
//! sender is still busy with, never touches the copy that is there. Joining reads the parts and leaves them,
//! so that it can be done again after a full disk or a kill.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use pictor_actors::ids::UploadId;
use pictor_actors::units::BlobHash;
use tokio::fs;

use super::staging::{Staging, disk, flush_folder};
use super::{BlobError, BytesIn, Stored};

/// Bytes read at a time while parts are joined.
const JOIN_BYTES: usize = 1024 * 1024;

/// The folder `uploads`, with a folder for each upload.
pub struct Parts {
    uploads: PathBuf,
    staging: PathBuf,
}

impl Parts {
    pub fn new(root: &Path) -> Self {
        Self { uploads: root.join("uploads"), staging: root.join("staging") }
    }

    fn folder(&self, upload: UploadId) -> PathBuf {
        self.uploads.join(upload.to_string())
    }

    /// Takes a part in; it counts only if it has exactly that length.
    pub async fn put(
        &self,
        upload: UploadId,
        part: u32,
        body: BytesIn,
        length: u64,
    ) -> Result<(), BlobError> {
        let folder = self.folder(upload);
        // Made before the bytes come and not again after: a part that ends after its upload was dropped finds
        // no folder, and leaves nothing.
        if !fs::try_exists(&folder).await.map_err(disk)? {
            fs::create_dir_all(&folder).await.map_err(disk)?;
            flush_folder(&self.uploads).await?;
        }
        let mut staging = Staging::create(&self.staging).await?;
        let found = staging.fill(body, length).await?.size;
        if found != length {
            return Err(BlobError::Incomplete { found, wanted: length });
        }
        staging.swap_into(&folder.join(part.to_string())).await
    }

    /// The parts in their order as one file of that size, not yet under its name.
    pub async fn join(&self, upload: UploadId, size: u64) -> Result<(Staging, Stored), BlobError> {
        let parts = listed(&self.folder(upload)).await?;
        let found = parts.iter().map(|part| part.size).sum();
        let is_gapless = parts.iter().zip(0..).all(|(part, number)| part.number == number);
        if found != size || !is_gapless {
            return Err(BlobError::Incomplete { found, wanted: size });
        }
        let staging = Staging::create(&self.staging).await?;
        let file = staging.file().await?;
        // Off the async threads: a large upload takes seconds to hash and to write.
        let joined = tokio::task::spawn_blocking(move || copy_all(&parts, file));
        let stored = joined.await.map_err(io::Error::other).and_then(|stored| stored).map_err(disk)?;
        if stored.size != size {
            return Err(BlobError::Incomplete { found: stored.size, wanted: size });
        }
        Ok((staging, stored))
    }

    /// Removes all parts of an upload; none there is no error.
    pub async fn forget(&self, upload: UploadId) -> Result<(), BlobError> {
        match fs::remove_dir_all(self.folder(upload)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(error)),
            _ => Ok(()),
        }
    }
}

struct Part {
    number: u32,
    size: u64,
    path: PathBuf,
}

async fn listed(folder: &Path) -> Result<Vec<Part>, BlobError> {
    let mut parts = Vec::new();
    let mut entries = fs::read_dir(folder).await.map_err(disk)?;
    while let Some(entry) = entries.next_entry().await.map_err(disk)? {
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let size = entry.metadata().await.map_err(disk)?.len();
        parts.extend(number.map(|number| Part { number, size, path: entry.path() }));
    }
    parts.sort_by_key(|part| part.number);
    Ok(parts)
}

fn copy_all(parts: &[Part], mut file: std::fs::File) -> io::Result<Stored> {
    let (mut hasher, mut size) = (blake3::Hasher::new(), 0);
    let mut bytes = vec![0; JOIN_BYTES];
    for part in parts {
        let mut from = std::fs::File::open(&part.path)?;
        loop {
            let count = from.read(&mut bytes)?;
            if count == 0 {
                break;
            }
            hasher.update(&bytes[..count]);
            file.write_all(&bytes[..count])?;
            size += count as u64;
        }
    }
    Ok(Stored { hash: BlobHash::from_bytes(*hasher.finalize().as_bytes()), size })
}
