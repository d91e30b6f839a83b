//! One-time configuration files and the key that each is traded for.

use pictor_actors::ids::WorkerId;
use pictor_actors::units::UnixMillis;

use super::WorkerRow;
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

impl Store {
    /// Keeps a one-time token for a worker; unused ones before it are dead.
    pub async fn put_enrolment(
        &self,
        worker: WorkerId,
        token_hash: &str,
        expires_at: UnixMillis,
        now: UnixMillis,
    ) -> Result<()> {
        todo!()
    }

    /// Trades the one-time token for the worker's key. The same token with the same key answers the same again, so
    /// that a lost answer does no harm.
    pub async fn enrol(
        &self,
        token_hash: &str,
        worker: WorkerId,
        public_key: &str,
        hostname: &str,
        now: UnixMillis,
    ) -> Result<WorkerRow, EnrolError> {
        todo!()
    }
}
