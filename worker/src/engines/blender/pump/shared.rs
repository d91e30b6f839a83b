//! What the owner's handle of a session and the pump of its process share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::engines::EngineFailure;
use crate::platform::ProcessGroup;

/// What session and pump share.
#[derive(Debug)]
pub struct Shared {
    /// The process and all it started.
    pub group: ProcessGroup,
    /// The owner ended it: its end is no failure.
    pub killed: AtomicBool,
    /// A frame is in hand.
    pub busy: AtomicBool,
    failure: OnceLock<EngineFailure>,
}

impl Shared {
    /// Of a process that was just started.
    pub const fn new(group: ProcessGroup) -> Self {
        Self { group, killed: AtomicBool::new(false), busy: AtomicBool::new(false), failure: OnceLock::new() }
    }

    /// Ends the process on its owner's behalf.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        self.group.kill();
    }

    /// Notes why the session is over, before anybody can meet its end.
    pub fn set_failure(&self, failure: EngineFailure) {
        let _ = self.failure.set(failure);
    }

    /// Why the session is over, if it failed.
    pub fn failure(&self) -> Option<EngineFailure> {
        self.failure.get().cloned()
    }
}
