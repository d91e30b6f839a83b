//! What the jobs are told and asked.

use std::collections::BTreeMap;

use actix::Message;
use pictor_actors::ids::{JobId, TaskId, WorkerId};
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::{FromWorker, LeaseRef};
use serde::{Deserialize, Serialize};

use crate::agents::job_live::JobLive;
use crate::store::{FrameStoredRow, LeaseRow};

/// Rows of this job were written by hand (made, paused, resumed, cancelled, retried, changed): look at them
/// again.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct JobChanged(pub JobId);

/// Another replica changed rows of this job: look at them again, without a word to anybody. Nothing happens
/// where the job has no actor.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct JobLook {
    /// Which.
    pub job: JobId,
    /// At once: a person changed them, or the job has become this replica's.
    pub at_once: bool,
}

/// Jobs may have lost their owner, or this replica a job: look which ones are its own.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct LookForJobs;

/// The slots of this replica's own workers, as the dispatcher last saw them.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "SlotsSeen")]
pub struct GetSlotsSeen;

/// A worker said something about an attempt; its actor has checked that the lease is its own.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct AttemptSaid {
    /// The lease's job.
    pub job: JobId,
    /// Its task.
    pub task: TaskId,
    /// Who said it.
    pub worker: WorkerId,
    /// Under which lease.
    pub lease: LeaseRef,
    /// One of accept, decline, attempt started, frame progress, log lines, warning, attempt ended.
    pub said: FromWorker,
}

/// A frame was stored.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct FrameStored(pub FrameStoredRow);

/// What the live ones of these jobs do now.
#[derive(Debug, Clone, Message)]
#[rtype(result = "BTreeMap<JobId, JobLive>")]
pub struct GetJobsLive(pub Vec<JobId>);

/// What a job does now, asked of its actor.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "JobLive")]
pub(super) struct GetLive;

/// Leases were stored and offered.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LeasesGranted(pub Vec<LeaseRow>);

/// Leases were released in the store (expired, given back, no longer known to their worker): their tasks are
/// pending again. For whoever calls `Store::release_leases`.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LeasesReleased(pub Vec<LeaseRow>);

/// Why tasks of these jobs wait, in words; a job that is not named does not wait.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct JobsWait(pub BTreeMap<JobId, Vec<String>>);

/// A job has ended and its actor may go.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct JobEnded(pub JobId);

/// How many slots there are, busy or not, of workers that may work: so many tasks of a job can run at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
#[rtype(result = "()")]
pub struct SlotsSeen {
    /// With any real engine.
    pub any: u32,
    /// With Cycles.
    pub cycles: u32,
    /// With EEVEE.
    pub eevee: u32,
    /// With Workbench.
    pub workbench: u32,
    /// Of simulated workers.
    pub simulated: u32,
}

impl SlotsSeen {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            any: self.any.saturating_add(other.any),
            cycles: self.cycles.saturating_add(other.cycles),
            eevee: self.eevee.saturating_add(other.eevee),
            workbench: self.workbench.saturating_add(other.workbench),
            simulated: self.simulated.saturating_add(other.simulated),
        }
    }

    /// Slots for a job that needs this engine.
    #[must_use]
    pub const fn able(self, engine: Option<RenderEngine>) -> u32 {
        match engine {
            None => self.any,
            Some(RenderEngine::Cycles) => self.cycles,
            Some(RenderEngine::Eevee) => self.eevee,
            Some(RenderEngine::Workbench) => self.workbench,
            Some(RenderEngine::Simulated) => self.simulated,
        }
    }
}
