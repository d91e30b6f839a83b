//! A worker as it is this moment, for pages and the API.
//!
//! Built by the worker's actor while there is one, else from its row. What is not known is `None`: an offline worker
//! keeps its last values, with the time of the last heartbeat beside them.

use pictor_actors::ids::{JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::protocol::{MetricSample, WorkerActivity};
use pictor_actors::units::UnixMillis;

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

/// Whether a worker is there (product.md, Words).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Connection {
    /// Not once so far.
    Never,
    /// Heartbeats come.
    Online,
    /// One or two are missing, or the socket is gone for a moment.
    Stale,
    /// Gone.
    Offline,
}

impl Connection {
    /// As API and pages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Online => "online",
            Self::Stale => "stale",
            Self::Offline => "offline",
        }
    }
}

/// One slot of a worker, as the last heartbeat said.
#[derive(Debug, Clone, PartialEq)]
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

/// A worker's record: three failures in a row and it is rested.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Failed attempts since the last one that went well.
    pub failures_in_row: u32,
    /// Gets nothing until then.
    pub rested_until: Option<UnixMillis>,
    /// Why, in words.
    pub reason: Option<String>,
}
