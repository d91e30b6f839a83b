//! What the coordinator is told and asked.

use actix::prelude::Message;
use pictor_actors::protocol::{FromWorker, LeaseRef, MetricSample, ToWorker};
use pictor_worker_domain::outbox::Depth;
use pictor_worker_domain::presence::Span;

use crate::agents::runner::SlotReport;
use crate::control::WorkerStatus;

/// The cloud said something.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LinkHeard {
    /// On which socket.
    pub connection: u64,
    /// What.
    pub message: ToWorker,
}

/// A socket ended, or was never opened.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LinkLost {
    /// Which; nothing: whatever there was.
    pub connection: Option<u64>,
    /// In words.
    pub why: String,
}

/// A slot has something to tell the cloud.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RunnerSaid {
    /// Which slot.
    pub slot: u16,
    /// What.
    pub said: FromWorker,
}

/// A slot stands so now.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SlotChanged {
    /// Which slot.
    pub slot: u16,
    /// How.
    pub report: SlotReport,
}

/// The outbox stands so now.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct OutboxChanged {
    /// How much waits.
    pub depth: Depth,
    /// Frames of which leases.
    pub leases: Vec<LeaseRef>,
}

/// What an earlier run left in the spool is known: a hello can name it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SpoolKnown;

/// The last frame of a lease has left the spool.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LeaseEmptied(pub LeaseRef);

/// A sample was taken.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SampleTaken {
    /// The values.
    pub sample: MetricSample,
    /// Free bytes of the data folder's disk.
    pub disk_free_bytes: Option<u64>,
}

/// Programs that render were found, or are gone; [`crate::agents::Workplace::known`] has been changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SoftwareFound;

/// How does the worker stand?
#[derive(Debug, Message)]
#[rtype(result = "WorkerStatus")]
pub struct GetStatus;

/// The owner pauses at the machine.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PauseAsked(pub Span);

/// The owner resumes at the machine.
#[derive(Debug, Message)]
#[rtype(result = "ResumeAnswer")]
pub struct ResumeAsked;

/// What still keeps the worker from working after a resume.
#[derive(Debug, Clone, PartialEq, Eq, actix::MessageResponse)]
pub struct ResumeAnswer(pub Option<pictor_actors::protocol::Pause>);

/// The worker stops.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct StopAsked;

/// The nearest deadline may have come.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct DeadlineDue;
