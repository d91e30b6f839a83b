//! Lines that engines wrote, kept per attempt within a bound.

use pictor_actors::ids::{JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::units::UnixMillis;

use super::sql::row;
use super::{PageOf, PageRequest, Result, Store};

/// Lines kept of one attempt; the first ones are dropped, since the last ones say why it failed.
pub const LOG_LINES_PER_LEASE_MAX: u32 = 2_000;

row! {
    /// A line.
    pub struct LogRow {
        /// The attempt.
        pub lease_id: LeaseId,
        /// Rises by one within the attempt; the writer counts.
        pub seq: u64,
        /// The job.
        pub job_id: JobId,
        /// The task.
        pub task_id: TaskId,
        /// The worker.
        pub worker_id: WorkerId,
        /// When it came.
        pub at: UnixMillis,
        /// The line.
        pub text: String,
    }
}

impl Store {
    /// Keeps lines; the same (lease, seq) again changes nothing.
    pub async fn append_log(&self, lines: &[LogRow]) -> Result<()> {
        todo!()
    }

    /// The job's lines, oldest first.
    pub async fn log_of(&self, job: JobId, page: &PageRequest) -> Result<PageOf<LogRow>> {
        todo!()
    }
}
