//! Leases: one worker's right to try a task. At most one is live per task, held by a unique index; each change of
//! hands raises the task's fence.

use pictor_actors::ids::{JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::FailureClass;
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::lease::{LeaseState, Outcome};

use super::sql::row;
use super::{JobRow, Result, Store, TaskRow};

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
}

/// What became of a grant.
#[derive(Debug, Clone, PartialEq)]
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
    /// The lease stays live too: everything is rendered and frames are on their way.
    Stays,
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
    /// `Some(true)`: counts against the worker; `Some(false)`: its count of failures begins anew; `None`: neither.
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

impl Store {
    /// Grants leases in one transaction, each on its own condition. One outcome for each grant, in order.
    pub async fn grant_leases(&self, grants: &[Grant], now: UnixMillis) -> Result<Vec<GrantOutcome>> {
        todo!()
    }

    /// The lease.
    pub async fn lease(&self, id: LeaseId) -> Result<LeaseRow> {
        todo!()
    }

    /// Moves a live lease forward (accepted, running); a running one starts its task and job. `StaleFence` if it is
    /// not live under that fence. The same again, or a step back, changes nothing.
    pub async fn mark_lease(
        &self,
        lease: LeaseId,
        fence: u64,
        state: LeaseState,
        engine: Option<&str>,
        device: Option<&str>,
        now: UnixMillis,
    ) -> Result<LeaseRow> {
        todo!()
    }

    /// Ends an attempt. `StaleFence` if the lease is not live under that fence.
    pub async fn end_attempt(
        &self,
        lease: LeaseId,
        fence: u64,
        end: &AttemptEnd,
        now: UnixMillis,
    ) -> Result<EndedAttempt> {
        todo!()
    }

    /// Live leases of the worker, oldest first.
    pub async fn live_leases_of_worker(&self, worker: WorkerId) -> Result<Vec<LeaseRow>> {
        todo!()
    }

    /// Live leases of the job, oldest first.
    pub async fn live_leases_of_job(&self, job: JobId) -> Result<Vec<LeaseRow>> {
        todo!()
    }

    /// Live leases past their time, oldest first.
    pub async fn expired_leases(&self, now: UnixMillis, limit: u32) -> Result<Vec<LeaseRow>> {
        todo!()
    }

    /// Ends those of these leases that are live and puts their tasks back, with the fence raised; returns the ones it
    /// ended.
    pub async fn release_leases(
        &self,
        leases: &[LeaseId],
        outcome: Outcome,
        now: UnixMillis,
    ) -> Result<Vec<LeaseRow>> {
        todo!()
    }

    /// The task's leases, oldest first.
    pub async fn attempts_of(&self, task: TaskId) -> Result<Vec<LeaseRow>> {
        todo!()
    }
}
