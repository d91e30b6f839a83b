//! Bytes, named by their BLAKE3 hash: in a folder of this machine (`local`), or in a storage that replicas
//! share (`remote`: S3, Azure, GCS).
//!
//! A blob is there whole or not at all: bytes are hashed on their way and get their name only when they are
//! right. Which blobs belong to whom is the store's business.

mod direct;
mod joined;
mod local;
mod parts;
mod remote;
mod small;
mod staging;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{self, BoxFuture, FutureExt as _};
use futures_util::stream::BoxStream;
use pictor_actors::ids::UploadId;
use pictor_actors::units::{BlobHash, UnixMillis};

pub use direct::{Address, Direct, Shown};
pub use local::written_at;
pub use staging::disk;

use crate::config::BlobsConfig;

/// Bytes on their way in.
pub type BytesIn = BoxStream<'static, io::Result<Bytes>>;
/// Bytes on their way out.
pub type BytesOut = BoxStream<'static, io::Result<Bytes>>;

/// A blob that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub hash: BlobHash,
    /// Its bytes.
    pub size: u64,
}

/// A stored thing with when its bytes were written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<T> {
    /// What it is.
    pub id: T,
    /// Written last, by the clock of where it lies.
    pub written_at: UnixMillis,
}

/// A removal of a blob, where whoever removes it cannot know that nobody stores it meanwhile: first a copy of
/// it is put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Of which.
    pub hash: BlobHash,
    /// The copy's name: each removal has another.
    pub copy: String,
}

impl Removal {
    /// One that begins.
    #[must_use]
    pub fn of(hash: BlobHash) -> Self {
        Self { hash, copy: UploadId::generate().to_string() }
    }
}

/// Why bytes were not stored or not found.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No such blob, or no such upload.
    #[error("no such blob")]
    NotFound,
    /// More bytes than allowed; none are kept.
    #[error("more than the {limit} bytes allowed")]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// The bytes are not what their hash or length says; none are kept.
    #[error("the bytes have the hash {found}, not the one that was announced")]
    HashMismatch {
        /// What they are.
        found: BlobHash,
    },
    /// Fewer bytes than announced.
    #[error("{found} bytes instead of {wanted}")]
    Incomplete {
        /// Bytes there.
        found: u64,
        /// Bytes announced.
        wanted: u64,
    },
    /// The range lies outside the blob.
    #[error("the range lies outside the {size} bytes")]
    BadRange {
        /// Bytes of the blob.
        size: u64,
    },
    /// No room; try again when there is.
    #[error("the disk is full")]
    DiskFull,
    /// The sender broke off or sent garbage: its fault, not the disk's.
    #[error("the bytes stopped coming")]
    Body(#[source] io::Error),
    /// The storage is away, busy or refuses this cloud: certainly nothing was stored, try again.
    #[error("the storage of blobs does not answer as it should")]
    Away(#[source] io::Error),
    /// Anything else.
    #[error("the blob folder cannot be read or written")]
    Io(#[source] io::Error),
}

/// Where blobs are kept.
pub trait Blobs: Send + Sync {
    /// Stores what the stream brings, at most `size_max` bytes, and only if it has the `expected` hash.
    fn put_stream(
        &self,
        body: BytesIn,
        expected: Option<BlobHash>,
        size_max: u64,
    ) -> BoxFuture<'_, Result<Stored, BlobError>>;

    /// The blob's whole size and the bytes of the range (all, unless said).
    fn get(
        &self,
        hash: BlobHash,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'_, Result<(u64, BytesOut), BlobError>>;

    /// The blob's size; nothing if it is not there.
    fn head(&self, hash: BlobHash) -> BoxFuture<'_, Result<Option<u64>, BlobError>>;

    /// Whether the storage answers.
    fn probe(&self) -> BoxFuture<'_, Result<(), BlobError>> {
        async { self.head(BlobHash::from_bytes([0; 32])).await.map(drop) }.boxed()
    }

    /// Removes a blob; one that is not there is no error.
    fn delete(&self, hash: BlobHash) -> BoxFuture<'_, Result<(), BlobError>>;

    /// Stores one part of an upload, numbered from 0, if it has exactly that length. Again replaces it; one
    /// that is refused or breaks off leaves what was there.
    fn put_part(
        &self,
        upload: UploadId,
        part: u32,
        body: BytesIn,
        length: u64,
    ) -> BoxFuture<'_, Result<(), BlobError>>;

    /// Makes the parts of an upload one blob of that size, and only if it has the `expected` hash. The parts
    /// stay until they are dropped: the same again answers the same.
    fn finish_parts(
        &self,
        upload: UploadId,
        size: u64,
        expected: Option<BlobHash>,
    ) -> BoxFuture<'_, Result<Stored, BlobError>>;

    /// Forgets the parts of an upload.
    fn drop_parts(&self, upload: UploadId) -> BoxFuture<'_, Result<(), BlobError>>;

    /// Every blob whose hash begins with this byte.
    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<Found<BlobHash>>, BlobError>>;

    /// Whether what is removed may be stored again in that very moment and be gone all the same, but for its
    /// copy: then a removal is noted before it begins ([`crate::store::Store::note_removal`]), so that
    /// somebody puts the blob back and nobody is sent to where it is not.
    fn puts_aside(&self) -> bool {
        false
    }

    /// Removes a blob that was written before then; says whether it is gone. One that is stored again at the
    /// same moment stays, or can be read until it is put back.
    fn remove_older<'a>(
        &'a self,
        removal: &'a Removal,
        before: UnixMillis,
    ) -> BoxFuture<'a, Result<bool, BlobError>>;

    /// Makes sure that a blob is there which was removed and stored again. `NotFound`: nothing is left of it.
    fn put_back(&self, hash: BlobHash) -> BoxFuture<'_, Result<(), BlobError>> {
        let _ = hash;
        future::ok(()).boxed()
    }

    /// Forgets the copy that a removal put aside.
    fn forget_copy<'a>(&'a self, removal: &'a Removal) -> BoxFuture<'a, Result<(), BlobError>> {
        let _ = removal;
        future::ok(()).boxed()
    }

    /// Every upload that has parts.
    fn list_uploads(&self) -> BoxFuture<'_, Result<Vec<Found<UploadId>>, BlobError>>;

    /// The blob as a file on this machine, where blobs are files.
    fn local_path(&self, hash: BlobHash) -> Option<PathBuf>;

    /// How bytes go straight between clients and the storage; nothing: they go through this cloud.
    fn direct(&self) -> Option<&dyn Direct> {
        None
    }
}

/// Opens the storage of blobs beside a cloud that works on it, for reading: nothing is made or cleared.
/// `NotFound` where a folder is not there.
pub async fn open_to_read(config: &BlobsConfig) -> Result<Arc<dyn Blobs>, BlobError> {
    Ok(match &config.url {
        Some(url) => Arc::new(remote::open(url, config).await?),
        None => Arc::new(local::Folder::there(&config.dir).await?),
    })
}

/// Opens the storage of blobs. A folder is made where needed, and cleared of what a killed process left half
/// written; a storage elsewhere is asked whether it answers.
pub async fn open(config: &BlobsConfig) -> Result<Arc<dyn Blobs>, BlobError> {
    Ok(match &config.url {
        Some(url) => Arc::new(remote::open(url, config).await?),
        None => Arc::new(local::Folder::open(&config.dir).await?),
    })
}
