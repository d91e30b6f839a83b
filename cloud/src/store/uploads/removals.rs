//! Removals of blobs that are under way or were lately, where a storage needs them to be noted
//! (`crate::blobs::Blobs::puts_aside`).
//!
//! A note is committed before the removal begins, and whoever begins it asks for the blob's row *after* that.
//! So whoever sees a row and then no note may rely on the blob being there.

use pictor_actors::units::{BlobHash, UnixMillis};

use crate::store::sql::{Number, args, row};
use crate::store::{Result, Store};

/// Notes that are given at a time.
pub const REMOVALS_A_PAGE: usize = 500;

row! {
    /// A removal that is noted.
    pub struct RemovalRow {
        /// Of which blob.
        pub hash: BlobHash,
        /// Name of the copy that was put aside.
        pub copy: String,
        /// Noted.
        pub begun_at: UnixMillis,
        /// The blob has a row all the same: stored then.
        pub stored_at: Option<UnixMillis>,
    }
}

impl Store {
    /// Notes that the removal of a blob begins, with the name of the copy that it puts aside.
    pub async fn note_removal(&self, hash: BlobHash, copy: &str, now: UnixMillis) -> Result<()> {
        let sql = "INSERT INTO blob_removals (hash, copy, begun_at) VALUES ($1, $2, $3)
             ON CONFLICT (hash, copy) DO NOTHING";
        self.write_one(sql, args![hash, copy, now]).await.map(drop)
    }

    /// Forgets it. One that is not noted is no error.
    pub async fn forget_removal(&self, hash: BlobHash, copy: &str) -> Result<()> {
        let sql = "DELETE FROM blob_removals WHERE hash = $1 AND copy = $2";
        self.write_one(sql, args![hash, copy]).await.map(drop)
    }

    /// Whether a removal of the blob is noted: it may not be where it belongs.
    pub async fn is_being_removed(&self, hash: BlobHash) -> Result<bool> {
        let sql = "SELECT COUNT(*) AS number FROM blob_removals WHERE hash = $1";
        let noted: Number = self.one(sql, args![hash]).await?;
        Ok(noted.number > 0)
    }

    /// Removals with which something is to be done: those of blobs that have a row, and those from before
    /// that time. Ascending, after the one given, at most [`REMOVALS_A_PAGE`].
    pub async fn removals(&self, before: UnixMillis, after: Option<&RemovalRow>) -> Result<Vec<RemovalRow>> {
        let (hash, copy) =
            after.map_or_else(Default::default, |row| (row.hash.to_string(), row.copy.clone()));
        let sql = "SELECT noted.hash, noted.copy, noted.begun_at, blobs.created_at AS stored_at
             FROM blob_removals AS noted LEFT JOIN blobs ON blobs.hash = noted.hash
             WHERE (noted.begun_at < $1 OR blobs.hash IS NOT NULL)
               AND (noted.hash > $2 OR (noted.hash = $2 AND noted.copy > $3))
             ORDER BY noted.hash, noted.copy LIMIT $4";
        self.all(sql, args![before, hash, copy, REMOVALS_A_PAGE]).await
    }
}
