//! A process group that can be ended at once, by anybody, at any moment.

use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The group of one engine process. After [`ProcessGroup::close`] it is never signalled again, since the
/// system may give its number to a stranger.
#[derive(Debug)]
pub struct ProcessGroup {
    leader: Mutex<Option<Pid>>,
}

impl ProcessGroup {
    /// The group whose leader has this process id.
    #[must_use]
    pub fn new(leader: u32) -> Self {
        Self { leader: Mutex::new(i32::try_from(leader).ok().map(Pid::from_raw)) }
    }

    /// Ends every process of the group, at once.
    pub fn kill(&self) {
        let leader = self.leader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leader) = *leader {
            // The only likely error is that all are gone already.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }

    /// The leader was waited for: ends what is left of the group and forgets it.
    pub fn close(&self) {
        self.kill();
        *self.leader.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
