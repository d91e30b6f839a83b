//! One-time configuration files and the key that each is traded for.

use pictor_actors::ids::WorkerId;
use pictor_actors::units::UnixMillis;

use super::WorkerRow;
use crate::store::sql::{Session, args, row};
use crate::store::{Result, Store, StoreError};

/// Why a configuration file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// It was used already (the same key again is answered with the worker instead).
    #[error("this configuration file was used already")]
    Used,
    /// It is too old.
    #[error("this configuration file is too old")]
    Expired,
    /// There is no such file, it was replaced by a newer one, or its worker was removed.
    #[error("this configuration file is not known here")]
    Unknown,
    /// It was used by a machine with another key.
    #[error("another machine is enrolled with this configuration file")]
    KeyMismatch,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

row! {
    /// A one-time token of a worker.
    pub struct EnrolmentRow {
        /// Good until.
        pub expires_at: UnixMillis,
        /// Used.
        pub used_at: Option<UnixMillis>,
        /// Public key it was traded for.
        pub used_by_key: Option<String>,
    }
}

impl Store {
    /// Keeps a one-time token for a worker; unused ones before it are dead.
    pub async fn put_enrolment(
        &self,
        worker: WorkerId,
        token_hash: &str,
        expires_at: UnixMillis,
        now: UnixMillis,
    ) -> Result<()> {
        let token_hash = token_hash.to_owned();
        self.begin_write(move |session| {
            Box::pin(async move {
                let sql = "UPDATE enrolments SET replaced_at = $2
                           WHERE worker_id = $1 AND used_at IS NULL AND replaced_at IS NULL";
                session.run(sql, args![worker, now]).await?;
                let sql = "INSERT INTO enrolments (token_hash, worker_id, created_at, expires_at)
                           SELECT $1, id, $3, $4 FROM workers WHERE id = $2 AND removed_at IS NULL";
                let added = session.run(sql, args![token_hash, worker, now, expires_at]).await?;
                if added == 0 { Err(StoreError::NotFound) } else { Ok(()) }
            })
        })
        .await
    }

    /// Trades the one-time token for the worker's key. The same token with the same key answers the same
    /// again, so that a lost answer does no harm.
    pub async fn enrol(
        &self,
        token_hash: &str,
        worker: WorkerId,
        public_key: &str,
        hostname: &str,
        now: UnixMillis,
    ) -> Result<WorkerRow, EnrolError> {
        let (token_hash, public_key, hostname) =
            (token_hash.to_owned(), public_key.to_owned(), hostname.to_owned());
        // A refusal changes nothing, so the transaction of a refusal may be kept as well as undone.
        self.begin_write(move |session| {
            Box::pin(async move {
                match trade(session, &token_hash, worker, &public_key, &hostname, now).await {
                    Err(EnrolError::Store(error)) => Err(error),
                    answer => Ok(answer),
                }
            })
        })
        .await?
    }

    /// Removes configuration files that were used, replaced or too old before then, at most `limit`; returns
    /// how many.
    pub async fn drop_old_enrolments(&self, before: UnixMillis, limit: u32) -> Result<u64> {
        self.write_one(
            "DELETE FROM enrolments WHERE token_hash IN
                 (SELECT token_hash FROM enrolments
                  WHERE COALESCE(used_at, replaced_at, expires_at) < $1 LIMIT $2)",
            args![before, limit],
        )
        .await
    }
}

async fn trade(
    session: &mut Session,
    token_hash: &str,
    worker: WorkerId,
    public_key: &str,
    hostname: &str,
    now: UnixMillis,
) -> Result<WorkerRow, EnrolError> {
    let sql = "SELECT * FROM enrolments WHERE token_hash = $1 AND worker_id = $2 AND replaced_at IS NULL";
    let found: Option<EnrolmentRow> = session.optional(sql, args![token_hash, worker]).await?;
    let Some(enrolment) = found else { return Err(EnrolError::Unknown) };
    let row: WorkerRow = session.one("SELECT * FROM workers WHERE id = $1", args![worker]).await?;
    if enrolment.used_at.is_some() {
        return after_use(enrolment, row, public_key, hostname);
    }
    if enrolment.expires_at <= now {
        return Err(EnrolError::Expired);
    }
    let sql =
        "UPDATE enrolments SET used_at = $2, used_by_key = $3 WHERE token_hash = $1 AND used_at IS NULL";
    if session.run(sql, args![token_hash, now, public_key]).await? == 0 {
        return Err(EnrolError::Used);
    }
    // Whoever is connected with the key before loses its connection: one worker is one machine.
    let row = session
        .one(
            "UPDATE workers SET public_key = $2, hostname = $3, updated_at = $4, link_id = NULL,
                bearer_hash = NULL
             WHERE id = $1 RETURNING *",
            args![worker, public_key, hostname, now],
        )
        .await?;
    Ok(row)
}

/// The same machine asking again gets the same answer; a machine that made itself a new key is told so in
/// other words than a second machine.
fn after_use(
    enrolment: EnrolmentRow,
    row: WorkerRow,
    public_key: &str,
    hostname: &str,
) -> Result<WorkerRow, EnrolError> {
    let is_same_key = enrolment.used_by_key.as_deref() == Some(public_key);
    if is_same_key && row.public_key.as_deref() == Some(public_key) {
        Ok(row)
    } else if is_same_key || row.hostname.as_deref() == Some(hostname) {
        Err(EnrolError::Used)
    } else {
        Err(EnrolError::KeyMismatch)
    }
}
