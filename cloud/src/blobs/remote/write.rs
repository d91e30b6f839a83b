//! Writing a stream under a name that is right only if the bytes are.
//!
//! What fits into one request is hashed in memory and put at once. More goes up as a multipart upload, a few
//! requests at a time, which is completed or taken back by what the hash turns out to be.

use futures_util::StreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, WriteMultipart};
use pictor_actors::units::BlobHash;

use super::shelf::of_store;
use crate::blobs::{BlobError, BytesIn, Stored};

/// Bytes of one request. Storages want at least 5 MiB, and at most 10,000 requests an object: this is good
/// for 78 GiB, more than an upload may have.
const REQUEST_BYTES: usize = 8 * 1024 * 1024;
/// Requests of one blob under way at a time; with the one that is being gathered a blob holds 24 MiB.
const REQUESTS_AT_A_TIME: usize = 2;

/// What the bytes must be.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Where they go; nothing: under their hash.
    pub place: Option<ObjectPath>,
    hash: Option<BlobHash>,
    size_max: u64,
    is_exact: bool,
}

impl Wanted {
    pub(super) fn at_most(hash: Option<BlobHash>, size_max: u64) -> Self {
        Self { place: None, hash, size_max, is_exact: false }
    }

    pub(super) fn exactly(hash: BlobHash, size: u64) -> Self {
        Self { place: None, hash: Some(hash), size_max: size, is_exact: true }
    }

    pub(super) fn part(place: ObjectPath, length: u64) -> Self {
        Self { place: Some(place), hash: None, size_max: length, is_exact: true }
    }

    fn check(&self, stored: Stored) -> Result<Stored, BlobError> {
        if self.is_exact && stored.size != self.size_max {
            return Err(BlobError::Incomplete { found: stored.size, wanted: self.size_max });
        }
        if self.hash.is_some_and(|hash| hash != stored.hash) {
            return Err(BlobError::HashMismatch { found: stored.hash });
        }
        Ok(stored)
    }
}

/// A stream with what was seen of it.
struct Seen {
    body: BytesIn,
    hasher: blake3::Hasher,
    size: u64,
    size_max: u64,
}

impl Seen {
    fn new(body: BytesIn, size_max: u64) -> Self {
        Self { body, hasher: blake3::Hasher::new(), size: 0, size_max }
    }

    /// The first byte above the limit ends it.
    async fn next(&mut self) -> Result<Option<bytes::Bytes>, BlobError> {
        let Some(bytes) = self.body.next().await else { return Ok(None) };
        let bytes = bytes.map_err(BlobError::Body)?;
        self.size += bytes.len() as u64;
        if self.size > self.size_max {
            return Err(BlobError::TooLarge { limit: self.size_max });
        }
        self.hasher.update(&bytes);
        Ok(Some(bytes))
    }

    fn stored(&self) -> Stored {
        Stored { hash: BlobHash::from_bytes(*self.hasher.finalize().as_bytes()), size: self.size }
    }
}

/// Writes the stream where `named` says its hash belongs. Bytes whose hash is not known before, and that do
/// not fit into one request, go to `unnamed` first and are read back from there.
pub(super) async fn write(
    store: &dyn ObjectStore,
    body: BytesIn,
    wanted: &Wanted,
    named: &(dyn Fn(BlobHash) -> ObjectPath + Send + Sync),
    unnamed: &ObjectPath,
) -> Result<Stored, BlobError> {
    let mut seen = Seen::new(body, wanted.size_max);
    let mut first = Vec::new();
    let mut gathered = 0;
    while gathered < REQUEST_BYTES {
        match seen.next().await? {
            Some(bytes) => {
                gathered += bytes.len();
                first.push(bytes);
            }
            None => {
                let stored = wanted.check(seen.stored())?;
                let payload = PutPayload::from_iter(first);
                store.put(&named(stored.hash), payload).await.map_err(of_store)?;
                return Ok(stored);
            }
        }
    }
    let known = wanted.place.clone().or_else(|| wanted.hash.map(named));
    let place = known.as_ref().unwrap_or(unnamed);
    let upload = store.put_multipart(place).await.map_err(of_store)?;
    let mut writer = WriteMultipart::new_with_chunk_size(upload, REQUEST_BYTES);
    let stored = match fill(&mut writer, first, &mut seen).await.and_then(|()| wanted.check(seen.stored())) {
        Ok(stored) => stored,
        Err(error) => {
            // What cannot be taken back now is shown by nobody; the bucket's own rule for it removes it.
            if let Err(failed) = writer.abort().await {
                tracing::debug!(%failed, "a multipart upload was not taken back");
            }
            return Err(error);
        }
    };
    writer.finish().await.map_err(of_store)?;
    if known.is_some() {
        return Ok(stored);
    }
    let renamed = rename(store, unnamed, stored, &named(stored.hash)).await;
    // What stays behind is found by the sweep.
    drop(store.delete(unnamed).await);
    renamed.map(|()| stored)
}

async fn fill(
    writer: &mut WriteMultipart,
    first: Vec<bytes::Bytes>,
    seen: &mut Seen,
) -> Result<(), BlobError> {
    for bytes in first {
        writer.put(bytes);
    }
    while let Some(bytes) = seen.next().await? {
        writer.wait_for_capacity(REQUESTS_AT_A_TIME).await.map_err(of_store)?;
        writer.put(bytes);
    }
    Ok(())
}

/// Reads it back and hashes again: the storage is not trusted with what it keeps.
async fn rename(
    store: &dyn ObjectStore,
    from: &ObjectPath,
    stored: Stored,
    to: &ObjectPath,
) -> Result<(), BlobError> {
    let body = store.get(from).await.map_err(of_store)?.into_stream();
    let mut seen = Seen::new(body.map(|bytes| bytes.map_err(std::io::Error::other)).boxed(), stored.size);
    let upload = store.put_multipart(to).await.map_err(of_store)?;
    let mut writer = WriteMultipart::new_with_chunk_size(upload, REQUEST_BYTES);
    let check = |seen: &Seen| Wanted::exactly(stored.hash, stored.size).check(seen.stored());
    match fill(&mut writer, Vec::new(), &mut seen).await.and_then(|()| check(&seen)) {
        Ok(_) => writer.finish().await.map(drop).map_err(of_store),
        Err(error) => {
            drop(writer.abort().await);
            Err(super::of_storage(error))
        }
    }
}

/// The hash of a stream.
pub(super) async fn hash_of(body: BytesIn) -> Result<BlobHash, BlobError> {
    let mut seen = Seen::new(body, u64::MAX);
    while seen.next().await?.is_some() {}
    Ok(seen.stored().hash)
}
