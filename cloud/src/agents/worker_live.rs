//! A worker as it is this moment, for pages and the API.
//!
//! Built by the worker's actor while there is one, else from its row. What is not known is `None`: an offline
//! worker keeps its last values, with the time of the last heartbeat beside them.

use pictor_actors::ids::{JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::protocol::{MetricSample, SlotFacts, WorkerActivity};
use pictor_actors::units::UnixMillis;
pub use pictor_cloud_domain::liveness::Connection;
use pictor_cloud_domain::liveness::{LivenessLimits, stored_connection};
use pictor_cloud_domain::worker::Rest;
pub use pictor_cloud_domain::worker::Standing;

use serde::{Deserialize, Serialize};

use super::fleet::WorkerBrief;
use super::job_live::InHand;
use crate::store::{WorkerRow, WorkerStanding};

/// A worker as it is this moment.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerLive {
    /// Which.
    pub worker: WorkerId,
    /// Whether it is there.
    pub connection: Connection,
    /// What it said it does; `None` while it is not connected or has not said.
    pub activity: Option<WorkerActivity>,
    /// Since when its connection has lasted; `None` unless it is online or stale.
    pub online_since: Option<UnixMillis>,
    /// Its last sign of life, by the cloud's clock.
    pub last_heartbeat_at: Option<UnixMillis>,
    /// One entry a slot, in the order of its numbers.
    pub slots: Vec<SlotLive>,
    /// Newest values, also of an offline worker.
    pub sample: Option<MetricSample>,
    /// Whether it may have work, as far as its record goes.
    pub standing: Standing,
}

/// What of it is kept in the worker's row, for the pages of other replicas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    activity: Option<WorkerActivity>,
    online_since: Option<UnixMillis>,
    slots: Vec<SlotLive>,
}

/// One slot of a worker, as the last heartbeat said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotLive {
    /// Number.
    pub slot: u16,
    /// GPU by PCI id; `None`: the CPU.
    pub gpu_pci_id: Option<String>,
    /// What it does; `None` while the worker is not connected.
    pub phase: Option<SlotPhase>,
    /// Lease in hand.
    pub lease: Option<LeaseId>,
    /// Its job.
    pub job: Option<JobId>,
    /// Its task.
    pub task: Option<TaskId>,
    /// Frame in hand.
    pub frame: Option<i32>,
    /// Part of that frame that is done, 0 to 1.
    pub frame_done: Option<f32>,
    /// Frames of the task that are rendered, in this attempt.
    pub frames_done: u32,
    /// Frames of the task, in this attempt.
    pub frames_total: Option<u32>,
}

impl SlotLive {
    /// Part of the task in hand that is done, 0 to 1; `None` where there is no task or its size is not known.
    #[must_use]
    pub fn progress(&self) -> Option<f64> {
        let total = self.frames_total.filter(|total| *total > 0)?;
        let in_hand = f64::from(self.frame_done.unwrap_or(0.0).clamp(0.0, 1.0));
        Some(((f64::from(self.frames_done) + in_hand) / f64::from(total)).clamp(0.0, 1.0))
    }
}

impl WorkerLive {
    /// A worker that has no actor here, from its row. Of one that is connected to another replica the row
    /// says what it did at its last heartbeat.
    #[must_use]
    pub fn of_row(row: &WorkerRow, limits: LivenessLimits, now: UnixMillis) -> Self {
        let kept = row.live.as_ref().filter(|_| row.link_id.is_some());
        let (connection, kept) = heard_of_row(kept, row.last_heartbeat_at, limits, now);
        let kept = kept.and_then(|live| Kept::deserialize(live).ok());
        let (activity, online_since, slots) = match kept {
            Some(kept) => (kept.activity, kept.online_since, Some(kept.slots)),
            None => (None, None, None),
        };
        Self {
            worker: row.id,
            connection,
            activity,
            online_since,
            last_heartbeat_at: row.last_heartbeat_at,
            slots: slots.unwrap_or_else(|| row.slots.iter().flatten().map(SlotLive::unseen).collect()),
            sample: row.sample.clone(),
            standing: standing_of(row),
        }
    }

    /// The frames of a job that its slots render.
    pub fn in_hand_of(&self, job: JobId) -> Vec<InHand> {
        let worker = self.worker;
        let of_job = self.slots.iter().filter(|slot| slot.job == Some(job));
        of_job
            .filter_map(|slot| {
                Some(InHand { task: slot.task?, worker, frame: slot.frame?, done: slot.frame_done })
            })
            .collect()
    }

    /// What its row keeps of it.
    #[must_use]
    pub fn to_row(&self) -> Option<serde_json::Value> {
        let Self { activity, online_since, slots, .. } = self.clone();
        serde_json::to_value(Kept { activity, online_since, slots }).ok()
    }
}

impl SlotLive {
    /// A slot of which nothing is heard.
    #[must_use]
    pub fn unseen(facts: &SlotFacts) -> Self {
        Self {
            slot: facts.slot,
            gpu_pci_id: facts.gpu_pci_id.clone(),
            phase: None,
            lease: None,
            job: None,
            task: None,
            frame: None,
            frame_done: None,
            frames_done: 0,
            frames_total: None,
        }
    }
}

impl WorkerBrief {
    /// The same of the few columns that counting reads.
    pub(super) fn of_row(row: &WorkerStanding, limits: LivenessLimits, now: UnixMillis) -> Self {
        #[derive(Deserialize)]
        struct Said {
            activity: Option<WorkerActivity>,
        }
        let (connection, kept) = heard_of_row(row.live.as_deref(), row.last_heartbeat_at, limits, now);
        let said = kept.and_then(|live| serde_json::from_str::<Said>(live).ok());
        let activity = said.and_then(|said| said.activity);
        Self { connection, activity, rested_until: row.rested_until }
    }
}

/// Whether a worker that has no actor here is there, and what counts still of what its row keeps of its last
/// heartbeat (nothing of one that is not connected).
fn heard_of_row<K>(
    kept: Option<K>,
    last_heartbeat_at: Option<UnixMillis>,
    limits: LivenessLimits,
    now: UnixMillis,
) -> (Connection, Option<K>) {
    let connection = match last_heartbeat_at.filter(|_| kept.is_some()) {
        Some(at) => limits.judge(at.until(now)),
        None => stored_connection(last_heartbeat_at, limits, now),
    };
    (connection, kept.filter(|_| connection != Connection::Offline))
}

/// The record as stored.
#[must_use]
pub fn standing_of(row: &WorkerRow) -> Standing {
    let rest =
        row.rested_until.map(|until| Rest { until, reason: row.rest_reason.clone().unwrap_or_default() });
    Standing { failures_in_row: row.failures_in_row, rest }
}
