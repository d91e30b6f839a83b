//! Who this worker is: the cloud it belongs to, its id and its key. Written once by `import`, read-only
//! afterwards.
//!
//! `identity.toml` exists only after the cloud has taken the key: a file that is there is good.

use std::fs;
use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::hello::proof_message;
use serde::{Deserialize, Serialize};

use super::DataDir;
use crate::durable::{self, Secrecy};

/// Where the worker belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Base address of the cloud.
    pub cloud: url::Url,
    /// Its id there.
    pub worker: WorkerId,
    /// Its name, as it was at import.
    pub name: String,
}

/// Why no identity can be had.
#[derive(Debug, thiserror::Error)]
pub enum IdentityProblem {
    /// `import` was never done.
    #[error(
        "this machine is not enrolled: create a worker in the cloud, download its configuration file and run \
         `pictor-worker import FILE`"
    )]
    NotEnrolled,
    /// A file is there and cannot be used.
    #[error(
        "{path} cannot be used ({why}): import a new configuration file with `pictor-worker import \
        --replace FILE`"
    )]
    Broken {
        /// Which file.
        path: String,
        /// What is wrong.
        why: String,
    },
}

/// The private key; prints nothing.
pub struct Key(SigningKey);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A new key from the system's random numbers.
    pub fn generate() -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The public half as enrolment sends it.
    #[must_use]
    pub fn public(&self) -> String {
        BASE64_STANDARD.encode(self.0.verifying_key().as_bytes())
    }

    /// The answer to a challenge.
    #[must_use]
    pub fn prove(&self, worker: WorkerId, nonce: &str) -> String {
        BASE64_STANDARD.encode(self.0.sign(&proof_message(worker, nonce)).to_bytes())
    }

    /// As it lies on disk.
    pub(crate) fn to_text(&self) -> String {
        format!("{}\n", BASE64_STANDARD.encode(self.0.to_bytes()))
    }

    /// From what [`Key::to_text`] gave.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let seed: [u8; 32] = BASE64_STANDARD.decode(text.trim()).ok()?.try_into().ok()?;
        Some(Self(SigningKey::from_bytes(&seed)))
    }
}

/// The identity and its key.
pub fn load(data: &DataDir) -> Result<(Identity, Key), IdentityProblem> {
    let identity = load_identity(data)?;
    let path = data.key();
    let broken =
        |why: &str| IdentityProblem::Broken { path: path.display().to_string(), why: why.to_owned() };
    let text = fs::read_to_string(&path).map_err(|error| broken(&error.to_string()))?;
    let key = Key::from_text(&text).ok_or_else(|| broken("not a key"))?;
    Ok((identity, key))
}

/// The identity without its key.
pub fn load_identity(data: &DataDir) -> Result<Identity, IdentityProblem> {
    let path = data.identity();
    let broken = |why: String| IdentityProblem::Broken { path: path.display().to_string(), why };
    match fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| broken(error.message().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(IdentityProblem::NotEnrolled),
        Err(error) => Err(broken(error.to_string())),
    }
}

/// Writes both down; the key first, so that an identity never stands without its key.
pub fn store(data: &DataDir, identity: &Identity, key: &Key) -> io::Result<()> {
    let text = toml::to_string_pretty(identity).map_err(io::Error::other)?;
    durable::replace(&data.key(), key.to_text().as_bytes(), Secrecy::Private)?;
    durable::replace(&data.identity(), text.as_bytes(), Secrecy::Private)?;
    let _ = fs::remove_file(pending(data)); // only a convenience for a repeated import
    Ok(())
}

/// The key of an import that did not come to its end, or a new one. Kept on disk before the cloud hears of
/// it: when the answer is lost, the same file with the same key is taken again.
pub fn pending_key(data: &DataDir) -> io::Result<Key> {
    if let Some(key) = fs::read_to_string(pending(data)).ok().as_deref().and_then(Key::from_text) {
        return Ok(key);
    }
    let key = Key::generate()?;
    durable::replace(&pending(data), key.to_text().as_bytes(), Secrecy::Private)?;
    Ok(key)
}

fn pending(data: &DataDir) -> std::path::PathBuf {
    data.root().join("worker.key.pending")
}
