//! A file that is being written: it vanishes unless it is moved to its name.

use std::io;
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use pictor_actors::faults::{self, Injected};
use pictor_actors::ids::UploadId;
use pictor_actors::units::BlobHash;
use tokio::fs::{self, File};
use tokio::io::{AsyncWriteExt as _, BufWriter};

use super::joined::Joined;
use super::{BlobError, BytesIn, Stored};

/// Bytes written at a time.
const WRITE_BYTES: usize = 1024 * 1024;

/// A half-written blob.
pub struct Staging {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl Staging {
    /// A fresh file in this folder.
    pub async fn create(folder: &Path) -> Result<Self, BlobError> {
        let path = folder.join(format!("{}.part", UploadId::generate()));
        let file = File::create_new(&path).await.map_err(disk)?;
        Ok(Self { path, file, is_kept: false })
    }

    /// The bytes of an upload's joined parts, under another name in this folder; nothing where the file
    /// system gives no second name.
    pub async fn linked(folder: &Path, joined: Joined) -> Option<Self> {
        let path = folder.join(format!("{}.part", UploadId::generate()));
        let name = path.clone();
        let linked = tokio::task::spawn_blocking(move || joined.link(&name)).await;
        match linked.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => Some(Self { file: File::open(&path).await.ok()?, path, is_kept: false }),
            Err(error) => {
                tracing::debug!(%error, "parts are copied, not linked");
                None
            }
        }
    }

    /// Takes in the whole stream, at most `size_max` bytes, and says how many there were.
    pub async fn take(&mut self, body: BytesIn, size_max: u64) -> Result<u64, BlobError> {
        copy(body, &mut self.file, size_max, |_| {}).await
    }

    /// The same, hashing on the way.
    pub async fn fill(&mut self, body: BytesIn, size_max: u64) -> Result<Stored, BlobError> {
        let mut hasher = blake3::Hasher::new();
        let size = copy(body, &mut self.file, size_max, |bytes| {
            hasher.update(bytes);
        })
        .await?;
        Ok(Stored { hash: BlobHash::from_bytes(*hasher.finalize().as_bytes()), size })
    }

    /// The file, for a thread that blocks.
    pub async fn file(&self) -> Result<std::fs::File, BlobError> {
        Ok(self.file.try_clone().await.map_err(disk)?.into_std().await)
    }

    /// Flushes it and puts it in the place of another, in a folder that is there.
    pub async fn swap_into(mut self, target: &Path) -> Result<(), BlobError> {
        faults::pass("part.filled").await.map_err(injected)?;
        self.file.sync_all().await.map_err(disk)?;
        faults::pass("part.flushed").await.map_err(injected)?;
        fs::rename(&self.path, target).await.map_err(disk)?;
        self.is_kept = true;
        faults::pass("part.named").await.map_err(injected)?;
        flush_folder(target.parent().unwrap_or(target)).await
    }

    /// Flushes it and moves it to its name; where a blob of that name is, that one stays: it is the same.
    pub async fn keep(mut self, target: &Path) -> Result<(), BlobError> {
        faults::pass("blob.filled").await.map_err(injected)?;
        self.file.sync_all().await.map_err(disk)?;
        faults::pass("blob.flushed").await.map_err(injected)?;
        let (from, to) = (self.path.clone(), target.to_path_buf());
        let naming = tokio::task::spawn_blocking(move || name_flushed(&from, &to));
        naming.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(disk)?;
        // Two names of the same bytes: nothing is moved then, and this one is too many.
        drop(fs::remove_file(&self.path).await);
        self.is_kept = true;
        faults::pass("blob.kept").await.map_err(injected)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_kept {
            // Left behind at worst until the next start, which clears the folder.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Copies a stream into a file and returns how many bytes came. The first byte above the limit ends it.
pub async fn copy(
    mut body: BytesIn,
    file: &mut File,
    size_max: u64,
    mut seen: impl FnMut(&[u8]),
) -> Result<u64, BlobError> {
    let mut size = 0_u64;
    // Each write goes to another thread and back: a megabyte at a time, not what one packet brought.
    let mut file = BufWriter::with_capacity(WRITE_BYTES, file);
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(BlobError::Body)?;
        size += bytes.len() as u64;
        if size > size_max {
            return Err(BlobError::TooLarge { limit: size_max });
        }
        seen(&bytes);
        file.write_all(&bytes).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    Ok(size)
}

/// Makes the names in a folder durable.
pub async fn flush_folder(folder: &Path) -> Result<(), BlobError> {
    let folder = folder.to_path_buf();
    let flushing = tokio::task::spawn_blocking(move || flush_names(&folder));
    flushing.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(disk)
}

/// Renames a flushed file and flushes both folders, so that after a power cut it is there under its name. It
/// blocks.
pub fn name_flushed(from: &Path, target: &Path) -> io::Result<()> {
    let folder = target.parent().unwrap_or(target);
    if !folder.try_exists()? {
        std::fs::create_dir_all(folder)?;
        flush_names(folder.parent().unwrap_or(folder))?;
    }
    std::fs::rename(from, target)?;
    faults::reach("blob.named")?;
    flush_names(folder)
}

/// The same for a thread that blocks. Only Unix knows that.
fn flush_names(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

pub fn injected(injected: Injected) -> BlobError {
    disk(injected.into())
}

/// What an error of the disk means.
pub fn disk(error: io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::DiskFull,
        io::ErrorKind::NotFound => BlobError::NotFound,
        _ => BlobError::Io(error),
    }
}
