//! What is put right again and again, without being told: expired leases, stale uploads, old sessions and keys.
//!
//! Each sweep takes no input and may run twice; a pass is bounded and what is left waits for the next one.
#![allow(clippy::todo)]

use std::sync::Arc;

use super::ports::{Ports, WorkDoors};
use crate::blobs::Blobs;

/// Starts all sweeps; they end with the shutdown.
pub fn start(_ports: &Ports, _doors: &WorkDoors, _blobs: Arc<dyn Blobs>) {
    todo!()
}
