//! Tasks: the units handed to workers.

use pictor_actors::ids::{AccountId, JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::task::TaskState;

use super::sql::row;
use super::{PageOf, PageRequest, Result, Store};

row! {
    /// A task.
    pub struct TaskRow {
        /// The task.
        pub id: TaskId,
        /// Its job.
        pub job_id: JobId,
        /// The job's account.
        pub account_id: AccountId,
        /// Where it stands.
        pub state: TaskState,
        /// Frame expression.
        pub frames: String,
        /// How many frames.
        pub frames_total: u32,
        /// Frames stored.
        pub frames_done: u32,
        /// Rises whenever the right to work on it changes; an older one is refused.
        pub fence: u64,
        /// The live lease.
        pub lease_id: Option<LeaseId>,
        /// Attempts: grants, without those that ended before the worker began.
        pub attempts: u32,
        /// Not handed out before.
        pub not_before: UnixMillis,
        /// What gave it up, or failed its newest attempt.
        pub failure_class: Option<FailureClass>,
        /// In words.
        pub failure_message: Option<String>,
        /// Cut.
        pub created_at: UnixMillis,
        /// First attempt began.
        pub started_at: Option<UnixMillis>,
        /// Ended.
        pub ended_at: Option<UnixMillis>,
    }
}

/// A task to cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTaskRow {
    /// Its id; ids of one job must ascend in the order of frames.
    pub id: TaskId,
    /// Frame expression.
    pub frames: String,
    /// How many frames.
    pub frames_total: u32,
}

/// A task that could be handed out now, with what placement looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadyTask {
    /// The task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// The job's account.
    pub account: AccountId,
    /// The job's priority.
    pub priority: u8,
    /// The job's age.
    pub job_created_at: UnixMillis,
    /// Engine the job needs.
    pub engine: Option<RenderEngine>,
    /// Frames not stored yet, ascending; never empty.
    pub frames_left: Vec<i32>,
    /// To be expected by the grant.
    pub fence: u64,
    /// Attempts so far.
    pub attempts: u32,
    /// Workers on which an attempt of it failed, ascending.
    pub failed_on: Vec<WorkerId>,
    /// Live leases of the account, for fairness.
    pub running_of_account: u32,
}

impl Store {
    /// The job's tasks, in order.
    pub async fn tasks_of(&self, job: JobId, page: &PageRequest) -> Result<PageOf<TaskRow>> {
        todo!()
    }

    /// The task.
    pub async fn task(&self, id: TaskId) -> Result<TaskRow> {
        todo!()
    }

    /// The job's tasks that have not ended, in order.
    pub async fn open_tasks_of(&self, job: JobId) -> Result<Vec<TaskRow>> {
        todo!()
    }

    /// Tasks that could be handed out now: of ready and running jobs by priority and age, at most `per_job` of each
    /// job and `limit` in all.
    pub async fn ready_tasks(&self, now: UnixMillis, per_job: u32, limit: u32) -> Result<Vec<ReadyTask>> {
        todo!()
    }

    /// Tasks of which the worker has or had a lease, newest lease first.
    pub async fn worker_tasks(&self, worker: WorkerId, page: &PageRequest) -> Result<PageOf<TaskRow>> {
        todo!()
    }
}
