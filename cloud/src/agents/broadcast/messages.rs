//! Live events, their topics, and how to hear them.

use actix::Message;
use pictor_actors::ids::{AccountId, JobId, WorkerId};

use super::subscription::{EventId, Subscription};
pub use crate::bus::LiveEvent;

/// What a listener wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// One worker.
    Worker(WorkerId),
    /// Every worker of an account.
    WorkersOf(AccountId),
    /// Those workers of an account whose rows one page shows; the hub numbers the pages.
    RowsOf(AccountId, u64),
    /// One job.
    Job(JobId),
    /// Every job of an account (without single frames and log lines).
    JobsOf(AccountId),
}

/// Tells everybody who listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Announce {
    /// Whose worker or job it is.
    pub account: AccountId,
    /// What happened.
    pub event: LiveEvent,
}

/// Begins to listen. `None`: there are too many listeners.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Option<Subscription>")]
pub struct Subscribe {
    /// To what.
    pub topic: Topic,
    /// Of an account's workers only these; empty: all.
    pub rows: Vec<WorkerId>,
    /// The last event heard before, to hear what was missed since.
    pub after: Option<EventId>,
}
