//! The configuration file and the exchange that turns it into a key.

use serde::{Deserialize, Serialize};

use crate::ids::WorkerId;
use crate::units::UnixMillis;

/// Where a worker enrols: `POST`, JSON [`EnrolRequest`] → 200 [`EnrolAnswer`], or a problem document whose
/// `code` is one of [`super::RefusalCode`]'s enrolment codes.
pub const ENROL_PATH: &str = "/api/v1/workers/enrol";

/// The configuration file (`NAME.pictor`), TOML: one unique file a worker.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationFile {
    /// Version of this format: 1.
    pub format: u32,
    /// Base address of the cloud ("http://127.0.0.1:7420").
    pub cloud: String,
    /// The worker.
    pub worker: WorkerId,
    /// Its name.
    pub name: String,
    /// One-time token, 32 random bytes in URL-safe base64.
    pub token: String,
    /// The token is dead after this.
    pub expires_at: UnixMillis,
}

impl std::fmt::Debug for ConfigurationFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigurationFile").field("worker", &self.worker).finish_non_exhaustive()
    }
}

/// What the worker sends at import.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The worker.
    pub worker: WorkerId,
    /// The token of the configuration file.
    pub token: String,
    /// Public half of the key the worker has just made: 32 bytes, base64 (standard, padded).
    pub public_key: String,
    /// Host name, so that the owner can tell which machine it was.
    pub hostname: String,
}

/// What it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolAnswer {
    /// The worker.
    pub worker: WorkerId,
    /// Its name.
    pub name: String,
}
