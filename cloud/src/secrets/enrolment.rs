//! The one-time configuration file of a worker: made the same way for pages, API and command line.

use pictor_actors::ids::WorkerId;
use pictor_actors::limits::ENROLMENT_VALID_FOR;
use pictor_actors::protocol::enrolment::ConfigurationFile;
use pictor_actors::units::UnixMillis;
use url::Url;

use super::{SecretError, new_secret};
use crate::store::{Store, StoreError};

/// Stands at the top of each file, for whoever opens it.
const HEADER: &str = "\
# One-time configuration of one Pictor worker. Import it on the machine that shall render:
#     pictor-worker import THIS-FILE
# It is good for one machine and for 24 hours. Keep it to yourself until then.
";

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

/// Makes a fresh configuration file for a worker; the one before is dead. `cloud` is the address that the
/// worker will use.
pub async fn fresh_configuration(
    store: &Store,
    worker: WorkerId,
    name: &str,
    cloud: &Url,
    now: UnixMillis,
) -> Result<FreshConfiguration, ConfigurationError> {
    let (token, token_hash) = new_secret("")?;
    let expires_at = now.plus(ENROLMENT_VALID_FOR);
    store.put_enrolment(worker, &token_hash, expires_at, now).await?;
    let file = ConfigurationFile {
        format: 1,
        cloud: cloud.as_str().trim_end_matches('/').to_owned(),
        worker,
        name: name.to_owned(),
        token,
        expires_at,
    };
    let content = format!("{HEADER}{}", toml::to_string(&file)?);
    Ok(FreshConfiguration { file_name: file_name(name), content, expires_at })
}

/// A name that every file system takes: what is doubtful becomes a dash.
#[must_use]
pub fn file_name(name: &str) -> String {
    let safe: String = name
        .chars()
        .map(|letter| if letter.is_alphanumeric() || matches!(letter, '-' | '_') { letter } else { '-' })
        .take(60)
        .collect();
    let safe = safe.trim_matches('-');
    format!("{}.pictor", if safe.is_empty() { "worker" } else { safe })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_plain() {
        assert_eq!(file_name("rig-01"), "rig-01.pictor");
        assert_eq!(file_name("../../etc/passwd"), "etc-passwd.pictor");
        assert_eq!(file_name("Büro 2"), "Büro-2.pictor");
        assert_eq!(file_name("//"), "worker.pictor");
    }
}
