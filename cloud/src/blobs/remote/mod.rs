//! Blobs in a bucket that all replicas share: S3 and what speaks like it, Azure, Google.
//!
//! ```text
//! objects/ab/ab12…       a blob, under its hash
//! uploads/upl_…/00007    parts of an upload
//! staging/…              frames that were put and not yet taken; blobs whose hash is not known yet
//! removed/…              copies of what was removed, for a day (`aside`)
//! ```
//!
//! A blob is written as a multipart upload under its final name that is completed only if hash and size are
//! right: until then the storage shows nothing. So whatever a client put aside is read once, hashed and
//! written on in the same pass ([`write`]). It is deliberately *not* copied by the storage: the address that
//! the client got stays good for minutes, so bytes could be changed between hash and copy; copies end at
//! 5 GiB; and Azure makes them later. A SHA-256 in the signed request would not save the read either: it
//! binds the bytes to a hash that the client says, and our name is BLAKE3.

mod aside;
mod clients;
mod shelf;
mod signing;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, GetRange};
use pictor_actors::ids::UploadId;
use pictor_actors::units::{BlobHash, UnixMillis};
use url::Url;

use super::{BlobError, Blobs, BytesIn, BytesOut, Direct, Found, Removal, Stored};
use crate::config::BlobsConfig;
use shelf::{Shelf, Source};
use write::Wanted;

/// A bucket of blobs.
pub struct Bucket {
    shelf: Shelf,
    signing: signing::Signing,
}

/// Opens the bucket and asks whether it answers.
pub async fn open(url: &Url, config: &BlobsConfig) -> Result<Bucket, BlobError> {
    let bucket = unprobed(url, config).await?;
    // One that is not there or not ours would else be found out by the first upload.
    bucket.shelf.probe().await?;
    Ok(bucket)
}

pub(super) async fn unprobed(url: &Url, config: &BlobsConfig) -> Result<Bucket, BlobError> {
    let clients::Clients { store, signer, prefix, put_headers, copied_max } = clients::open(url, config)?;
    let shelf = Shelf::new(store, prefix, copied_max);
    let signing = signing::Signing::open(signer, put_headers, &shelf, config.signed_for()).await?;
    Ok(Bucket { shelf, signing })
}

#[cfg(test)]
impl Bucket {
    /// As if the storage copied nothing itself, as Azure is taken to.
    pub(super) fn that_copies_nothing(mut self) -> Self {
        self.shelf.copied_max = 0;
        self
    }
}

impl Bucket {
    async fn read(&self, hash: BlobHash, range: Option<Range<u64>>) -> Result<(u64, BytesOut), BlobError> {
        let options = match range {
            None => GetOptions::default(),
            Some(range) => {
                let size = self.size(hash).await?.ok_or(BlobError::NotFound)?;
                if range.start > range.end || range.end > size {
                    return Err(BlobError::BadRange { size });
                }
                if range.is_empty() {
                    return Ok((size, stream::empty().boxed()));
                }
                GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() }
            }
        };
        let found = self.got_anywhere(hash, options).await?;
        Ok((found.meta.size, found.into_stream().map_err(io::Error::other).boxed()))
    }

    async fn size(&self, hash: BlobHash) -> Result<Option<u64>, BlobError> {
        Ok(self.found_anywhere(hash).await?.map(|found| found.size))
    }

    /// The parts in their order: their places and the sum of their bytes.
    async fn parts(&self, upload: UploadId, size: u64) -> Result<Vec<ObjectPath>, BlobError> {
        let mut parts: Vec<(u32, u64, ObjectPath)> = Vec::new();
        for found in self.shelf.list(&self.shelf.upload(upload)).await? {
            let Some(number) = found.location.filename().and_then(|name| name.parse().ok()) else { continue };
            parts.push((number, found.size, found.location));
        }
        if parts.is_empty() {
            return Err(BlobError::NotFound);
        }
        parts.sort_unstable();
        let found = parts.iter().map(|(_, size, _)| size).sum();
        let is_gapless = parts.iter().zip(0..).all(|((number, _, _), wanted)| *number == wanted);
        if found != size || !is_gapless {
            return Err(BlobError::Incomplete { found, wanted: size });
        }
        Ok(parts.into_iter().map(|(_, _, place)| place).collect())
    }

    /// Without an expected hash the parts are read twice: first for the name.
    async fn join(
        &self,
        upload: UploadId,
        size: u64,
        expected: Option<BlobHash>,
    ) -> Result<Stored, BlobError> {
        let parts = self.parts(upload, size).await?;
        let hash = match expected {
            Some(hash) => hash,
            None => write::hash_of(self.shelf.read_all(parts.clone())).await.map_err(of_storage)?,
        };
        let wanted = Wanted::exactly(hash, size);
        let stored = self.shelf.store(self.shelf.read_all(parts), Source::Storage, wanted).await;
        stored.map_err(of_storage)
    }

    async fn shard(&self, shard: u8) -> Result<Vec<Found<BlobHash>>, BlobError> {
        let found = self.shelf.list(&self.shelf.shard(shard)).await?;
        let named = |found: &object_store::ObjectMeta| {
            let id = found.location.filename()?.parse().ok()?;
            Some(Found { id, written_at: shelf::written_at(found) })
        };
        Ok(found.iter().filter_map(named).collect())
    }

    /// With the time of the part that was written last.
    async fn uploads(&self) -> Result<Vec<Found<UploadId>>, BlobError> {
        let mut newest = BTreeMap::<UploadId, UnixMillis>::new();
        for found in self.shelf.list(&self.shelf.uploads()).await? {
            let id = found.location.parent().and_then(|folder| folder.filename()?.parse().ok());
            let Some(id) = id else { continue };
            let at = newest.entry(id).or_insert(UnixMillis(i64::MIN));
            *at = (*at).max(shelf::written_at(&found));
        }
        Ok(newest.into_iter().map(|(id, written_at)| Found { id, written_at }).collect())
    }
}

/// The bytes came out of the storage: that they stopped is its fault, not a client's.
fn of_storage(error: BlobError) -> BlobError {
    match error {
        BlobError::Body(error) => BlobError::Away(error),
        other => other,
    }
}

impl Blobs for Bucket {
    fn put_stream(
        &self,
        body: BytesIn,
        expected: Option<BlobHash>,
        size_max: u64,
    ) -> BoxFuture<'_, Result<Stored, BlobError>> {
        self.shelf.store(body, Source::Client, Wanted::at_most(expected, size_max)).boxed()
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

    fn probe(&self) -> BoxFuture<'_, Result<(), BlobError>> {
        self.shelf.probe().boxed()
    }

    fn delete(&self, hash: BlobHash) -> BoxFuture<'_, Result<(), BlobError>> {
        async move { self.shelf.remove(&self.shelf.object(hash)).await }.boxed()
    }

    fn put_part(
        &self,
        upload: UploadId,
        part: u32,
        body: BytesIn,
        length: u64,
    ) -> BoxFuture<'_, Result<(), BlobError>> {
        let wanted = Wanted::part(self.shelf.part(upload, part), length);
        async move { self.shelf.store(body, Source::Client, wanted).await.map(drop) }.boxed()
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
        async move {
            for found in self.shelf.list(&self.shelf.upload(upload)).await? {
                self.shelf.remove(&found.location).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<Found<BlobHash>>, BlobError>> {
        self.shard(shard).boxed()
    }

    fn puts_aside(&self) -> bool {
        true
    }

    fn remove_older<'a>(
        &'a self,
        removal: &'a Removal,
        before: UnixMillis,
    ) -> BoxFuture<'a, Result<bool, BlobError>> {
        self.put_aside_and_remove(removal, before).boxed()
    }

    fn put_back(&self, hash: BlobHash) -> BoxFuture<'_, Result<(), BlobError>> {
        self.bring_back(hash).boxed()
    }

    fn forget_copy<'a>(&'a self, removal: &'a Removal) -> BoxFuture<'a, Result<(), BlobError>> {
        async move { self.shelf.remove(&self.shelf.copy_aside(removal)).await }.boxed()
    }

    fn list_uploads(&self) -> BoxFuture<'_, Result<Vec<Found<UploadId>>, BlobError>> {
        self.uploads().boxed()
    }

    fn local_path(&self, _: BlobHash) -> Option<PathBuf> {
        None
    }

    fn direct(&self) -> Option<&dyn Direct> {
        Some(self)
    }
}
