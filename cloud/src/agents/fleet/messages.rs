//! What the fleet is asked and told.

use std::collections::BTreeMap;

use actix::{Message, MessageResponse};
use pictor_actors::ids::{AccountId, JobId, LeaseId, WorkerId};
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::{Cancel, Offer, WorkerActivity};
use pictor_actors::supervise::Door;
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::liveness::Connection;
use pictor_cloud_domain::placement::Absence;

use crate::agents::worker_live::WorkerLive;
use crate::agents::worker_node::WorkerNode;
use crate::store::{HeartbeatRow, WorkerMinuteRow, WorkerRow};

/// Which slots there are: those of workers that are connected and not paused, full ones too.
#[derive(Debug, Message)]
#[rtype(result = "Capacity")]
pub struct GetCapacity;

/// What there is to work with at this moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, MessageResponse)]
pub struct Capacity {
    /// Slots of workers that take work, by worker and number.
    pub slots: Vec<SlotCapacity>,
    /// One entry for each worker that is connected and takes none.
    pub absent: Vec<Absence>,
}

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
    /// Silence after which the lease is lost; nothing: not known yet.
    pub lost_after: Option<Millis>,
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

/// Those of these leases whose workers have shown that they live, which is not stored yet. `None`: signs of
/// life cannot be stored at present.
#[derive(Debug, Message)]
#[rtype(result = "Option<Vec<LeaseId>>")]
pub struct GetRenewals(pub Vec<LeaseId>);

/// The workers among these that have an actor, as they are now, in the order asked.
#[derive(Debug, Message)]
#[rtype(result = "Vec<WorkerLive>")]
pub struct GetLive(pub Vec<WorkerId>);

/// The same in short of all these, for counting them.
#[derive(Debug, Message)]
#[rtype(result = "BTreeMap<WorkerId, WorkerBrief>")]
pub struct GetBriefs(pub Vec<WorkerId>);

/// What a worker is at, in short.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerBrief {
    /// Whether it is there.
    pub connection: Connection,
    /// What it said it does; `None` while it is not connected or has not said.
    pub activity: Option<WorkerActivity>,
    /// Gets no tasks until then.
    pub rested_until: Option<UnixMillis>,
}

/// The worker's actor, started if there is none. `None`: the cloud stops.
#[derive(Debug, Message)]
#[rtype(result = "Option<Door<WorkerNode>>")]
pub struct NeedNode(pub Box<WorkerRow>);

/// A worker's actor shows how it fares.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct NodeReported(pub Box<NodeReport>);

/// How a worker fares.
#[derive(Debug)]
pub struct NodeReport {
    /// Whose it is.
    pub account: AccountId,
    /// For pages.
    pub live: WorkerLive,
    /// Slots that may have tasks now, full ones included; their `rested` is set when somebody asks.
    pub slots: Vec<SlotCapacity>,
    /// Why there is no slot, of a worker that is connected.
    pub absence: Option<Absence>,
    /// The last of the fleet's offers that is counted in `slots`.
    pub offers_seen: u64,
    /// A sign of life to store.
    pub heartbeat: Option<HeartbeatRow>,
    /// Leases to renew, with the silence after which each is lost.
    pub renew: Vec<(LeaseId, Millis)>,
    /// A minute that is over.
    pub minute: Option<WorkerMinuteRow>,
}

/// The worker's actor has ended and is built anew: what waited in its mailbox is lost.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct NodeBeginsAnew(pub WorkerId);

/// The worker was away for long, or was removed: its actor may go.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct NodeRetired(pub WorkerId);
