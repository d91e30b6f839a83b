//! Leases: one worker's right to try a task. At most one is live per task, held by a unique index; each
//! change of hands raises the task's fence.

mod functions;
mod grants;
mod marks;
mod transitions;

use pictor_actors::ids::{JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::FailureClass;
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::lease::{LeaseState, Outcome};

use super::sql::row;
use super::{JobRow, TaskRow};

pub(super) use marks::{Mark, mark_all};
pub(super) use transitions::{end_and_put_back, hold_tasks_of, live_of_job, live_of_worker, release};

row! {
    /// A lease, and the attempt under it.
    pub struct LeaseRow {
        /// The lease.
        pub id: LeaseId,
        /// Its task.
        pub task_id: TaskId,
        /// The task's job.
        pub job_id: JobId,
        /// Who holds it.
        pub worker_id: WorkerId,
        /// On which slot.
        pub slot: u16,
        /// The task's fence at the grant.
        pub fence: u64,
        /// Where it stands.
        pub state: LeaseState,
        /// How it ended; `Rendered` may stand while frames are still on their way.
        pub outcome: Option<Outcome>,
        /// Class of its failure.
        pub failure_class: Option<FailureClass>,
        /// In words.
        pub failure_message: Option<String>,
        /// Engine program and version.
        pub engine: Option<String>,
        /// Device it renders on.
        pub device: Option<String>,
        /// Granted.
        pub granted_at: UnixMillis,
        /// Released then, unless renewed.
        pub expires_at: UnixMillis,
        /// Silence of its worker after which it is lost; nothing: not known at the grant.
        pub lost_after_ms: Option<u64>,
        /// The attempt began.
        pub started_at: Option<UnixMillis>,
        /// It ended; nothing: live.
        pub ended_at: Option<UnixMillis>,
    }
}

/// A lease to grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub lease: LeaseId,
    /// The task.
    pub task: TaskId,
    /// To whom.
    pub worker: WorkerId,
    /// On which slot.
    pub slot: u16,
    /// The fence the task must still have.
    pub expected_fence: u64,
    /// Released then, unless renewed.
    pub expires_at: UnixMillis,
    /// Silence of its worker after which it is lost; nothing: not known yet.
    pub lost_after: Option<Millis>,
}

/// What became of a grant.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant)] // most are granted, and a turn's few hundred do not live long
pub enum GrantOutcome {
    /// The lease is stored; its fence is one above the expected one.
    Granted(LeaseRow),
    /// The task is no longer pending, has another fence, or its job or worker may not work now.
    Refused,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub class: FailureClass,
    /// In words.
    pub message: String,
}

/// Where the task goes when an attempt ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskGoes {
    /// Back to the queue, not before then (of a paused job: paused).
    Pending {
        /// Not handed out before.
        not_before: UnixMillis,
    },
    /// Given up.
    Failed {
        /// The class.
        class: FailureClass,
        /// In words.
        message: String,
    },
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// Where the task goes.
    pub task_goes: TaskGoes,
    /// `Some(true)`: counts against the worker; `Some(false)`: its count of failures begins anew; `None`:
    /// neither.
    pub worker_fault: Option<bool>,
}

/// What an end left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedAttempt {
    /// The task.
    pub task: TaskRow,
    /// Its job.
    pub job: JobRow,
    /// The lease.
    pub lease: LeaseRow,
    /// The worker's failures since its last good attempt.
    pub worker_failures_in_row: u32,
}

impl LeaseRow {
    /// The row of a live lease that has just been ended so.
    pub(super) fn ended(self, outcome: Outcome, now: UnixMillis) -> Self {
        Self { state: LeaseState::Ended, outcome: Some(outcome), ended_at: Some(now), ..self }
    }
}
