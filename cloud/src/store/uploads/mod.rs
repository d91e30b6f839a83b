//! Uploads under way; [`blobs`] there are, whose, and which nothing refers to; [`removals`] of those.

pub(super) mod blobs;
pub(super) mod removals;

use std::fmt;
use std::str::FromStr;

use pictor_actors::ids::{AccountId, UploadId};
use pictor_actors::units::{BlobHash, UnixMillis};
use pictor_cloud_api::uploads::UploadContent;

use super::sql::{args, list, row};
use super::{ConflictKind, Result, Store, StoreError};
use blobs::keep_blob;

/// What makes a complete upload unused; `$1` is the time.
const IS_UNUSED: &str = "uploads.state = 'complete' AND uploads.expires_at <= $1
    AND NOT EXISTS (SELECT 1 FROM jobs
        WHERE jobs.source_hash = uploads.blob_hash AND jobs.account_id = uploads.account_id)";

/// Where an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UploadState {
    /// Takes parts.
    Open,
    /// Its parts are joined, hashed and read.
    Completing,
    /// Its blob can be named in a job.
    Complete,
}

impl UploadState {
    /// The text that the database holds.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completing => "completing",
            Self::Complete => "complete",
        }
    }
}

impl fmt::Display for UploadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no state of an upload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a state of an upload")]
pub struct UnknownUploadState(String);

impl FromStr for UploadState {
    type Err = UnknownUploadState;

    fn from_str(text: &str) -> Result<Self, UnknownUploadState> {
        [Self::Open, Self::Completing, Self::Complete]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownUploadState(text.to_owned()))
    }
}

row! {
    /// An upload.
    pub struct UploadRow {
        /// The upload.
        pub id: UploadId,
        /// Whose.
        pub account_id: AccountId,
        /// File name as sent.
        pub file_name: String,
        /// Bytes of the whole.
        pub size: u64,
        /// Bytes of every part but the last.
        pub part_size: u64,
        /// Hash the client announced.
        pub declared_hash: Option<BlobHash>,
        /// Where it stands.
        pub state: UploadState,
        /// Once complete: its blob.
        pub blob_hash: Option<BlobHash>,
        /// Once complete: what is inside.
        pub content: Option<UploadContent>,
        /// Begun.
        pub created_at: UnixMillis,
        /// Removed then, if it is not complete or no job uses it.
        pub expires_at: UnixMillis,
    }
}

/// An upload to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUploadRow {
    /// Its id.
    pub id: UploadId,
    /// Whose.
    pub account_id: AccountId,
    /// File name as sent.
    pub file_name: String,
    /// Bytes of the whole.
    pub size: u64,
    /// Bytes of every part but the last.
    pub part_size: u64,
    /// Hash the client announced.
    pub declared_hash: Option<BlobHash>,
    /// Removed then, unless complete by then.
    pub expires_at: UnixMillis,
}

row! {
    /// An upload's id.
    pub struct IdRow {
        /// It.
        pub id: UploadId,
    }
}

row! {
    /// A stored part.
    pub struct PartRow {
        /// Its upload.
        pub upload_id: UploadId,
        /// Its number, from 0.
        pub part: u32,
        /// Its bytes.
        pub size: u64,
    }
}

impl Store {
    /// Begins an upload.
    pub async fn create_upload(&self, new: &NewUploadRow, now: UnixMillis) -> Result<UploadRow> {
        let new = new.clone();
        self.begin_write(move |session| {
            Box::pin(async move {
                session
                    .one_unique(
                        "INSERT INTO uploads (id, account_id, file_name, size, part_size, declared_hash,
                            state,
                             created_at, expires_at)
                         VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, $8) RETURNING *",
                        args![
                            new.id,
                            new.account_id,
                            new.file_name,
                            new.size,
                            new.part_size,
                            new.declared_hash,
                            now,
                            new.expires_at,
                        ],
                        ConflictKind::Exists,
                    )
                    .await
            })
        })
        .await
    }

    /// The account's upload.
    pub async fn upload(&self, account: AccountId, id: UploadId) -> Result<UploadRow> {
        self.one("SELECT * FROM uploads WHERE id = $1 AND account_id = $2", args![id, account]).await
    }

    /// Where the upload stands, whosever it is; nothing if there is none.
    pub async fn upload_state(&self, id: UploadId) -> Result<Option<UploadState>> {
        let found: Option<UploadRow> =
            self.optional("SELECT * FROM uploads WHERE id = $1", args![id]).await?;
        Ok(found.map(|row| row.state))
    }

    /// Parts that are stored, ascending.
    pub async fn upload_parts(&self, id: UploadId) -> Result<Vec<PartRow>> {
        self.all("SELECT * FROM upload_parts WHERE upload_id = $1 ORDER BY part", args![id]).await
    }

    /// Notes a stored part; again replaces. `Conflict(State)` once completing.
    pub async fn note_part(&self, id: UploadId, part: u32, size: u64) -> Result<()> {
        let written = self
            .write_one(
                "INSERT INTO upload_parts (upload_id, part, size)
                 SELECT id, $2, $3 FROM uploads WHERE id = $1 AND state = 'open'
                 ON CONFLICT (upload_id, part) DO UPDATE SET size = excluded.size",
                args![id, part, size],
            )
            .await?;
        if written == 0 { Err(StoreError::Conflict(ConflictKind::State)) } else { Ok(()) }
    }

    /// Moves an upload between states. `Conflict(State)` if it is not in `from`.
    pub async fn set_upload_state(&self, id: UploadId, from: UploadState, to: UploadState) -> Result<()> {
        let sql = "UPDATE uploads SET state = $3 WHERE id = $1 AND state = $2";
        let moved = self.write_one(sql, args![id, from, to]).await?;
        if moved == 0 { Err(StoreError::Conflict(ConflictKind::State)) } else { Ok(()) }
    }

    /// Completes an upload: its blob exists, belongs to the account, and this is inside. It is kept until
    /// then, and while a job uses it. Again is harmless.
    pub async fn finish_upload(
        &self,
        id: UploadId,
        hash: BlobHash,
        size: u64,
        content: &UploadContent,
        (now, until): (UnixMillis, UnixMillis),
    ) -> Result<UploadRow> {
        let content = content.clone();
        self.begin_write(move |session| {
            Box::pin(async move {
                let row: UploadRow = session.one("SELECT * FROM uploads WHERE id = $1", args![id]).await?;
                keep_blob(session, hash, size, Some(row.account_id), now).await?;
                session
                    .one(
                        "UPDATE uploads SET state = 'complete', blob_hash = $2, content = $3, files_hash = $4,
                             expires_at = $5
                         WHERE id = $1 RETURNING *",
                        args![id, hash, content, content.files_blake3, until],
                    )
                    .await
            })
        })
        .await
    }

    /// Unfinished uploads past their time, oldest first.
    pub async fn expired_uploads(&self, now: UnixMillis, limit: u32) -> Result<Vec<UploadRow>> {
        self.all(
            "SELECT * FROM uploads WHERE state <> 'complete' AND expires_at <= $1
             ORDER BY expires_at LIMIT $2",
            args![now, limit],
        )
        .await
    }

    /// Forgets an upload and its parts (not its blob).
    pub async fn delete_upload(&self, id: UploadId) -> Result<()> {
        self.begin_write(move |session| {
            Box::pin(async move {
                session.run("DELETE FROM upload_parts WHERE upload_id = $1", args![id]).await?;
                session.run("DELETE FROM uploads WHERE id = $1", args![id]).await.map(|_| ())
            })
        })
        .await
    }

    /// Forgets complete uploads past their time that no job of their account uses, at most `limit`; returns
    /// how many. What only they referred to can then be removed.
    pub async fn drop_unused_uploads(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        self.begin_write(move |session| {
            Box::pin(async move {
                // Changes nothing, but holds the rows: whoever uses one of them at this moment waits and
                // finds it gone, or was first, and it is kept.
                let held = format!(
                    "UPDATE uploads SET expires_at = expires_at
                     WHERE id IN (SELECT id FROM uploads WHERE {IS_UNUSED} ORDER BY expires_at LIMIT $2)
                       AND {IS_UNUSED} RETURNING id"
                );
                let unused: Vec<IdRow> = session.all(held, args![now, limit]).await?;
                if unused.is_empty() {
                    return Ok(0);
                }
                let marks = list(1, unused.len());
                let ids = || unused.iter().flat_map(|row| args![row.id]).collect();
                session.run(format!("DELETE FROM upload_parts WHERE upload_id IN {marks}"), ids()).await?;
                session.run(format!("DELETE FROM uploads WHERE id IN {marks}"), ids()).await
            })
        })
        .await
    }

    /// The newest upload of the account that is not complete, of the same bytes: sending goes on there.
    pub async fn unfinished_upload(
        &self,
        account: AccountId,
        declared_hash: BlobHash,
        size: u64,
        now: UnixMillis,
    ) -> Result<Option<UploadRow>> {
        self.optional(
            "SELECT * FROM uploads WHERE account_id = $1 AND declared_hash = $2 AND size = $3
                 AND state <> 'complete' AND expires_at > $4
             ORDER BY id DESC LIMIT 1",
            args![account, declared_hash, size, now],
        )
        .await
    }

    /// The account's newest complete upload of that blob, which is about to be used: it is kept until then at
    /// least.
    pub async fn use_upload(
        &self,
        account: AccountId,
        hash: BlobHash,
        until: UnixMillis,
    ) -> Result<Option<UploadRow>> {
        self.begin_write(move |session| {
            Box::pin(async move {
                let sql = "UPDATE uploads
                           SET expires_at = CASE WHEN expires_at < $3 THEN $3 ELSE expires_at END
                           WHERE id = (SELECT id FROM uploads
                               WHERE account_id = $1 AND blob_hash = $2 AND state = 'complete'
                               ORDER BY id DESC LIMIT 1)
                           RETURNING *";
                session.optional(sql, args![account, hash, until]).await
            })
        })
        .await
    }

    /// The account's newest complete upload of that blob: what is inside.
    pub async fn upload_content(&self, account: AccountId, hash: BlobHash) -> Result<Option<UploadRow>> {
        self.optional(
            "SELECT * FROM uploads WHERE account_id = $1 AND blob_hash = $2 AND state = 'complete'
             ORDER BY id DESC LIMIT 1",
            args![account, hash],
        )
        .await
    }
}
