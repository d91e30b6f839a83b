//! The life of a lease.
//!
//! ```text
//! offered ─► accepted ─► running ─► ended(completed | failed | stopped | expired | released | cancelled |
//!    └─► ended(declined | not answered)                not needed)
//! ```
//!
//! A running lease whose frames are all rendered stays live until they are delivered. A lease is a hint of
//! liveness, not proof: what protects the work is the fence.

use pictor_actors::units::UnixMillis;

use super::{LeaseState, Outcome};

/// A lease as far as its life goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The task's fence at the grant.
    pub fence: u64,
    /// Where it stands.
    pub state: LeaseState,
    /// How it ended; `Rendered` while it is live and frames are on their way.
    pub outcome: Option<Outcome>,
    /// Released then, unless renewed.
    pub expires_at: UnixMillis,
}

/// What happens to a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseEvent {
    /// The worker took it.
    Accepted,
    /// The worker did not take it.
    Declined,
    /// The offer went unanswered for too long.
    AnswerOverdue,
    /// The attempt began.
    Started,
    /// A heartbeat named it: it is good until then.
    Renewed {
        /// The new end.
        until: UnixMillis,
    },
    /// Its end may have come.
    DeadlineDue,
    /// Every frame is rendered.
    Rendered,
    /// The last frame is stored.
    LastFrameStored,
    /// The attempt failed.
    Failed,
    /// The worker stopped as it was asked to.
    Stopped,
    /// The worker left, or does not know of it.
    Released,
    /// The cloud takes it back.
    Recalled,
    /// Frames of another attempt, which came late, have completed the task.
    TaskCompleted,
}

impl LeaseEvent {
    /// The event that ends a lease so. (Rendered is no end: it stays live.)
    #[must_use]
    pub const fn of_end(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Rendered => Self::Rendered,
            Outcome::Completed => Self::LastFrameStored,
            Outcome::Failed => Self::Failed,
            Outcome::Stopped => Self::Stopped,
            Outcome::Declined => Self::Declined,
            Outcome::Expired => Self::DeadlineDue,
            Outcome::Released => Self::Released,
            Outcome::NotAnswered => Self::AnswerOverdue,
            Outcome::Cancelled => Self::Recalled,
            Outcome::NotNeeded => Self::TaskCompleted,
        }
    }
}

/// What must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseEffect {
    /// The task goes back to the queue; its fence rises unless the worker itself ended the lease.
    FreeTask,
    /// The failure is judged; that decides where the task goes.
    JudgeFailure,
    /// Tell the worker to stop.
    TellWorker,
    /// Its slot can take something new.
    FreeSlot,
}

/// Why an event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeaseRefusal {
    /// Said under another fence.
    #[error("fence {said} is not the lease's ({fence})")]
    StaleFence {
        /// Said.
        said: u64,
        /// The lease's.
        fence: u64,
    },
    /// It has ended.
    #[error("the lease has ended ({0})")]
    Ended(Outcome),
    /// Not possible in that state.
    #[error("a lease that is {state} cannot be {event:?}")]
    NotNow {
        /// The state.
        state: LeaseState,
        /// The event.
        event: LeaseEvent,
    },
}

/// What the event, said under `fence`, makes of the lease, and what must follow.
///
/// # Errors
/// A stale fence, an ended lease, or an event that is not possible in that state.
pub fn step(
    lease: &Lease,
    fence: u64,
    event: LeaseEvent,
    now: UnixMillis,
) -> Result<(Lease, Vec<LeaseEffect>), LeaseRefusal> {
    if fence != lease.fence {
        return Err(LeaseRefusal::StaleFence { said: fence, fence: lease.fence });
    }
    let not_now = LeaseRefusal::NotNow { state: lease.state, event };
    let is_offer = match lease.state {
        LeaseState::Ended => return Err(LeaseRefusal::Ended(lease.outcome.unwrap_or(Outcome::Released))),
        LeaseState::Offered => true,
        LeaseState::Accepted | LeaseState::Running => false,
    };
    let has_begun = lease.state == LeaseState::Running;
    Ok(match event {
        LeaseEvent::Accepted if is_offer => (Lease { state: LeaseState::Accepted, ..*lease }, Vec::new()),
        // Messages may be repeated after a short cut of the socket.
        LeaseEvent::Accepted => (*lease, Vec::new()),
        LeaseEvent::Declined if !has_begun => freed(lease, Outcome::Declined, false),
        LeaseEvent::AnswerOverdue if is_offer => freed(lease, Outcome::NotAnswered, true),
        LeaseEvent::Started => (Lease { state: LeaseState::Running, ..*lease }, Vec::new()),
        LeaseEvent::Renewed { until } => {
            (Lease { expires_at: lease.expires_at.max(until), ..*lease }, Vec::new())
        }
        LeaseEvent::DeadlineDue if now >= lease.expires_at => freed(lease, Outcome::Expired, true),
        LeaseEvent::DeadlineDue => (*lease, Vec::new()),
        LeaseEvent::Rendered if has_begun => {
            (Lease { outcome: Some(Outcome::Rendered), ..*lease }, vec![LeaseEffect::FreeSlot])
        }
        LeaseEvent::LastFrameStored => (ended(lease, Outcome::Completed), vec![LeaseEffect::FreeSlot]),
        LeaseEvent::Failed => {
            (ended(lease, Outcome::Failed), vec![LeaseEffect::JudgeFailure, LeaseEffect::FreeSlot])
        }
        LeaseEvent::Stopped => freed(lease, Outcome::Stopped, false),
        LeaseEvent::Released => freed(lease, Outcome::Released, false),
        LeaseEvent::Recalled => {
            (ended(lease, Outcome::Cancelled), vec![LeaseEffect::TellWorker, LeaseEffect::FreeSlot])
        }
        LeaseEvent::TaskCompleted => {
            (ended(lease, Outcome::NotNeeded), vec![LeaseEffect::TellWorker, LeaseEffect::FreeSlot])
        }
        LeaseEvent::Declined | LeaseEvent::AnswerOverdue | LeaseEvent::Rendered => return Err(not_now),
    })
}

const fn ended(lease: &Lease, outcome: Outcome) -> Lease {
    Lease { state: LeaseState::Ended, outcome: Some(outcome), ..*lease }
}

fn freed(lease: &Lease, outcome: Outcome, tell: bool) -> (Lease, Vec<LeaseEffect>) {
    let told = tell.then_some(LeaseEffect::TellWorker);
    (ended(lease, outcome), [LeaseEffect::FreeTask, LeaseEffect::FreeSlot].into_iter().chain(told).collect())
}

/// What holds for every lease at every moment; a broken rule in words.
///
/// # Errors
/// The first rule that is broken.
pub fn holds(lease: &Lease) -> Result<(), &'static str> {
    match (lease.state, lease.outcome) {
        (LeaseState::Ended, None) => Err("an ended lease says how it ended"),
        (LeaseState::Ended, Some(Outcome::Rendered)) => Err("rendered is no end: frames are on their way"),
        (LeaseState::Running, None | Some(Outcome::Rendered)) | (LeaseState::Ended, Some(_)) => Ok(()),
        (LeaseState::Offered | LeaseState::Accepted, None) => Ok(()),
        (LeaseState::Offered | LeaseState::Accepted | LeaseState::Running, Some(_)) => {
            Err("a live lease has no outcome but rendered")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::table;

    const OFFERED: Lease =
        Lease { fence: 3, state: LeaseState::Offered, outcome: None, expires_at: UnixMillis(100) };

    fn events() -> Vec<(&'static str, LeaseEvent)> {
        vec![
            ("accepted", LeaseEvent::Accepted),
            ("declined", LeaseEvent::Declined),
            ("answer overdue", LeaseEvent::AnswerOverdue),
            ("started", LeaseEvent::Started),
            ("renewed", LeaseEvent::Renewed { until: UnixMillis(200) }),
            ("deadline due", LeaseEvent::DeadlineDue),
            ("rendered", LeaseEvent::Rendered),
            ("last frame stored", LeaseEvent::LastFrameStored),
            ("failed", LeaseEvent::Failed),
            ("stopped", LeaseEvent::Stopped),
            ("released", LeaseEvent::Released),
            ("recalled", LeaseEvent::Recalled),
            ("task completed by another", LeaseEvent::TaskCompleted),
        ]
    }

    fn cell(lease: &Lease, fence: u64, event: LeaseEvent, now: UnixMillis) -> String {
        match step(lease, fence, event, now) {
            Ok((next, effects)) => {
                let outcome = next.outcome.map(|outcome| format!(" ({outcome})")).unwrap_or_default();
                format!("{}{outcome} until {} {effects:?}", next.state, next.expires_at.0)
            }
            Err(refusal) => format!("refused: {refusal}"),
        }
    }

    #[test]
    fn the_whole_table() {
        let running = Lease { state: LeaseState::Running, ..OFFERED };
        let states = [
            ("offered", (OFFERED, 3, 9)),
            ("accepted", (Lease { state: LeaseState::Accepted, ..OFFERED }, 3, 9)),
            ("running", (running, 3, 9)),
            ("running, past its time", (running, 3, 100)),
            ("running, all rendered", (Lease { outcome: Some(Outcome::Rendered), ..running }, 3, 9)),
            ("running, said under an older fence", (running, 2, 9)),
            ("ended", (Lease { state: LeaseState::Ended, outcome: Some(Outcome::Failed), ..running }, 3, 9)),
        ];
        insta::assert_snapshot!(table(&states, &events(), |(lease, fence, now), event| {
            cell(lease, *fence, *event, UnixMillis(*now))
        }));
    }

    proptest! {
        #[test]
        fn whatever_happens_the_rules_hold_and_an_end_is_final(
            steps in prop::collection::vec((0usize..13, 0i64..300, 2u64..4), 0..40),
        ) {
            let mut lease = OFFERED;
            for (index, now, fence) in steps {
                let before = lease;
                if let Ok((next, _)) = step(&lease, fence, events()[index].1, UnixMillis(now)) {
                    lease = next;
                }
                prop_assert_eq!(holds(&lease), Ok(()));
                prop_assert_eq!(lease.fence, before.fence);
                prop_assert!(before.state != LeaseState::Ended || lease == before);
                prop_assert!(lease.state >= before.state && lease.expires_at >= before.expires_at);
            }
        }
    }
}
