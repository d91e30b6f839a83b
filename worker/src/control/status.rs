//! The worker's status as `status --json` prints it: stable names, unknown values are `null`.

use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::protocol::{MetricSample, Pause, SearchPhase, Software, WorkerActivity};
use pictor_actors::units::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::agents::runner::TaskView;

/// A worker that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its id.
    pub worker: WorkerId,
    /// Its name.
    pub name: String,
    /// Version of the program.
    pub app_version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it runs.
    pub started_at: UnixMillis,
    /// What it does.
    pub activity: WorkerActivity,
    /// The pause that is in force.
    pub pause: Option<Pause>,
    /// The line to the cloud.
    pub cloud: CloudView,
    /// The owner's wallet address.
    pub wallet_address: Option<String>,
    /// Its slots.
    pub slots: Vec<SlotView>,
    /// Programs that render.
    pub software: Vec<Software>,
    /// Whether that is all: each program is started once per engine, which takes a while.
    pub software_search: SearchPhase,
    /// Why it has no GPU slot.
    pub no_gpu_because: Option<String>,
    /// Frames that wait for delivery.
    pub outbox: OutboxView,
    /// Free bytes of the data folder's disk.
    pub disk_free_bytes: Option<u64>,
    /// Newest values of the machine.
    pub sample: Option<MetricSample>,
}

/// The line to the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudView {
    /// Its address.
    pub address: String,
    /// How it stands.
    pub connection: Connection,
    /// Since when.
    pub since: UnixMillis,
    /// Why it is not connected, if it is not.
    pub because: Option<String>,
    /// This machine's clock is this far off; nothing: it is right enough.
    pub clock_off_ms: Option<u64>,
}

/// State of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// Connected.
    Connected,
    /// A connection is being made.
    Connecting,
    /// The cloud is away; it will be tried again.
    Away,
    /// The cloud refuses this worker for good.
    Refused,
}

/// One slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotView {
    /// Its number.
    pub slot: u16,
    /// Its GPU's PCI id; nothing: the CPU.
    pub gpu: Option<String>,
    /// Its owner lets it work.
    pub enabled: bool,
    /// What it does.
    pub phase: SlotPhase,
    /// Leases it holds.
    pub leases: usize,
    /// The task in hand.
    pub task: Option<TaskView>,
}

/// Frames that wait for delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxView {
    /// How many.
    pub frames: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, frames that the cloud refused.
    pub refused_frames: u32,
    /// Why it refused one of them.
    pub refused_because: Option<String>,
}
