//! Removing a blob from a bucket without losing one that is stored again at the same moment.
//!
//! ```text
//! removed/ab12…/upl_…    a copy of a blob that was removed, under a name that no other removal has
//! ```
//!
//! No storage deletes "if nobody stored it since", and no lock reaches over several replicas and a request
//! under way. So the removal is noted in the database, a copy is put aside before anything is deleted, and
//! the *rows* say afterwards what was meant: whose row is there was stored again, and is put back; the rest
//! is forgotten after a day. Until then who asks for the blob gets the copy. Each removal has a copy of its
//! own, which is deleted by its own name: a late delete may hit a blob, never the only copy of one. The
//! notes say which copies there are: nobody has to list them.

use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, ObjectMeta};
use pictor_actors::units::{BlobHash, UnixMillis};

use super::shelf::{self, Shelf, Source};
use super::write::Wanted;
use super::{Bucket, of_storage};
use crate::blobs::{BlobError, Removal};

impl Bucket {
    /// Sets an old blob aside and removes it; one that was stored again meanwhile stays.
    pub(super) async fn put_aside_and_remove(
        &self,
        removal: &Removal,
        before: UnixMillis,
    ) -> Result<bool, BlobError> {
        let place = self.shelf.object(removal.hash);
        let Some(found) = self.shelf.find(&place).await? else { return Ok(true) };
        if shelf::written_at(&found) >= before {
            return Ok(false);
        }
        let copy = self.shelf.copy_aside(removal);
        // As it is: bytes that went bad are told by the audit, and are nobody's here.
        self.shelf.copy(&found, &copy).await?;
        let is_same = self.shelf.find(&place).await?.is_some_and(|now| is_same(&now, &found));
        if !is_same {
            self.shelf.remove(&copy).await?;
            return Ok(false);
        }
        self.shelf.remove(&place).await?;
        Ok(true)
    }

    /// The copy that was put aside last; bytes that are not the blob's are refused.
    pub(super) async fn bring_back(&self, hash: BlobHash) -> Result<(), BlobError> {
        if self.shelf.find(&self.shelf.object(hash)).await?.is_some() {
            return Ok(());
        }
        let copy = self.newest_copy(hash).await?.ok_or(BlobError::NotFound)?;
        let wanted = Wanted::exactly(hash, copy.size);
        let body = self.shelf.read_all(vec![copy.location]);
        self.shelf.store(body, Source::Storage, wanted).await.map(drop).map_err(of_storage)
    }

    /// The blob where it belongs, or what was put aside of it.
    pub(super) async fn found_anywhere(&self, hash: BlobHash) -> Result<Option<ObjectMeta>, BlobError> {
        match self.shelf.find(&self.shelf.object(hash)).await? {
            Some(found) => Ok(Some(found)),
            None => self.newest_copy(hash).await,
        }
    }

    pub(super) async fn got_anywhere(
        &self,
        hash: BlobHash,
        options: GetOptions,
    ) -> Result<object_store::GetResult, BlobError> {
        match self.shelf.get(&self.shelf.object(hash), options.clone()).await {
            Err(BlobError::NotFound) => {
                let copy = self.newest_copy(hash).await?.ok_or(BlobError::NotFound)?;
                self.shelf.get(&copy.location, options).await
            }
            got => got,
        }
    }

    async fn newest_copy(&self, hash: BlobHash) -> Result<Option<ObjectMeta>, BlobError> {
        let copies = self.shelf.list(&self.shelf.copies(hash)).await?;
        Ok(copies.into_iter().max_by_key(|copy| copy.last_modified))
    }
}

fn is_same(one: &ObjectMeta, other: &ObjectMeta) -> bool {
    one.last_modified == other.last_modified && one.size == other.size && one.e_tag == other.e_tag
}

impl Shelf {
    fn copies(&self, hash: BlobHash) -> ObjectPath {
        self.below(&["removed", &hash.to_string()])
    }

    pub(super) fn copy_aside(&self, removal: &Removal) -> ObjectPath {
        self.copies(removal.hash).join(removal.copy.as_str())
    }
}
