//! Uploads under way, and which blobs there are and whose.

use std::fmt;
use std::str::FromStr;

use pictor_actors::ids::{AccountId, UploadId};
use pictor_actors::units::{BlobHash, UnixMillis};
use pictor_cloud_api::uploads::UploadContent;

use super::sql::row;
use super::{Result, Store};

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
        /// Removed then, unless complete.
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
    /// Removed then, unless complete.
    pub expires_at: UnixMillis,
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

row! {
    /// A blob.
    pub struct BlobRow {
        /// Its name.
        pub hash: BlobHash,
        /// Its bytes.
        pub size: u64,
        /// Stored.
        pub created_at: UnixMillis,
    }
}

impl Store {
    /// Begins an upload.
    pub async fn create_upload(&self, new: &NewUploadRow, now: UnixMillis) -> Result<UploadRow> {
        todo!()
    }

    /// The account's upload.
    pub async fn upload(&self, account: AccountId, id: UploadId) -> Result<UploadRow> {
        todo!()
    }

    /// Parts that are stored, ascending.
    pub async fn upload_parts(&self, id: UploadId) -> Result<Vec<PartRow>> {
        todo!()
    }

    /// Notes a stored part; again replaces. `Conflict(State)` once completing.
    pub async fn note_part(&self, id: UploadId, part: u32, size: u64) -> Result<()> {
        todo!()
    }

    /// Moves an upload between states. `Conflict(State)` if it is not in `from`.
    pub async fn set_upload_state(&self, id: UploadId, from: UploadState, to: UploadState) -> Result<()> {
        todo!()
    }

    /// Completes an upload: its blob exists, belongs to the account, and this is inside. Again is harmless.
    pub async fn finish_upload(
        &self,
        id: UploadId,
        hash: BlobHash,
        size: u64,
        content: &UploadContent,
        now: UnixMillis,
    ) -> Result<UploadRow> {
        todo!()
    }

    /// Unfinished uploads past their time, oldest first.
    pub async fn expired_uploads(&self, now: UnixMillis, limit: u32) -> Result<Vec<UploadRow>> {
        todo!()
    }

    /// Forgets an upload and its parts (not its blob).
    pub async fn delete_upload(&self, id: UploadId) -> Result<()> {
        todo!()
    }

    /// Notes that a blob is stored, and whose it is. Again is harmless.
    pub async fn put_blob(
        &self,
        hash: BlobHash,
        size: u64,
        owner: Option<AccountId>,
        now: UnixMillis,
    ) -> Result<()> {
        todo!()
    }

    /// The blob's row, if it is stored.
    pub async fn blob(&self, hash: BlobHash) -> Result<Option<BlobRow>> {
        todo!()
    }

    /// Whether the account may read that blob.
    pub async fn account_owns_blob(&self, account: AccountId, hash: BlobHash) -> Result<bool> {
        todo!()
    }

    /// The account's newest complete upload of that blob: what is inside.
    pub async fn upload_content(&self, account: AccountId, hash: BlobHash) -> Result<Option<UploadRow>> {
        todo!()
    }
}
