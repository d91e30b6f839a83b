//! `import FILE`: words and exit codes around [`crate::config::import`].

use std::path::Path;

use pictor_actors::now::{Clock, SystemClock};

use super::{Exit, say};
use crate::config::DataDir;
use crate::config::import::{ImportError, import as enrol};
use crate::control::InstanceLock;

pub(super) async fn import(data: &DataDir, file: &Path, replace: bool) -> Exit {
    match InstanceLock::take(data) {
        Ok(Some(_lock)) => imported(data, file, replace).await,
        Ok(None) => say::fault(
            Exit::RunsAlready,
            "a worker runs with this data folder: stop it first, then import again",
        ),
        Err(error) => say::fault(Exit::Failed, &format!("the data folder cannot be locked: {error}")),
    }
}

async fn imported(data: &DataDir, file: &Path, replace: bool) -> Exit {
    let now = SystemClock.now().wall;
    match enrol(data, file, replace, hostname(), now).await {
        Ok(identity) => {
            say::line(&format!(
                "enrolled as {:?} ({}) at {}",
                identity.name, identity.worker, identity.cloud
            ));
            say::line("start it with: pictor-worker run");
            Exit::Done
        }
        Err(error) => {
            let mut text = error.to_string();
            if let ImportError::Disk(source) = &error {
                text = format!("{text}: {source}");
            }
            say::fault(exit_of(&error), &text)
        }
    }
}

const fn exit_of(error: &ImportError) -> Exit {
    match error {
        ImportError::Unreadable { .. } => Exit::NoFile,
        ImportError::NotOne { .. } => Exit::NotAFile,
        ImportError::EnrolledAlready { .. } | ImportError::ImportedAlready { .. } => Exit::EnrolledAlready,
        ImportError::Used { .. } => Exit::FileUsed,
        ImportError::Expired => Exit::FileExpired,
        ImportError::Foreign { .. } => Exit::FileForeign,
        ImportError::SecondMachine => Exit::SecondMachine,
        ImportError::Unreachable { .. } => Exit::Unreachable,
        ImportError::Refused { .. } | ImportError::Disk(_) => Exit::Failed,
    }
}

fn hostname() -> String {
    sysinfo::System::host_name().unwrap_or_else(|_| "unknown host".to_owned())
}
