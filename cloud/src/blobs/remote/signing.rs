//! Addresses in the bucket that are good for a while, and what is made of what was put there.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use object_store::path::Path as ObjectPath;
use object_store::signer::{Method, SignedUrlOptions, Signer};
use pictor_actors::ids::{LeaseId, UploadId};
use pictor_actors::units::{BlobHash, Millis, UnixMillis};

use super::shelf::{self, Shelf, Source, of_store};
use super::write::Wanted;
use super::{Bucket, of_storage};
use crate::blobs::{Address, BlobError, Direct, Shown, Stored};

/// Who signs, and for how long.
pub(super) struct Signing {
    signer: Arc<dyn Signer>,
    put_headers: Vec<(&'static str, &'static str)>,
    good_for: Millis,
    origin: String,
}

impl Signing {
    /// Signs once, to know the origin of all addresses and that it can.
    pub(super) async fn open(
        signer: Arc<dyn Signer>,
        put_headers: Vec<(&'static str, &'static str)>,
        shelf: &Shelf,
        good_for: Millis,
    ) -> Result<Self, BlobError> {
        let probe = signer.signed_url(Method::GET, &shelf.staging(), good_for.to_duration()).await;
        let origin = probe.map_err(of_store)?.origin().ascii_serialization();
        Ok(Self { signer, put_headers, good_for, origin })
    }

    async fn put(&self, place: ObjectPath) -> Result<Address, BlobError> {
        let url = self.signer.signed_url(Method::PUT, &place, self.good_for.to_duration()).await;
        let url = url.map_err(of_store)?.into();
        Ok(Address { url, headers: self.put_headers.clone(), good_for: self.good_for })
    }

    async fn get(&self, place: ObjectPath, shown: Option<Shown>) -> Result<Option<String>, BlobError> {
        let mut options = SignedUrlOptions::new();
        if let Some(shown) = shown {
            options = options.with_query([("response-content-type", shown.media_type)]);
            if let Some(disposition) = shown.disposition {
                options = options.with_query([("response-content-disposition", disposition)]);
            }
        }
        let lasts = self.good_for.to_duration();
        match self.signer.signed_url_opts(Method::GET, &place, lasts, &options).await {
            Ok(url) => Ok(Some(url.into())),
            // Azure signs no such wishes.
            Err(object_store::Error::NotSupported { .. }) => Ok(None),
            Err(error) => Err(of_store(error)),
        }
    }
}

impl Bucket {
    async fn take(&self, staged: ObjectPath, announced: Stored) -> Result<(), BlobError> {
        let found = self.shelf.find(&staged).await?.ok_or(BlobError::NotFound)?;
        let taken = if found.size == announced.size {
            let body = self.shelf.read_all(vec![staged.clone()]);
            let wanted = Wanted::exactly(announced.hash, announced.size);
            self.shelf.store(body, Source::Storage, wanted).await.map_err(of_storage)
        } else {
            // Not read at all: it may be of any size.
            Err(BlobError::Incomplete { found: found.size, wanted: announced.size })
        };
        if matches!(taken, Err(BlobError::Away(_) | BlobError::Io(_))) {
            return taken.map(drop);
        }
        if let Err(error) = self.shelf.remove(&staged).await {
            tracing::debug!(%error, "a frame that was taken is left for the sweep");
        }
        taken.map(drop)
    }

    async fn check(&self, part: ObjectPath, length: u64) -> Result<(), BlobError> {
        let found = self.shelf.find(&part).await?.ok_or(BlobError::NotFound)?;
        if found.size == length {
            return Ok(());
        }
        Err(BlobError::Incomplete { found: found.size, wanted: length })
    }

    async fn clear(&self, before: UnixMillis) -> Result<usize, BlobError> {
        let mut removed = 0;
        for found in self.shelf.list(&self.shelf.staging()).await? {
            if shelf::written_at(&found) < before {
                self.shelf.remove(&found.location).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl Direct for Bucket {
    fn origin(&self) -> &str {
        &self.signing.origin
    }

    fn put_frame_at(
        &self,
        lease: LeaseId,
        frame: i32,
        hash: BlobHash,
    ) -> BoxFuture<'_, Result<Address, BlobError>> {
        self.signing.put(self.shelf.frame(lease, frame, hash)).boxed()
    }

    fn take_frame(
        &self,
        lease: LeaseId,
        frame: i32,
        announced: Stored,
    ) -> BoxFuture<'_, Result<(), BlobError>> {
        self.take(self.shelf.frame(lease, frame, announced.hash), announced).boxed()
    }

    fn put_part_at(&self, upload: UploadId, part: u32) -> BoxFuture<'_, Result<Address, BlobError>> {
        self.signing.put(self.shelf.part(upload, part)).boxed()
    }

    fn check_part(&self, upload: UploadId, part: u32, length: u64) -> BoxFuture<'_, Result<(), BlobError>> {
        self.check(self.shelf.part(upload, part), length).boxed()
    }

    fn get_at(
        &self,
        hash: BlobHash,
        shown: Option<Shown>,
    ) -> BoxFuture<'_, Result<Option<String>, BlobError>> {
        self.signing.get(self.shelf.object(hash), shown).boxed()
    }

    fn clear_staging(&self, before: UnixMillis) -> BoxFuture<'_, Result<usize, BlobError>> {
        self.clear(before).boxed()
    }
}
