//! Live events, their topics, and how to hear them.

use actix::Message;
use pictor_actors::ids::{AccountId, JobId, WorkerId};

use super::subscription::{EventId, Subscription};

/// Something that happened. It says where to look, not what is there: losing one costs a moment of staleness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LiveEvent {
    /// A worker's state or values; at most once a second for each.
    WorkerChanged(WorkerId),
    /// A job's state or progress; at most once a second for each.
    JobChanged(JobId),
    /// A frame is stored.
    FrameStored {
        /// Of this job.
        job: JobId,
        /// Which.
        frame: i32,
    },
    /// New lines in a job's log; at most once a second for each.
    LogAppended {
        /// Which job.
        job: JobId,
    },
    /// Events were lost for this listener: load everything anew.
    Resync,
}

/// What a listener wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// One worker.
    Worker(WorkerId),
    /// Every worker of an account.
    WorkersOf(AccountId),
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
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<Subscription>")]
pub struct Subscribe {
    /// To what.
    pub topic: Topic,
    /// The last event heard before, to hear what was missed since.
    pub after: Option<EventId>,
}
