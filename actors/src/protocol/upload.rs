//! Bytes over HTTP, with the worker's bearer token.
//!
//! - Inputs: `GET /api/v1/jobs/{job}/inputs` (the manifest), `GET /api/v1/blobs/{hash}` (ranges allowed).
//! - Frames: `PUT /api/v1/leases/{lease}/frames/{frame}` with [`FENCE_HEADER`], [`HASH_HEADER`],
//!   [`RENDER_MS_HEADER`] and `Content-Length`. 201: stored; 200: it was there already; both with a
//!   [`FrameReceipt`]. 409 `lease_superseded`: drop the frame, never retry. 422: bytes are not what the
//!   headers say. 503: keep, retry.
//!
//! Where bytes go straight to the storage (the welcome says so):
//!
//! - Inputs: with [`DIRECT_HEADER`] the answer may be a 307 to the storage. Follow it without the bearer,
//!   with the same range.
//! - Frames: `POST /api/v1/leases/{lease}/frames/{frame}/place` with a [`FrameAnnounced`] gives a
//!   [`FramePlace`]; the bytes are `PUT` to its address, without the bearer; then the same announcement
//!   goes to `…/commit`, whose answer is that of the `PUT` above. 409 `upload_incomplete`: nothing lies
//!   there, begin anew. An address that is too old is refused by the storage: ask for another.

use serde::{Deserialize, Serialize};

use crate::ids::LeaseId;
use crate::units::{BlobHash, UnixMillis};

/// Header with the lease's fence, decimal.
pub const FENCE_HEADER: &str = "pictor-fence";
/// Header with the BLAKE3 of the body, hexadecimal.
pub const HASH_HEADER: &str = "pictor-blake3";
/// Header with the frame's render time in milliseconds, decimal.
pub const RENDER_MS_HEADER: &str = "pictor-render-ms";

/// Header by which a worker says that it follows redirects to the storage; any value.
pub const DIRECT_HEADER: &str = "pictor-direct";

/// A frame that a worker is about to put, or has put, into the storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameAnnounced {
    /// Fence of the lease.
    pub fence: u64,
    /// BLAKE3 of its bytes.
    pub hash: BlobHash,
    /// Their number.
    pub size: u64,
    /// Wall time of its render.
    pub render_ms: u64,
}

/// Where a frame's bytes go. With neither field: to the cloud itself, by the `PUT` that takes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FramePlace {
    /// To this address of the storage.
    #[serde(default)]
    pub put: Option<PutAddress>,
    /// Nowhere: the frame is stored.
    #[serde(default)]
    pub receipt: Option<FrameReceipt>,
}

/// An address that takes one object by `PUT`, for a while.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutAddress {
    /// With its signature: a secret.
    pub url: String,
    /// Headers to send along, besides `Content-Length`.
    #[serde(default)]
    pub headers: Vec<PutHeader>,
    /// A request that begins later is refused.
    pub good_for_ms: u64,
}

/// A header of a `PUT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutHeader {
    /// Its name.
    pub name: String,
    /// What it must say.
    pub value: String,
}

impl std::fmt::Debug for PutAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PutAddress").field("good_for_ms", &self.good_for_ms).finish_non_exhaustive()
    }
}

/// The cloud's word that a frame is safe: only against this does the worker delete it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameReceipt {
    /// The lease it was rendered under.
    pub lease: LeaseId,
    /// The frame.
    pub frame: i32,
    /// What is stored.
    pub hash: BlobHash,
    /// Its bytes.
    pub size: u64,
    /// Since when.
    pub stored_at: UnixMillis,
}
