//! Lines that engines wrote, kept per attempt within a bound.

use std::collections::BTreeSet;

use pictor_actors::ids::{JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::units::UnixMillis;

use super::sql::{Value, args, row, table};
use super::{ConflictKind, PageOf, PageRequest, Result, Store, StoreError};

/// Lines kept of one attempt; the first ones are dropped, since the last ones say why it failed.
pub const LOG_LINES_PER_LEASE_MAX: u32 = 2_000;

/// Numbers have gaps, so lines are counted: what stands behind the newest ones goes.
const DROP_SURPLUS: &str = "DELETE FROM log_lines WHERE lease_id = $1 AND seq <=
    (SELECT seq FROM log_lines WHERE lease_id = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)";

row! {
    /// A line.
    pub struct LogRow {
        /// The attempt.
        pub lease_id: LeaseId,
        /// Rises within the attempt, with gaps where its writer began anew; the writer counts.
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
        let lines = lines.to_vec();
        self.begin_write(move |session| {
            Box::pin(async move {
                let leases: BTreeSet<_> = lines.iter().map(|line| line.lease_id).collect();
                for some in lines.chunks(100) {
                    let text = format!(
                        "INSERT INTO log_lines (lease_id, seq, job_id, task_id, worker_id, at, text) VALUES {}
                         ON CONFLICT (lease_id, seq) DO NOTHING",
                        table(some.len(), 7)
                    );
                    let values = some.iter().flat_map(values_of).collect();
                    session.run(text, values).await?;
                }
                for lease in leases {
                    session.run(DROP_SURPLUS, args![lease, LOG_LINES_PER_LEASE_MAX]).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// The job's lines, oldest first.
    pub async fn log_of(&self, job: JobId, page: &PageRequest) -> Result<PageOf<LogRow>> {
        let rows = page.rows();
        let mut values = args![job, rows + 1];
        let mut sql = String::from("SELECT * FROM log_lines WHERE job_id = $1");
        if let Some([at, lease, seq]) = page.keys::<3>("log")? {
            let number =
                |text: &str| text.parse::<i64>().map_err(|_| StoreError::Conflict(ConflictKind::BadCursor));
            sql.push_str(" AND (at, lease_id, seq) > ($3, $4, $5)");
            values.extend(args![number(&at)?, lease, number(&seq)?]);
        }
        sql.push_str(" ORDER BY at, lease_id, seq LIMIT $2");
        let found: Vec<LogRow> = self.all(sql, values).await?;
        Ok(PageOf::cut(found, rows, "log", |row| {
            [row.at.0.to_string(), row.lease_id.to_string(), row.seq.to_string()]
        }))
    }

    /// Removes lines of jobs that ended before then, at most `limit`; returns how many.
    pub async fn drop_old_logs(&self, ended_before: UnixMillis, limit: u32) -> Result<u64> {
        // In this order of tables, whatever a planner thinks of it: few jobs have ended so long ago and still
        // have lines.
        self.write_one(
            "DELETE FROM log_lines WHERE (lease_id, seq) IN
                 (SELECT log_lines.lease_id, log_lines.seq FROM jobs CROSS JOIN log_lines
                  WHERE log_lines.job_id = jobs.id AND jobs.ended_at < $1 LIMIT $2)",
            args![ended_before, limit],
        )
        .await
    }

    /// The job's last lines, oldest first.
    pub async fn log_tail(&self, job: JobId, lines: u32) -> Result<Vec<LogRow>> {
        let sql =
            "SELECT * FROM log_lines WHERE job_id = $1 ORDER BY at DESC, lease_id DESC, seq DESC LIMIT $2";
        let mut rows: Vec<LogRow> = self.all(sql, args![job, lines]).await?;
        rows.reverse();
        Ok(rows)
    }
}

fn values_of(line: &LogRow) -> Vec<Value> {
    args![line.lease_id, line.seq, line.job_id, line.task_id, line.worker_id, line.at, line.text]
}
