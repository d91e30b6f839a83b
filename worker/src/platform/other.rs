//! Systems without process groups as Unix has them: only the process itself is ended (job objects come with
//! the worker app for Windows).

use tokio::process::Command;

use super::ProcessLimits;

/// The process itself; ended when its handle is dropped.
#[derive(Debug)]
pub struct ProcessGroup;

impl ProcessGroup {
    /// The group whose leader has this process id.
    #[must_use]
    pub fn new(_leader: u32) -> Self {
        Self
    }

    /// Does nothing: the handle of the process ends it.
    pub fn kill(&self) {}

    /// Does nothing.
    pub fn close(&self) {}
}

/// Sets nothing yet.
pub fn harden(_command: &mut Command, _limits: ProcessLimits) {}

/// Unknown.
#[must_use]
pub fn resident_bytes(_pid: u32) -> Option<u64> {
    None
}
