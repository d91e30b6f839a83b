//! What counting an account's workers needs of each row, and no more: the rest of a row is long, and they may
//! be thousands.

use pictor_actors::ids::{AccountId, LinkId, ReplicaId, WorkerId};
use pictor_actors::protocol::Pause;
use pictor_actors::units::UnixMillis;

use crate::store::sql::{args, row};
use crate::store::{Result, Store};

row! {
    /// How a worker stands, as far as its row says.
    pub struct WorkerStanding {
        /// The worker.
        pub id: WorkerId,
        /// Its connection; nothing when it is not connected.
        pub link_id: Option<LinkId>,
        /// The replica that has its newest connection, where there may be several.
        pub replica_id: Option<ReplicaId>,
        /// Newest sign of life.
        pub last_heartbeat_at: Option<UnixMillis>,
        /// Pause set from the dashboard.
        pub pause: Option<Pause>,
        /// Gets no tasks until then.
        pub rested_until: Option<UnixMillis>,
        /// What it did at its last heartbeat, if it is connected to another replica.
        pub live: Option<String>,
    }
}

impl Store {
    /// All workers of the account, in no order.
    pub async fn worker_standings(&self, account: AccountId) -> Result<Vec<WorkerStanding>> {
        let sql = "SELECT id, link_id, replica_id, last_heartbeat_at, pause, rested_until,
                       CASE WHEN link_id IS NOT NULL AND replica_id IS DISTINCT FROM $2 THEN live END AS live
                   FROM workers WHERE account_id = $1 AND removed_at IS NULL";
        self.all(sql, args![account, self.replica]).await
    }
}
