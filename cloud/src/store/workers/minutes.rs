//! Roll-ups of a worker's values, one a minute.

use pictor_actors::ids::WorkerId;
use pictor_actors::units::UnixMillis;

use crate::store::sql::row;
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
        todo!()
    }

    /// Roll-ups of a worker with `from <= minute_at < to`, oldest first, at most 1,500 (a day and some).
    pub async fn worker_minutes(
        &self,
        worker: WorkerId,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<WorkerMinuteRow>> {
        todo!()
    }

    /// Removes roll-ups older than this, at most `limit`; returns how many.
    pub async fn drop_worker_minutes(&self, before: UnixMillis, limit: u32) -> Result<u64> {
        todo!()
    }
}
