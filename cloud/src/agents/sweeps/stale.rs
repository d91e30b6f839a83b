//! What is merely old: uploads that nobody goes on with or uses, and rows that only grow in number.

use std::sync::Arc;

use pictor_actors::now::Clock;
use pictor_actors::units::{Millis, UnixMillis};

use crate::blobs::{BlobError, Blobs};
use crate::store::{Store, StoreError};

/// Rows of one write: others wait for it, some milliseconds.
const ROWS_MAX: u32 = 500;
/// Writes for one kind of rows in one pass: enough, every ten minutes, for the minutes of two thousand
/// workers, which grow fastest.
const WRITES_MAX: u32 = 40;
/// A request is recognised as a repetition for so long.
const KEYS_KEPT_FOR: Millis = Millis::from_secs(72 * 3_600);
/// A configuration file or set-up address that is over can be told from one that never was for so long.
const SECRETS_KEPT_FOR: Millis = Millis::from_secs(30 * 24 * 3_600);
/// Minutes of workers, and what engines wrote, counted from the end of its job.
const HISTORY_KEPT_FOR: Millis = Millis::from_secs(90 * 24 * 3_600);

/// The sweep.
#[derive(Clone)]
pub struct Stale {
    store: Store,
    clock: Arc<dyn Clock>,
    blobs: Arc<dyn Blobs>,
}

impl Stale {
    /// The sweep over these.
    #[must_use]
    pub fn new(store: Store, blobs: Arc<dyn Blobs>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, blobs }
    }

    /// One pass.
    pub async fn pass(self) {
        let now = self.clock.now().wall;
        match self.uploads(now).await {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(dropped, "uploads were dropped because nobody went on with them"),
            Err(error) => tracing::warn!(%error, "stale uploads were not dropped"),
        }
        let store = &self.store;
        let ago = |time: Millis| UnixMillis(now.0.saturating_sub_unsigned(time.0));
        let (keys, secrets, history) = (ago(KEYS_KEPT_FOR), ago(SECRETS_KEPT_FOR), ago(HISTORY_KEPT_FOR));
        in_steps("unused uploads", async || store.drop_unused_uploads(now, ROWS_MAX).await).await;
        in_steps("request keys", async || store.drop_idempotency_keys(keys, ROWS_MAX).await).await;
        in_steps("sessions", async || store.drop_expired_sessions(now, ROWS_MAX).await).await;
        in_steps("configuration files", async || store.drop_old_enrolments(secrets, ROWS_MAX).await).await;
        in_steps("set-up secrets", async || store.drop_old_setup_tokens(secrets, ROWS_MAX).await).await;
        in_steps("minutes of workers", async || store.drop_worker_minutes(history, ROWS_MAX).await).await;
        in_steps("log lines", async || store.drop_old_logs(history, ROWS_MAX).await).await;
    }

    /// Bytes first: a row whose bytes are gone is found again, bytes without a row never.
    async fn uploads(&self, now: UnixMillis) -> Result<usize, StoreError> {
        let mut dropped = 0;
        for upload in self.store.expired_uploads(now, ROWS_MAX).await? {
            match self.blobs.drop_parts(upload.id).await {
                Ok(()) | Err(BlobError::NotFound) => {}
                Err(error) => {
                    tracing::warn!(upload = %upload.id, %error, "parts were not dropped");
                    continue;
                }
            }
            match self.store.delete_upload(upload.id).await {
                Ok(()) | Err(StoreError::NotFound) => dropped += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(dropped)
    }
}

/// Drops old rows, a few at a time so that other writes get their turn, until none are left or the pass has
/// done enough.
async fn in_steps(what: &'static str, drop_some: impl AsyncFn() -> Result<u64, StoreError>) {
    let mut dropped = 0;
    for _ in 0..WRITES_MAX {
        match drop_some().await {
            Ok(rows) => {
                dropped += rows;
                if rows < u64::from(ROWS_MAX) {
                    break;
                }
            }
            Err(error) => {
                tracing::warn!(what, %error, "old rows were not dropped");
                break;
            }
        }
    }
    if dropped > 0 {
        tracing::debug!(what, dropped, "old rows were dropped");
    }
}
