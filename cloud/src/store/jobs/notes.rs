//! What a job's creator should know: warnings and failures.

use pictor_actors::ids::JobId;
use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::outcome::WarningClass;
use pictor_actors::units::UnixMillis;

use crate::store::sql::{args, row};
use crate::store::{Result, Store};

row! {
    /// A warning, kept once.
    pub struct JobWarningRow {
        /// The job.
        pub job_id: JobId,
        /// What kind.
        pub class: WarningClass,
        /// In words.
        pub text: String,
        /// First seen.
        pub at: UnixMillis,
    }
}

row! {
    /// Failed attempts of one class.
    pub struct FailureRow {
        /// The class.
        pub class: FailureClass,
        /// Message of the newest.
        pub message: String,
        /// Attempts that failed so.
        pub attempts: u32,
        /// Frames not stored of tasks that were given up for it.
        pub frames: u32,
    }
}

impl Store {
    /// Keeps a warning, once; returns whether it is new. At most 100 a job are kept.
    pub async fn add_job_warning(
        &self,
        job: JobId,
        class: WarningClass,
        text: &str,
        now: UnixMillis,
    ) -> Result<bool> {
        let added = self
            .write_one(
                "INSERT INTO job_warnings (job_id, class, text, at)
                 SELECT id, $2, $3, $4 FROM jobs WHERE id = $1
                   AND (SELECT COUNT(*) FROM job_warnings WHERE job_id = $1) < 100
                 ON CONFLICT (job_id, class, text) DO NOTHING",
                args![job, class, text, now],
            )
            .await?;
        Ok(added == 1)
    }

    /// The job's warnings, in the order they came.
    pub async fn job_warnings(&self, job: JobId) -> Result<Vec<JobWarningRow>> {
        self.all("SELECT * FROM job_warnings WHERE job_id = $1 ORDER BY at, class, text", args![job]).await
    }

    /// The job's failed attempts by class, most first.
    pub async fn job_failures(&self, job: JobId) -> Result<Vec<FailureRow>> {
        self.all(
            "SELECT tried.failure_class AS class, COALESCE(newest.failure_message, '') AS message,
                    tried.attempts AS attempts, COALESCE(lost.frames, 0) AS frames
             FROM (SELECT leases.failure_class, COUNT(*) AS attempts, MAX(leases.id) AS newest
                   FROM leases JOIN tasks ON tasks.id = leases.task_id
                   WHERE leases.job_id = $1 AND leases.failure_class IS NOT NULL
                     AND leases.ended_at > COALESCE(tasks.retried_at, 0)
                   GROUP BY leases.failure_class) tried
             JOIN leases newest ON newest.id = tried.newest
             LEFT JOIN (SELECT failure_class, CAST(SUM(frames_total - frames_done) AS BIGINT) AS frames
                        FROM tasks WHERE job_id = $1 AND state = 'failed' GROUP BY failure_class) lost
               ON lost.failure_class = tried.failure_class
             ORDER BY tried.attempts DESC, tried.failure_class",
            args![job],
        )
        .await
    }
}
