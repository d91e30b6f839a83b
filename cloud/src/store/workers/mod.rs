//! Workers: machines of providers, how they are enrolled and whether they are connected.

mod enrolment_problems;
mod enrolments;
mod links;
mod minutes;
mod registry;
mod standings;

use pictor_actors::ids::{AccountId, LinkId, ReplicaId, WorkerId};
use pictor_actors::protocol::{MachineFacts, MetricSample, Pause, SlotFacts};
use pictor_actors::units::UnixMillis;

use super::sql::row;

pub use enrolment_problems::EnrolmentProblemRow;
pub use enrolments::EnrolError;
pub(super) use links::by_bearers;
pub use links::{HeartbeatRow, KnownWorker, OpenedLink};
pub use minutes::WorkerMinuteRow;
pub use registry::{NewWorkerRow, WorkerSort};
pub use standings::WorkerStanding;

row! {
    /// A worker.
    pub struct WorkerRow {
        /// The worker.
        pub id: WorkerId,
        /// Whose.
        pub account_id: AccountId,
        /// Unique within the account, among those not removed.
        pub name: String,
        /// Ed25519 public key, base64; nothing until it was enrolled.
        pub public_key: Option<String>,
        /// Host name it enrolled from.
        pub hostname: Option<String>,
        /// Facts of its newest connection.
        pub machine: Option<MachineFacts>,
        /// Slots of its newest connection.
        pub slots: Option<Vec<SlotFacts>>,
        /// Version of its program.
        pub app_version: Option<String>,
        /// Newest values.
        pub sample: Option<MetricSample>,
        /// Its connection; nothing when it is not connected.
        pub link_id: Option<LinkId>,
        /// Rises with each connection.
        pub link_number: i64,
        /// The replica that has its newest connection, where there may be several.
        pub replica_id: Option<ReplicaId>,
        /// What it did at its last heartbeat, as the writer shaped it; where there may be several replicas.
        pub live: Option<serde_json::Value>,
        /// Hash of the connection's bearer.
        pub bearer_hash: Option<String>,
        /// Newest connection began.
        pub connected_at: Option<UnixMillis>,
        /// Newest sign of life.
        pub last_heartbeat_at: Option<UnixMillis>,
        /// Newest connection ended.
        pub disconnected_at: Option<UnixMillis>,
        /// Pause set from the dashboard.
        pub pause: Option<Pause>,
        /// Failed attempts since its last good one.
        pub failures_in_row: u32,
        /// Gets no tasks until then.
        pub rested_until: Option<UnixMillis>,
        /// Why it is rested, in words.
        pub rest_reason: Option<String>,
        /// Made.
        pub created_at: UnixMillis,
        /// Newest change by a person or by a connection.
        pub updated_at: UnixMillis,
        /// Removed by its owner.
        pub removed_at: Option<UnixMillis>,
    }
}
