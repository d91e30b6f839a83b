//! What a job's creator should know: warnings, failures, how long a frame takes and which came last. Asked
//! for a page of jobs at once, so that a long page costs as many statements as a short one.

use std::collections::BTreeMap;

use pictor_actors::ids::JobId;
use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::outcome::WarningClass;
use pictor_actors::units::UnixMillis;

use crate::store::sql::{FromRow, Value, args, list, row};
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
        /// The job.
        pub job_id: JobId,
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

row! {
    /// A number that belongs to a job.
    pub struct OfJob {
        /// The job.
        pub job_id: JobId,
        /// It; nothing where there is none.
        pub number: Option<i64>,
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

    /// The jobs' warnings, of each in the order they came.
    pub async fn job_warnings(&self, jobs: &[JobId]) -> Result<Vec<JobWarningRow>> {
        let sql = "SELECT * FROM job_warnings WHERE job_id IN $jobs ORDER BY job_id, at, class, text";
        self.of_jobs(sql, jobs).await
    }

    /// The jobs' failed attempts by class, of each most first.
    pub async fn job_failures(&self, jobs: &[JobId]) -> Result<Vec<FailureRow>> {
        let sql = "SELECT tried.job_id AS job_id, tried.failure_class AS class,
                    COALESCE(newest.failure_message, '') AS message,
                    tried.attempts AS attempts, COALESCE(lost.frames, 0) AS frames
             FROM (SELECT leases.job_id, leases.failure_class, COUNT(*) AS attempts, MAX(leases.id) AS newest
                   FROM leases JOIN tasks ON tasks.id = leases.task_id
                   WHERE leases.job_id IN $jobs AND leases.failure_class IS NOT NULL
                     AND leases.ended_at > COALESCE(tasks.retried_at, 0)
                   GROUP BY leases.job_id, leases.failure_class) tried
             JOIN leases newest ON newest.id = tried.newest
             LEFT JOIN (SELECT job_id, failure_class,
                               CAST(SUM(frames_total - frames_done) AS BIGINT) AS frames
                        FROM tasks WHERE job_id IN $jobs AND state = 'failed'
                        GROUP BY job_id, failure_class) lost
               ON lost.job_id = tried.job_id AND lost.failure_class = tried.failure_class
             ORDER BY tried.job_id, tried.attempts DESC, tried.failure_class";
        self.of_jobs(sql, jobs).await
    }

    /// The number of each job's frame that was stored last; without jobs that have none.
    pub async fn newest_frames(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, i32>> {
        let sql = "SELECT jobs.id AS job_id, (SELECT frame FROM frames WHERE frames.job_id = jobs.id
                       ORDER BY stored_at DESC, frame DESC LIMIT 1) AS number
                   FROM jobs WHERE jobs.id IN $jobs";
        let newest: Vec<OfJob> = self.of_jobs(sql, jobs).await?;
        Ok(newest.into_iter().filter_map(|one| Some((one.job_id, one.number?.try_into().ok()?))).collect())
    }

    /// Runs a statement in which `$jobs` stands for the list of them; none for no job.
    async fn of_jobs<T: FromRow>(&self, sql: &str, jobs: &[JobId]) -> Result<Vec<T>> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let values: Vec<Value> = jobs.iter().flat_map(|job| args![job]).collect();
        self.all(sql.replace("$jobs", &list(1, jobs.len())), values).await
    }
}
