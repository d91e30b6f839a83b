//! Answers kept under a client's key, so that a repeated request has one effect.

use pictor_actors::ids::AccountId;
use pictor_actors::units::UnixMillis;

use super::{Result, Store};

/// What to do with a request that carries a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// Do it, then call `idempotency_end`.
    New,
    /// It was done: answer this again.
    Replay {
        /// HTTP status of the first answer.
        status: u16,
        /// Body of the first answer.
        body: String,
    },
    /// The key was used for another request.
    Mismatch,
    /// The first request is still at work.
    InFlight,
}

impl Store {
    /// Claims a key for a request. A claim without an answer is taken over after 60 s: whoever made it is gone.
    pub async fn idempotency_begin(
        &self,
        account: AccountId,
        key: &str,
        request_hash: &str,
        now: UnixMillis,
    ) -> Result<Begin> {
        todo!()
    }

    /// Keeps the answer of a claimed key; `None` (the request failed without effect) frees the key.
    pub async fn idempotency_end(
        &self,
        account: AccountId,
        key: &str,
        answer: Option<(u16, &str)>,
        now: UnixMillis,
    ) -> Result<()> {
        todo!()
    }

    /// Removes keys made before then, at most `limit`; returns how many.
    pub async fn drop_idempotency_keys(&self, before: UnixMillis, limit: u32) -> Result<u64> {
        todo!()
    }
}
