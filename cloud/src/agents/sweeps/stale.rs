//! What is merely old: uploads nobody goes on with, keys of requests that are not repeated any more.

use std::sync::Arc;

use pictor_actors::units::{Millis, UnixMillis};

use crate::agents::ports::Ports;
use crate::blobs::{BlobError, Blobs};
use crate::store::StoreError;

/// Rows of one kind in one pass.
const ROWS_MAX: u32 = 500;
/// A request is recognised as a repetition for so long.
const KEYS_KEPT_FOR: Millis = Millis::from_secs(72 * 3600);

/// The sweep.
#[derive(Clone)]
pub(super) struct Stale {
    ports: Ports,
    blobs: Arc<dyn Blobs>,
}

impl Stale {
    pub fn new(ports: Ports, blobs: Arc<dyn Blobs>) -> Self {
        Self { ports, blobs }
    }

    /// One pass.
    pub async fn pass(self) {
        let now = self.ports.clock.now().wall;
        match self.uploads(now).await {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(dropped, "uploads were dropped because nobody went on with them"),
            Err(error) => tracing::warn!(%error, "stale uploads were not dropped"),
        }
        let before = UnixMillis(now.0.saturating_sub_unsigned(KEYS_KEPT_FOR.0));
        match self.ports.store.drop_idempotency_keys(before, ROWS_MAX).await {
            Ok(0) => {}
            Ok(dropped) => tracing::debug!(dropped, "old request keys were dropped"),
            Err(error) => tracing::warn!(%error, "old request keys were not dropped"),
        }
        match self.ports.store.drop_expired_sessions(now, ROWS_MAX).await {
            Ok(0) => {}
            Ok(dropped) => tracing::debug!(dropped, "expired sessions were dropped"),
            Err(error) => tracing::warn!(%error, "expired sessions were not dropped"),
        }
    }

    /// Bytes first: a row whose bytes are gone is found again, bytes without a row never.
    async fn uploads(&self, now: UnixMillis) -> Result<usize, StoreError> {
        let mut dropped = 0;
        for upload in self.ports.store.expired_uploads(now, ROWS_MAX).await? {
            match self.blobs.drop_parts(upload.id).await {
                Ok(()) | Err(BlobError::NotFound) => {}
                Err(error) => {
                    tracing::warn!(upload = %upload.id, %error, "parts were not dropped");
                    continue;
                }
            }
            match self.ports.store.delete_upload(upload.id).await {
                Ok(()) | Err(StoreError::NotFound) => dropped += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(dropped)
    }
}
