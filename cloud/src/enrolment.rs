//! The one-time configuration file of a worker: made the same way for pages, API and command line.

use pictor_actors::ids::WorkerId;
use pictor_actors::units::UnixMillis;
use url::Url;

use crate::secrets::SecretError;
use crate::store::{Store, StoreError};

/// A fresh configuration file.
#[derive(Clone, PartialEq, Eq)]
pub struct FreshConfiguration {
    /// Name to save it under (`rig-01.pictor`).
    pub file_name: String,
    /// Its text (TOML); holds a secret.
    pub content: String,
    /// Good until.
    pub expires_at: UnixMillis,
}

/// Why no configuration file was made.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The file could not be written as TOML.
    #[error("the configuration file could not be written")]
    Format(#[from] toml::ser::Error),
}

/// Makes a fresh configuration file for a worker; the one before is dead. `cloud` is the address that the worker will
/// use.
pub async fn fresh_configuration(
    store: &Store,
    worker: WorkerId,
    name: &str,
    cloud: &Url,
    now: UnixMillis,
) -> Result<FreshConfiguration, ConfigurationError> {
    todo!()
}
