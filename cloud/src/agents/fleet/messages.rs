//! What the fleet is asked and told.

use actix::Message;
use pictor_actors::ids::{JobId, LeaseId, LinkId, WorkerId};
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::{Cancel, MetricSample, Offer, Pause};
use pictor_actors::units::UnixMillis;

use crate::agents::worker_live::WorkerLive;

/// Which slots could take a task now: those of workers that are connected and not paused.
#[derive(Debug, Message)]
#[rtype(result = "Vec<SlotCapacity>")]
pub struct GetCapacity;

/// A slot that could take a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotCapacity {
    /// Its worker.
    pub worker: WorkerId,
    /// Its number.
    pub slot: u16,
    /// Engines it can run.
    pub engines: Vec<RenderEngine>,
    /// Memory of its GPU; `None`: the CPU slot.
    pub gpu_memory: Option<u64>,
    /// Leases it has: 0 free, 1 busy and may get one ahead, 2 full.
    pub leases_held: u8,
    /// The job whose scene its engine has loaded.
    pub warm_job: Option<JobId>,
    /// Its worker is rested because of failures.
    pub rested: bool,
}

/// Leases that are stored and go out to their workers.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct OfferTasks(pub Vec<OfferTask>);

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferTask {
    /// Whose.
    pub worker: WorkerId,
    /// What it hears.
    pub offer: Offer,
}

/// A lease that has ended in the store: the worker is to stop it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CancelLease {
    /// Who has it.
    pub worker: WorkerId,
    /// What it hears.
    pub cancel: Cancel,
}

/// Leases that have ended in the store and that the workers know to be over: their slots are free.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LeasesEnded(pub Vec<(WorkerId, LeaseId)>);

/// The worker failed too often in a row: nothing for it until then. Already stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RestWorker {
    /// Which.
    pub worker: WorkerId,
    /// Until when.
    pub until: UnixMillis,
    /// Why, in words for its owner.
    pub reason: String,
}

/// The workers among these that have an actor, as they are now, in the order asked.
#[derive(Debug, Message)]
#[rtype(result = "Vec<WorkerLive>")]
pub struct GetLive(pub Vec<WorkerId>);

/// Samples of the last 15 minutes, oldest first; empty for a worker not seen since then.
#[derive(Debug, Message)]
#[rtype(result = "Vec<MetricSample>")]
pub struct GetSamples(pub WorkerId);

/// The owner paused or resumed the worker from the dashboard. Already stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PauseChanged {
    /// Which.
    pub worker: WorkerId,
    /// The pause, or nothing to resume.
    pub pause: Option<Pause>,
}

/// The worker was removed: its socket closes for good.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct WorkerRemoved(pub WorkerId);

/// The worker's socket is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LinkClosed {
    /// Whose.
    pub worker: WorkerId,
    /// Which connection; an older one than the present changes nothing.
    pub link: LinkId,
}
