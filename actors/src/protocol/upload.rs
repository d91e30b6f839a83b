//! Bytes over HTTP, with the worker's bearer token.
//!
//! - Inputs: `GET /api/v1/jobs/{job}/inputs` (the manifest), `GET /api/v1/blobs/{hash}` (ranges allowed).
//! - Frames: `PUT /api/v1/leases/{lease}/frames/{frame}` with [`FENCE_HEADER`], [`HASH_HEADER`],
//!   [`RENDER_MS_HEADER`] and `Content-Length`. 201: stored; 200: it was there already; both with a
//!   [`FrameReceipt`]. 409 `lease_superseded`: drop the frame, never retry. 422: bytes are not what the
//!   headers say. 503: keep, retry.

use serde::{Deserialize, Serialize};

use crate::ids::LeaseId;
use crate::units::{BlobHash, UnixMillis};

/// Header with the lease's fence, decimal.
pub const FENCE_HEADER: &str = "pictor-fence";
/// Header with the BLAKE3 of the body, hexadecimal.
pub const HASH_HEADER: &str = "pictor-blake3";
/// Header with the frame's render time in milliseconds, decimal.
pub const RENDER_MS_HEADER: &str = "pictor-render-ms";

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
