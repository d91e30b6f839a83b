//! Answers kept under a client's key, so that a repeated request has one effect.

use pictor_actors::ids::AccountId;
use pictor_actors::units::UnixMillis;

use super::sql::{args, row};
use super::{Result, Store};

/// A claim without an answer counts as given up after this.
const CLAIM_MS: i64 = 60_000;

row! {
    /// A key with what is kept under it.
    pub struct KeyRow {
        /// Hash of the request it was first used for.
        pub request_hash: String,
        /// HTTP status of its answer.
        pub status: Option<u16>,
        /// Body of its answer.
        pub body: Option<String>,
    }
}

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
    /// Claims a key for a request. A claim without an answer is taken over after 60 s: whoever made it is
    /// gone.
    pub async fn idempotency_begin(
        &self,
        account: AccountId,
        key: &str,
        request_hash: &str,
        now: UnixMillis,
    ) -> Result<Begin> {
        let (key, request_hash) = (key.to_owned(), request_hash.to_owned());
        self.begin_write(move |session| {
            Box::pin(async move {
                let sql = "INSERT INTO idempotency_keys (account_id, key, request_hash, created_at)
                           VALUES ($1, $2, $3, $4) ON CONFLICT (account_id, key) DO NOTHING";
                if session.run(sql, args![account, key, request_hash, now]).await? == 1 {
                    return Ok(Begin::New);
                }
                let sql = "SELECT * FROM idempotency_keys WHERE account_id = $1 AND key = $2";
                let row: KeyRow = session.one(sql, args![account, key]).await?;
                if row.request_hash != request_hash {
                    return Ok(Begin::Mismatch);
                }
                if let (Some(status), Some(body)) = (row.status, row.body) {
                    return Ok(Begin::Replay { status, body });
                }
                let sql = "UPDATE idempotency_keys SET created_at = $3
                           WHERE account_id = $1 AND key = $2 AND status IS NULL AND created_at <= $4";
                let given_up = UnixMillis(now.0.saturating_sub(CLAIM_MS));
                let taken_over = session.run(sql, args![account, key, now, given_up]).await?;
                Ok(if taken_over == 1 { Begin::New } else { Begin::InFlight })
            })
        })
        .await
    }

    /// Keeps the answer of a claimed key; `None` (the request failed without effect) frees the key.
    pub async fn idempotency_end(
        &self,
        account: AccountId,
        key: &str,
        answer: Option<(u16, &str)>,
        now: UnixMillis,
    ) -> Result<()> {
        let written = match answer {
            Some((status, body)) => {
                let sql = "UPDATE idempotency_keys SET status = $3, body = $4, created_at = $5
                           WHERE account_id = $1 AND key = $2";
                self.write_one(sql, args![account, key, status, body, now]).await
            }
            None => {
                let sql = "DELETE FROM idempotency_keys
                           WHERE account_id = $1 AND key = $2 AND status IS NULL";
                self.write_one(sql, args![account, key]).await
            }
        };
        written.map(|_| ())
    }

    /// Removes keys made before then, at most `limit`; returns how many.
    pub async fn drop_idempotency_keys(&self, before: UnixMillis, limit: u32) -> Result<u64> {
        self.write_one(
            "DELETE FROM idempotency_keys WHERE (account_id, key) IN
                 (SELECT account_id, key FROM idempotency_keys WHERE created_at < $1 LIMIT $2)",
            args![before, limit],
        )
        .await
    }
}
