//! Tasks: the units handed to workers.

mod ready;

use pictor_actors::ids::{AccountId, JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::FailureClass;
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::task::TaskState;

use super::sql::{args, row};
use super::{PageOf, PageRequest, Result, Store};

pub use ready::ReadyTask;

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
        /// Its creator retried it by hand; failures before count no more.
        pub retried_at: Option<UnixMillis>,
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

row! {
    /// What a job's actor remembers of a task that has not ended.
    pub struct OpenTaskRow {
        /// The task.
        pub id: TaskId,
        /// How many frames.
        pub frames_total: u32,
    }
}

row! {
    /// What a job's actor remembers of a live lease.
    pub struct LiveLeaseRow {
        /// The lease.
        pub id: LeaseId,
        /// Its task.
        pub task_id: TaskId,
        /// Who holds it.
        pub worker_id: WorkerId,
        /// Its fence.
        pub fence: u64,
        /// Its attempt began.
        pub started_at: Option<UnixMillis>,
        /// `Rendered`: all is rendered, and on its way.
        pub outcome: Option<Outcome>,
    }
}

impl Store {
    /// The job's tasks, in order.
    pub async fn tasks_of(&self, job: JobId, page: &PageRequest) -> Result<PageOf<TaskRow>> {
        let rows = page.rows();
        let after = page.keys::<1>("tasks")?.map(|[id]| id).unwrap_or_default();
        let sql = "SELECT * FROM tasks WHERE job_id = $1 AND id > $2 ORDER BY id LIMIT $3";
        let found: Vec<TaskRow> = self.all(sql, args![job, after, rows + 1]).await?;
        Ok(PageOf::cut(found, rows, "tasks", |row| [row.id.to_string()]))
    }

    /// The task.
    pub async fn task(&self, id: TaskId) -> Result<TaskRow> {
        self.one("SELECT * FROM tasks WHERE id = $1", args![id]).await
    }

    /// The job's tasks that have not ended, and then its live leases; both in order. Asked often, so little
    /// of each, and not joined: while the tables are young PostgreSQL would read all leases there are.
    pub async fn open_work_of(&self, job: JobId) -> Result<(Vec<OpenTaskRow>, Vec<LiveLeaseRow>)> {
        let mut session = self.reader().await?;
        let sql = "SELECT id, frames_total FROM tasks WHERE job_id = $1 AND ended_at IS NULL ORDER BY id";
        let open = session.all(sql, args![job]).await?;
        let sql = "SELECT id, task_id, worker_id, fence, started_at, outcome FROM leases
                   WHERE job_id = $1 AND ended_at IS NULL ORDER BY id";
        Ok((open, session.all(sql, args![job]).await?))
    }

    /// The job's tasks that have not ended, in order.
    pub async fn open_tasks_of(&self, job: JobId) -> Result<Vec<TaskRow>> {
        self.all("SELECT * FROM tasks WHERE job_id = $1 AND ended_at IS NULL ORDER BY id", args![job]).await
    }
}
