//! What the cloud should learn though its line breaks: kept until the answer to a heartbeat that was sent
//! after it, and said again over the next line. A line may be dead for long before anybody notices, and what
//! was said into it is lost. The cloud takes a repetition for what it is.

use std::collections::VecDeque;

use pictor_actors::protocol::{FromWorker, LeaseRef};

/// A slot ends few attempts while nobody offers new ones; above it the oldest go.
const KEPT_MAX: usize = 256;

/// Words the cloud may not have heard, oldest first.
#[derive(Debug, Default)]
pub struct Unheard {
    kept: VecDeque<Kept>,
    /// Number of the newest heartbeat over the present line.
    beat: u64,
}

#[derive(Debug)]
struct Kept {
    message: FromWorker,
    /// Said over the present line, after this heartbeat.
    said_after: Option<u64>,
}

impl Unheard {
    /// Keeps it if it matters; `is_said`: it is on its way over the present line.
    pub fn keep(&mut self, message: &FromWorker, is_said: bool) {
        if !is_kept(message) {
            return;
        }
        if self.kept.len() >= KEPT_MAX {
            self.kept.pop_front();
        }
        let said_after = is_said.then_some(self.beat);
        self.kept.push_back(Kept { message: message.clone(), said_after });
    }

    /// This heartbeat goes out.
    pub fn beat(&mut self, seq: u64) {
        self.beat = seq;
    }

    /// The cloud has heard this heartbeat, and all that was said before it.
    pub fn acked(&mut self, seq: u64) {
        self.kept.retain(|kept| kept.said_after.is_none_or(|after| after >= seq));
    }

    /// What was said may have been lost on its way.
    pub fn line_lost(&mut self) {
        self.beat = 0;
        for kept in &mut self.kept {
            kept.said_after = None;
        }
    }

    /// All of it goes out over a new line.
    pub fn say_anew(&mut self) -> impl Iterator<Item = FromWorker> {
        for kept in &mut self.kept {
            kept.said_after = Some(self.beat);
        }
        self.kept.iter().map(|kept| kept.message.clone())
    }

    /// The cloud took the lease back: its end is no news.
    pub fn forget_end(&mut self, lease: LeaseRef) {
        self.kept.retain(|kept| end_of(&kept.message) != Some(lease));
    }

    /// Leases whose end is still to be said.
    pub fn unsaid_ends(&self) -> impl Iterator<Item = LeaseRef> {
        self.kept.iter().filter(|kept| kept.said_after.is_none()).filter_map(|kept| end_of(&kept.message))
    }
}

fn is_kept(message: &FromWorker) -> bool {
    match message {
        FromWorker::AttemptStarted(_) | FromWorker::Warning(_) | FromWorker::AttemptEnded(_) => true,
        FromWorker::Hello(_)
        | FromWorker::MachineChanged(_)
        | FromWorker::Heartbeat(_)
        | FromWorker::Accept(_)
        | FromWorker::Decline(_)
        | FromWorker::FrameProgress(_)
        | FromWorker::LogLines(_)
        | FromWorker::Goodbye { .. } => false,
    }
}

fn end_of(message: &FromWorker) -> Option<LeaseRef> {
    match message {
        FromWorker::AttemptEnded(ended) => Some(ended.lease),
        FromWorker::Hello(_)
        | FromWorker::MachineChanged(_)
        | FromWorker::Heartbeat(_)
        | FromWorker::Accept(_)
        | FromWorker::Decline(_)
        | FromWorker::AttemptStarted(_)
        | FromWorker::FrameProgress(_)
        | FromWorker::LogLines(_)
        | FromWorker::Warning(_)
        | FromWorker::Goodbye { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use pictor_actors::ids::LeaseId;
    use pictor_actors::protocol::{AttemptEnded, AttemptOutcome};

    use super::*;

    fn end(number: u128) -> FromWorker {
        let lease = LeaseRef { lease: LeaseId::from_u128(number), fence: 1 };
        FromWorker::AttemptEnded(AttemptEnded { lease, outcome: AttemptOutcome::Stopped })
    }

    #[test]
    fn only_a_heartbeat_sent_after_it_proves_that_it_was_heard() {
        let mut unheard = Unheard::default();
        unheard.beat(1);
        unheard.keep(&end(1), true);
        unheard.acked(1);
        unheard.beat(2);
        unheard.keep(&end(2), true);
        unheard.acked(2);
        assert_eq!(unheard.unsaid_ends().count(), 0, "both are on their way");
        unheard.line_lost();
        assert_eq!(unheard.unsaid_ends().count(), 1);
        assert_eq!(unheard.say_anew().collect::<Vec<_>>(), [end(2)]);
        unheard.beat(1);
        unheard.acked(1);
        unheard.line_lost();
        assert_eq!(unheard.say_anew().count(), 0);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut unheard = Unheard::default();
        (0..1_000).for_each(|number| unheard.keep(&end(number), number % 2 == 0));
        assert_eq!(unheard.say_anew().count(), KEPT_MAX);
        assert_eq!(unheard.say_anew().last(), Some(end(999)));
    }
}
