//! From the configuration file to an enrolled worker: read it, make a key, have the cloud take its public
//! half, write the identity down. Each way it can go wrong has its own words and its own exit code.

use std::fs;
use std::io;
use std::path::Path;

use pictor_actors::protocol::RefusalCode;
use pictor_actors::protocol::enrolment::{ConfigurationFile, EnrolRequest};
use pictor_actors::units::UnixMillis;

use super::identity::{self, Identity};
use super::{DataDir, IdentityProblem};
use crate::cloud::{CallError, Cloud};

/// A configuration file has a few hundred bytes; more is something else.
const FILE_BYTES_MAX: u64 = 16 * 1024;
/// The format this program reads.
const FORMAT: u32 = 1;

/// Why an import did not work.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not a configuration file.
    #[error("{path} is not a worker's configuration file ({why}): download it from the worker's set-up page")]
    NotOne {
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be read.
    #[error(
        "{path} cannot be read ({why}): give the path of the configuration file that you downloaded from \
             the worker's set-up page"
    )]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        why: String,
    },
    /// Somebody is enrolled here already.
    #[error(
        "this machine is enrolled already, as {name:?} at {cloud}: nothing was changed. To give it the \
        identity of this \
         file, run import again with --replace"
    )]
    EnrolledAlready {
        /// Under which name.
        name: String,
        /// Where.
        cloud: String,
    },
    /// This very file was imported here before.
    #[error(
        "this configuration file was imported on this machine already, as {name:?}: there is nothing left \
        to do"
    )]
    ImportedAlready {
        /// Under which name.
        name: String,
    },
    /// Used by somebody.
    #[error(
        "this configuration file was used already: each is good for one import. Download a new one from the \
        worker's set-up page{also}"
    )]
    Used {
        /// What the cloud knows more.
        also: String,
    },
    /// Too old.
    #[error(
        "this configuration file is too old: it is good for 24 hours. Download a new one from the worker's \
        set-up page"
    )]
    Expired,
    /// Not of that cloud, or replaced.
    #[error(
        "the cloud at {cloud} does not know this configuration file: it is of another cloud, or a newer one \
        was \
         downloaded since. Download it again from the worker's set-up page"
    )]
    Foreign {
        /// Which cloud was asked.
        cloud: String,
    },
    /// Another machine is this worker.
    #[error(
        "another machine is enrolled as this worker: create a second worker in the cloud for this machine, \
        or remove the \
         other one there"
    )]
    SecondMachine,
    /// The cloud was not reached.
    #[error(
        "the cloud at {cloud} cannot be reached ({why}): check the network and run import again, the file \
        stays good"
    )]
    Unreachable {
        /// Which cloud.
        cloud: String,
        /// What happened.
        why: String,
    },
    /// It said no for another reason.
    #[error("the cloud at {cloud} refused: {why}")]
    Refused {
        /// Which cloud.
        cloud: String,
        /// In its words.
        why: String,
    },
    /// This machine's disk.
    #[error("the identity could not be written down")]
    Disk(#[from] io::Error),
}

/// Enrols this machine by the configuration file at `path`.
pub async fn import(
    data: &DataDir,
    path: &Path,
    replace: bool,
    hostname: String,
    now: UnixMillis,
) -> Result<Identity, ImportError> {
    let file = read(path)?;
    match identity::load_identity(data) {
        Ok(known) if known.worker == file.worker && !replace => {
            return Err(ImportError::ImportedAlready { name: known.name });
        }
        Ok(known) if !replace => {
            return Err(ImportError::EnrolledAlready { name: known.name, cloud: known.cloud.to_string() });
        }
        Ok(_) | Err(IdentityProblem::NotEnrolled | IdentityProblem::Broken { .. }) => {}
    }
    if file.expires_at < now {
        return Err(ImportError::Expired);
    }
    let cloud = url::Url::parse(&file.cloud).map_err(|error| not_one(path, &error.to_string()))?;
    if !matches!(cloud.scheme(), "http" | "https") {
        return Err(not_one(path, "its cloud is not a web address"));
    }
    let key = identity::pending_key(data)?;
    let request = EnrolRequest { worker: file.worker, token: file.token, public_key: key.public(), hostname };
    let answer = Cloud::new(cloud.clone()).enrol(&request).await.map_err(|error| told(&cloud, error))?;
    let identity = Identity { cloud, worker: answer.worker, name: answer.name };
    identity::store(data, &identity, &key)?;
    Ok(identity)
}

fn read(path: &Path) -> Result<ConfigurationFile, ImportError> {
    let file = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if file.is_dir() {
        return Err(not_one(path, "it is a folder"));
    }
    if file.len() > FILE_BYTES_MAX {
        return Err(not_one(path, "it is too large"));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(bytes).map_err(|_| not_one(path, "it is no text"))?;
    let file: ConfigurationFile =
        toml::from_str(&text).map_err(|error| not_one(path, error.message().lines().next().unwrap_or("")))?;
    if file.format != FORMAT {
        return Err(not_one(path, &format!("its format is {}, this program reads {FORMAT}", file.format)));
    }
    Ok(file)
}

fn unreadable(path: &Path, error: &io::Error) -> ImportError {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        _ => error.to_string(),
    };
    ImportError::Unreadable { path: path.display().to_string(), why }
}

fn not_one(path: &Path, why: &str) -> ImportError {
    ImportError::NotOne { path: path.display().to_string(), why: why.to_owned() }
}

fn told(cloud: &url::Url, error: CallError) -> ImportError {
    let cloud = cloud.to_string();
    let problem = match error {
        CallError::Away { why, .. } => return ImportError::Unreachable { cloud, why },
        CallError::Problem(problem) => problem,
    };
    let code = serde_json::from_value::<RefusalCode>(problem.code.clone().into()).ok();
    let Some(code) = code else {
        let why = if problem.detail.is_empty() { problem.code } else { problem.detail };
        return ImportError::Refused { cloud, why };
    };
    match code {
        RefusalCode::EnrolmentUsed => ImportError::Used { also: also(&problem.detail) },
        RefusalCode::EnrolmentExpired => ImportError::Expired,
        RefusalCode::EnrolmentUnknown | RefusalCode::UnknownWorker => ImportError::Foreign { cloud },
        RefusalCode::KeyMismatch => ImportError::SecondMachine,
        RefusalCode::BadSignature
        | RefusalCode::VersionUnsupported
        | RefusalCode::Malformed
        | RefusalCode::TooMany
        | RefusalCode::Unavailable
        | RefusalCode::Replaced => ImportError::Refused { cloud, why: problem.detail },
    }
}

fn also(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(". The cloud says: {detail}") }
}
