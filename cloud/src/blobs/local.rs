//! Blobs in a folder of this machine.
//!
//! ```text
//! objects/ab/ab12…   a blob, under its hash
//! staging/…          half-written blobs; cleared at start
//! uploads/upl_…/7    parts of an upload; kept over a restart
//! ```
//!
//! Not through `object_store`, whose folders know neither hashes nor flushing and are read 8 KiB at a time.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream;
use pictor_actors::ids::UploadId;
use pictor_actors::units::{BlobHash, UnixMillis};
use tokio::fs;
use tokio::sync::RwLock;

use super::parts::Parts;
use super::small::{SMALL_BYTES_MAX, Small};
use super::staging::{Staging, disk};
use super::{BlobError, Blobs, BytesIn, BytesOut, Found, Removal, Stored};

/// Bytes read at a time: as much as a connection takes in one go, and all the memory that a download holds.
const PIECE_BYTES: usize = 256 * 1024;

/// A folder of blobs.
pub struct Folder {
    root: PathBuf,
    parts: Parts,
    /// Shared by those who put a blob under its name, alone for who removes one: it looks how old the blob
    /// is, and nobody may swap in a new one between that and the removal.
    names: RwLock<()>,
}

impl Folder {
    /// Opens it; only one process may have it open for writing.
    pub async fn open(root: &Path) -> Result<Self, BlobError> {
        for name in ["objects", "uploads", "staging"] {
            fs::create_dir_all(root.join(name)).await.map_err(disk)?;
        }
        clear(&root.join("staging")).await?;
        Self::there(root).await
    }

    /// One that is there, as it is.
    pub async fn there(root: &Path) -> Result<Self, BlobError> {
        fs::metadata(root.join("objects")).await.map_err(disk)?;
        Ok(Self { root: root.to_path_buf(), parts: Parts::new(root), names: RwLock::default() })
    }

    fn object_file(&self, hash: BlobHash) -> PathBuf {
        let name = hash.to_string();
        self.root.join("objects").join(&name[..2]).join(name)
    }

    async fn store(
        &self,
        body: BytesIn,
        expected: Option<BlobHash>,
        size_max: u64,
    ) -> Result<Stored, BlobError> {
        let is_wanted = |stored: &Stored| match expected {
            Some(hash) if hash != stored.hash => Err(BlobError::HashMismatch { found: stored.hash }),
            Some(_) | None => Ok(()),
        };
        if size_max <= SMALL_BYTES_MAX {
            let small = Small::read(body, size_max).await?;
            let stored = small.stored;
            is_wanted(&stored)?;
            let _shared = self.names.read().await;
            small.keep(&self.root.join("staging"), self.object_file(stored.hash)).await?;
            return Ok(stored);
        }
        let mut staging = Staging::create(&self.root.join("staging")).await?;
        let stored = staging.fill(body, size_max).await?;
        is_wanted(&stored)?;
        self.keep(staging, stored.hash).await?;
        Ok(stored)
    }

    async fn keep(&self, staging: Staging, hash: BlobHash) -> Result<(), BlobError> {
        let _shared = self.names.read().await;
        staging.keep(&self.object_file(hash)).await
    }

    async fn remove_if_older(&self, hash: BlobHash, before: UnixMillis) -> Result<bool, BlobError> {
        let path = self.object_file(hash);
        let _alone = self.names.write().await;
        let is_old = match fs::metadata(&path).await {
            Ok(found) => written_at(&found) < before,
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(disk(error)),
        };
        if is_old {
            remove(&path).await?;
        }
        Ok(is_old)
    }

    async fn read(&self, hash: BlobHash, range: Option<Range<u64>>) -> Result<(u64, BytesOut), BlobError> {
        let file = fs::File::open(self.object_file(hash)).await.map_err(disk)?;
        let size = file.metadata().await.map_err(disk)?.len();
        let range = range.unwrap_or(0..size);
        if range.start > range.end || range.end > size {
            return Err(BlobError::BadRange { size });
        }
        Ok((size, pieces(file.into_std().await, range)))
    }

    async fn size(&self, hash: BlobHash) -> Result<Option<u64>, BlobError> {
        match fs::metadata(self.object_file(hash)).await {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk(error)),
        }
    }

    async fn join(
        &self,
        upload: UploadId,
        size: u64,
        expected: Option<BlobHash>,
    ) -> Result<Stored, BlobError> {
        let (staging, stored) = self.parts.join(upload, size).await?;
        if expected.is_some_and(|hash| hash != stored.hash) {
            return Err(BlobError::HashMismatch { found: stored.hash });
        }
        self.keep(staging, stored.hash).await?;
        Ok(stored)
    }
}

impl Blobs for Folder {
    fn put_stream(
        &self,
        body: BytesIn,
        expected: Option<BlobHash>,
        size_max: u64,
    ) -> BoxFuture<'_, Result<Stored, BlobError>> {
        self.store(body, expected, size_max).boxed()
    }

    fn get(
        &self,
        hash: BlobHash,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'_, Result<(u64, BytesOut), BlobError>> {
        self.read(hash, range).boxed()
    }

    fn head(&self, hash: BlobHash) -> BoxFuture<'_, Result<Option<u64>, BlobError>> {
        self.size(hash).boxed()
    }

    fn delete(&self, hash: BlobHash) -> BoxFuture<'_, Result<(), BlobError>> {
        async move { remove(&self.object_file(hash)).await }.boxed()
    }

    fn put_part(
        &self,
        upload: UploadId,
        part: u32,
        body: BytesIn,
        length: u64,
    ) -> BoxFuture<'_, Result<(), BlobError>> {
        self.parts.put(upload, part, body, length).boxed()
    }

    fn finish_parts(
        &self,
        upload: UploadId,
        size: u64,
        expected: Option<BlobHash>,
    ) -> BoxFuture<'_, Result<Stored, BlobError>> {
        self.join(upload, size, expected).boxed()
    }

    fn drop_parts(&self, upload: UploadId) -> BoxFuture<'_, Result<(), BlobError>> {
        self.parts.forget(upload).boxed()
    }

    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<Found<BlobHash>>, BlobError>> {
        async move { named_by(&self.root.join("objects").join(format!("{shard:02x}"))).await }.boxed()
    }

    fn remove_older<'a>(
        &'a self,
        removal: &'a Removal,
        before: UnixMillis,
    ) -> BoxFuture<'a, Result<bool, BlobError>> {
        self.remove_if_older(removal.hash, before).boxed()
    }

    fn list_uploads(&self) -> BoxFuture<'_, Result<Vec<Found<UploadId>>, BlobError>> {
        async move { named_by(&self.root.join("uploads")).await }.boxed()
    }

    fn local_path(&self, hash: BlobHash) -> Option<PathBuf> {
        Some(self.object_file(hash))
    }
}

/// The bytes of a range, which lies within the file; one piece is read when the one before was taken.
fn pieces(file: std::fs::File, range: Range<u64>) -> BytesOut {
    let left = range.end - range.start;
    stream::try_unfold((file, range.start, left), |(mut file, at, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let reading = tokio::task::spawn_blocking(move || {
            file.seek(SeekFrom::Start(at))?;
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let wanted = left.min(PIECE_BYTES as u64);
            if file.by_ref().take(wanted).read_to_end(&mut piece)? as u64 != wanted {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            Ok((file, piece))
        });
        let (file, piece) = reading.await.map_err(io::Error::other)??;
        let length = piece.len() as u64;
        Ok(Some((Bytes::from(piece), (file, at + length, left - length))))
    })
    .boxed()
}

async fn remove(path: &Path) -> Result<(), BlobError> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(error)),
        _ => Ok(()),
    }
}

/// The entries of a folder whose names are such ids; of a folder that is not there, none. All on one thread:
/// a shard may hold thousands, and handing each over would take longer than looking at it.
async fn named_by<T: FromStr + Send + 'static>(folder: &Path) -> Result<Vec<Found<T>>, BlobError> {
    let folder = folder.to_path_buf();
    let looking = tokio::task::spawn_blocking(move || entries_named(&folder));
    looking.await.map_err(io::Error::other).flatten().map_err(disk)
}

fn entries_named<T: FromStr>(folder: &Path) -> io::Result<Vec<Found<T>>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match entry.metadata() {
            Ok(metadata) => found.push(Found { id, written_at: written_at(&metadata) }),
            // It went away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Where the file system does not say: the end of time, so that nothing is taken for old.
pub fn written_at(metadata: &std::fs::Metadata) -> UnixMillis {
    let since = metadata.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    UnixMillis(since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(i64::MAX))
}

async fn clear(folder: &Path) -> Result<(), BlobError> {
    let mut entries = fs::read_dir(folder).await.map_err(disk)?;
    while let Some(entry) = entries.next_entry().await.map_err(disk)? {
        remove(&entry.path()).await?;
    }
    Ok(())
}
