//! The end of a process: what it still said is read before its end is judged.
//!
//! A reason that lies in a pipe must count however slow the reader is and whoever else holds the pipe. So
//! nothing here depends on a time within which something is read: once the process and its group are dead,
//! all it said is in the pipes, and each is read to its end. Only a child that left the group can keep a pipe
//! open beyond that; then the end is a silence.

use std::process::ExitStatus;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pictor_worker_domain::progress::verdict::{Ending, verdict_of_ending};
use tokio::time::{sleep, timeout};

use super::{End, LEAVES_WITHIN, Pump};
use crate::engines::EngineFailure;

/// After so long a silence nothing more is in the pipes of a dead process.
const SILENCE: Duration = Duration::from_secs(1);
/// More lines than two full pipes hold, so only a child that left the group can say more.
const LAST_LINES_MAX: u32 = 300_000;

impl Pump {
    /// Ends the process if it still lives, reads its last words, and decides what its end means.
    pub(super) async fn bury(&mut self, end: End) -> Option<EngineFailure> {
        let mut status = None;
        let failed = match end {
            End::Unwanted => None,
            End::Failed(failure) => Some(failure),
            End::Gone(known) => {
                status = known;
                if status.is_none() {
                    status = timeout(LEAVES_WITHIN, self.child.wait()).await.ok().and_then(Result::ok);
                }
                // What it started must not keep its pipes open.
                self.shared.group.kill();
                let said = self.last_words().await;
                said.or_else(|| Some(self.of_status(status)))
            }
        };
        self.shared.group.kill();
        if status.is_none() {
            // A killed process always ends; one that hangs in the kernel must not hold the slot for ever.
            let _ = timeout(LEAVES_WITHIN, self.child.wait()).await;
        }
        self.shared.group.close();
        failed.filter(|_| !self.shared.killed.load(Ordering::SeqCst))
    }

    async fn last_words(&mut self) -> Option<EngineFailure> {
        let (mut answered, mut printed) = (None, None);
        for _ in 0..LAST_LINES_MAX {
            if !self.stdout_open && !self.stderr_open {
                break;
            }
            tokio::select! {
                biased;
                line = self.stdout.next(), if self.stdout_open => match line {
                    Some(line) => answered = answered.or(self.listener.hear_answer(&line).await),
                    None => self.stdout_open = false,
                },
                line = self.stderr.next(), if self.stderr_open => match line {
                    Some(line) => printed = printed.or(self.listener.hear_output(&line).await),
                    None => self.stderr_open = false,
                },
                () = sleep(SILENCE) => break,
            }
        }
        // What the driver itself says is the better reason.
        answered.or(printed)
    }

    fn of_status(&self, status: Option<ExitStatus>) -> EngineFailure {
        let (class, text) = verdict_of_ending(ending_of(status), self.listener.seen());
        self.listener.failure(class, text)
    }
}

fn ending_of(status: Option<ExitStatus>) -> Ending {
    let Some(status) = status else { return Ending::Unknown };
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Ending::Signal(signal);
    }
    status.code().map_or(Ending::Unknown, Ending::Code)
}
