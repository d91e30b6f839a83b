//! What replicas of the cloud tell each other: *look there*, and live events for open pages.
//!
//! Nothing depends on it. Every nudge is sent after what it tells of is in the database, and whoever does not
//! hear it finds out by looking, some seconds later. Not here: what a nudge leads to
//! ([`crate::agents::replicas`]).

mod local;
mod nats;

use std::sync::Arc;

use pictor_actors::ids::{AccountId, JobId, LeaseId, ReplicaId, WorkerId};
use pictor_actors::protocol::CancelReason;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

pub use local::Local;

use crate::config::BusConfig;

/// Nudges of others that wait to be handled; more are dropped.
const HEARD_MAX: usize = 8_192;

/// The way to the other replicas.
pub trait Bus: Send + Sync {
    /// Tells the others, soon and at best; never waits.
    fn tell(&self, nudge: Nudge);

    /// Whether they would hear it at this moment.
    fn is_up(&self) -> bool;
}

/// Something that others may want to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Nudge {
    /// Jobs have lost their owner.
    JobsFree,
    /// Rows of a job have changed.
    Job {
        /// Which.
        job: JobId,
        /// By a person, who waits to see it; else by the work at it, which goes on all the time.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_hand: bool,
    },
    /// Tasks may be ready.
    Wake,
    /// A worker's row has changed: paused, rested, removed, connected elsewhere.
    Worker {
        /// Which.
        worker: WorkerId,
    },
    /// A lease is to be stopped; the database says so already.
    Cancel {
        /// Whose.
        worker: WorkerId,
        /// Which.
        lease: LeaseId,
        /// Its fence.
        fence: u64,
        /// Why.
        reason: CancelReason,
    },
    /// A lease has ended and its worker knows.
    Ended {
        /// Whose.
        worker: WorkerId,
        /// Which.
        lease: LeaseId,
    },
    /// An event for open pages.
    Live {
        /// Whose worker or job it is.
        account: AccountId,
        /// What happened.
        event: LiveEvent,
    },
}

/// Something that happened. It says where to look, not what is there: losing one costs a moment of staleness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveEvent {
    /// A worker's state or values; at most once a second for each.
    WorkerChanged(WorkerId),
    /// Some of an account's workers have changed; at most once in two seconds. Each process makes it of
    /// [`Self::WorkerChanged`] for its own pages; it is never sent.
    #[serde(skip)]
    WorkersChanged(AccountId),
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

/// What the other replicas said.
pub type Heard = mpsc::Receiver<Nudge>;

/// Opens the bus that the settings name. Must be called inside a tokio runtime; a server that is not there is
/// waited for in the background.
///
/// # Errors
/// The address cannot be used.
pub async fn open(config: &BusConfig, replica: ReplicaId) -> Result<(Arc<dyn Bus>, Heard), BadAddress> {
    let (hear, heard) = mpsc::channel(HEARD_MAX);
    match &config.url {
        None => Ok((Arc::new(Local), heard)),
        Some(url) => Ok((Arc::new(nats::Nats::open(url.expose(), replica, hear).await?), heard)),
    }
}

/// An address that is no bus's.
#[derive(Debug, thiserror::Error)]
#[error("bus.url is not an address of a NATS server: {0}")]
pub struct BadAddress(String);
