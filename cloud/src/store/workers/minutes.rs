//! Roll-ups of a worker's values, one a minute.

use pictor_actors::ids::WorkerId;
use pictor_actors::units::UnixMillis;

use crate::store::sql::{args, row, table};
use crate::store::{Result, Store};

row! {
    /// One minute of a worker.
    pub struct WorkerMinuteRow {
        /// The worker.
        pub worker_id: WorkerId,
        /// Begin of the minute.
        pub minute_at: UnixMillis,
        /// The roll-up, as its writer shaped it.
        pub readings: serde_json::Value,
    }
}

impl Store {
    /// Keeps roll-ups; the same minute again replaces.
    pub async fn save_worker_minutes(&self, minutes: &[WorkerMinuteRow]) -> Result<()> {
        let minutes = minutes.to_vec();
        self.begin_write(move |session| {
            Box::pin(async move {
                for some in minutes.chunks(100) {
                    let text = format!(
                        "INSERT INTO worker_minutes (worker_id, minute_at, readings) VALUES {}
                         ON CONFLICT (worker_id, minute_at) DO UPDATE SET readings = excluded.readings",
                        table(some.len(), 3)
                    );
                    let values =
                        some.iter().flat_map(|m| args![m.worker_id, m.minute_at, m.readings]).collect();
                    session.run(text, values).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// The worker's roll-ups since then, oldest first.
    pub async fn worker_minutes(&self, worker: WorkerId, since: UnixMillis) -> Result<Vec<WorkerMinuteRow>> {
        let sql = "SELECT * FROM worker_minutes WHERE worker_id = $1 AND minute_at >= $2 ORDER BY minute_at";
        self.all(sql, args![worker, since]).await
    }

    /// Removes roll-ups older than this, at most `limit`; returns how many.
    pub async fn drop_worker_minutes(&self, before: UnixMillis, limit: u32) -> Result<u64> {
        self.write_one(
            "DELETE FROM worker_minutes WHERE (worker_id, minute_at) IN
                 (SELECT worker_id, minute_at FROM worker_minutes WHERE minute_at < $1 LIMIT $2)",
            args![before, limit],
        )
        .await
    }
}
