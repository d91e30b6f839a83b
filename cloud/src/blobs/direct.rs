//! Bytes that go straight between a client and the storage, at addresses that are signed for a while.
//!
//! What a client puts at such an address is nothing yet: it lies aside under a name that says for what, and
//! only [`Direct::take_frame`] or the joining of an upload makes a blob of it, after reading and hashing it
//! here. Who may ask for an address is `http`'s business.

use futures_util::future::BoxFuture;
use pictor_actors::ids::{LeaseId, UploadId};
use pictor_actors::units::{BlobHash, Millis, UnixMillis};

use super::{BlobError, Stored};

/// Where a client may put bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// With its signature: whoever has it may put there, so no log shows it.
    pub url: String,
    /// Headers that must be sent along, besides the length.
    pub headers: Vec<(&'static str, &'static str)>,
    /// A request that begins later is refused.
    pub good_for: Millis,
}

/// How the storage shall show a blob to whom it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Media type.
    pub media_type: &'static str,
    /// The header `Content-Disposition`; nothing: shown in place.
    pub disposition: Option<String>,
}

/// A storage that signs addresses.
pub trait Direct: Send + Sync {
    /// Scheme, host and port of the addresses that clients get.
    fn origin(&self) -> &str;

    /// Where a frame of that hash may be put.
    fn put_frame_at(
        &self,
        lease: LeaseId,
        frame: i32,
        hash: BlobHash,
    ) -> BoxFuture<'_, Result<Address, BlobError>>;

    /// Makes a blob of the frame that was put, if it is what was announced. `NotFound`: nothing was put.
    /// What was put is gone then, unless the storage failed.
    fn take_frame(
        &self,
        lease: LeaseId,
        frame: i32,
        announced: Stored,
    ) -> BoxFuture<'_, Result<(), BlobError>>;

    /// Where a part of an upload may be put. Again replaces it.
    fn put_part_at(&self, upload: UploadId, part: u32) -> BoxFuture<'_, Result<Address, BlobError>>;

    /// Whether that part was put and has that length: `NotFound`, `Incomplete`.
    fn check_part(&self, upload: UploadId, part: u32, length: u64) -> BoxFuture<'_, Result<(), BlobError>>;

    /// Where a blob may be got, ranges included; nothing if the storage cannot show it so. The blob is not
    /// looked for.
    fn get_at(
        &self,
        hash: BlobHash,
        shown: Option<Shown>,
    ) -> BoxFuture<'_, Result<Option<String>, BlobError>>;

    /// Removes what was put before then and never taken; says how much.
    fn clear_staging(&self, before: UnixMillis) -> BoxFuture<'_, Result<usize, BlobError>>;
}
