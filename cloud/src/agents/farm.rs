//! The farm as the rest of the cloud sees it: one clonable handle, usable from any thread.
//!
//! It turns calls into messages to the actors and waits a bounded time for their answers. A call that gets none is
//! answered with [`Busy`] or with *not known*: the truth is in the database, and every caller can ask again.
#![allow(clippy::todo, clippy::unused_async)]

use pictor_actors::ids::{JobId, LinkId, WorkerId};
use pictor_actors::protocol::{FromWorker, Hello, MetricSample, Pause, Refusal, ToWorker, Welcome};
use tokio::sync::mpsc;

use super::broadcast::{EventId, Subscription, Topic};
use super::job_live::JobLive;
use super::worker_live::WorkerLive;

/// An actor's mailbox is full or it is being rebuilt: try again soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the farm is busy")]
pub struct Busy;

/// A socket whose worker has proven who it is.
#[derive(Debug)]
pub struct LinkOpened {
    /// Who.
    pub worker: WorkerId,
    /// What it said.
    pub hello: Hello,
    /// Where messages to it go. Dropped by the farm: the socket is to be closed. Full: the farm drops it.
    pub outbound: mpsc::Sender<ToWorker>,
}

/// The farm.
#[derive(Debug, Clone)]
pub struct Farm {}

impl Farm {
    /// A worker is there. `Ok`: send the welcome, then whatever comes out of the outbound channel.
    pub async fn link_opened(&self, _opened: LinkOpened) -> Result<Welcome, Refusal> {
        todo!()
    }

    /// A message of a welcomed worker. `Err`: too much at once; close the socket.
    pub fn link_said(&self, _worker: WorkerId, _link: LinkId, _said: FromWorker) -> Result<(), Busy> {
        todo!()
    }

    /// The socket is gone.
    pub fn link_closed(&self, _worker: WorkerId, _link: LinkId) {
        todo!()
    }

    /// These workers as they are now, in the order asked; from their rows where they were not here lately. Left out:
    /// those that do not exist.
    pub async fn workers_live(&self, _workers: Vec<WorkerId>) -> Vec<WorkerLive> {
        todo!()
    }

    /// Samples of the last 15 minutes, oldest first.
    pub async fn worker_samples(&self, _worker: WorkerId) -> Vec<MetricSample> {
        todo!()
    }

    /// The owner paused or resumed a worker, and it is stored: tells the worker.
    pub fn set_pause(&self, _worker: WorkerId, _pause: Option<Pause>) {
        todo!()
    }

    /// A worker was removed, and it is stored: its socket is closed for good.
    pub fn worker_removed(&self, _worker: WorkerId) {
        todo!()
    }

    /// A job's rows were written: its actor looks at them again.
    pub fn job_changed(&self, _job: JobId) {
        todo!()
    }

    /// What a live job does now; `None` for one that is not live.
    pub async fn job_live(&self, _job: JobId) -> Option<JobLive> {
        todo!()
    }

    /// Live events of a topic; with `after`, first those that were missed since that one (or `Resync`).
    pub async fn subscribe(&self, _topic: Topic, _after: Option<EventId>) -> Result<Subscription, Busy> {
        todo!()
    }
}
