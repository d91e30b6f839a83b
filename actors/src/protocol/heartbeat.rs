//! The sign of life and its answer.

use serde::{Deserialize, Serialize};

use super::assignment::LeaseRef;
use super::machine::MetricSample;
use crate::units::UnixMillis;

/// What a worker says at each interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Rises by one within a connection.
    pub seq: u64,
    /// What the worker as a whole does.
    pub activity: WorkerActivity,
    /// One entry a slot, in the order of [`super::Hello::slots`].
    pub slots: Vec<SlotStatus>,
    /// Leases held beyond the running ones: sent ahead, or with frames still to deliver.
    #[serde(default)]
    pub held: Vec<LeaseRef>,
    /// The newest values; absent until the first was taken.
    #[serde(default)]
    pub sample: Option<MetricSample>,
    /// Frames rendered and not yet delivered.
    pub outbox_frames: u32,
    /// Their bytes.
    pub outbox_bytes: u64,
    /// Free bytes where frames and inputs are kept.
    #[serde(default)]
    pub disk_free_bytes: Option<u64>,
}

/// The worker's activity (product.md, Words).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WorkerActivity {
    /// Ready, nothing to do.
    Idle,
    /// Loads inputs or starts an engine.
    Preparing,
    /// Renders.
    Working,
    /// Finishes what it has and takes nothing new.
    Finishing,
    /// Takes nothing, for this reason.
    Paused(Pause),
    /// Replaces its own program.
    Updating,
    /// Cannot work.
    Error {
        /// Why and what to do, in words.
        reason: String,
    },
}

/// A pause with its cause and end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why.
    pub reason: PauseReason,
    /// Resumes by itself then; nothing: only by hand.
    #[serde(default)]
    pub until: Option<UnixMillis>,
}

/// Why a worker is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PauseReason {
    /// The owner, at the machine.
    User,
    /// The owner, from the dashboard.
    Dashboard,
    /// The disk is nearly full.
    LowDisk,
    /// No Blender was found.
    NoBlender,
    /// Any other cause, in words.
    Other {
        /// The words.
        text: String,
    },
}

/// What one slot does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// The slot's number, as in [`super::SlotFacts`].
    pub slot: u16,
    /// Its phase.
    pub phase: SlotPhase,
    /// The lease it runs, if any.
    #[serde(default)]
    pub lease: Option<LeaseRef>,
    /// The frame it renders, if any.
    #[serde(default)]
    pub frame: Option<i32>,
    /// Part of that frame that is done, 0 to 1; nothing where the engine does not say.
    #[serde(default)]
    pub frame_done: Option<f32>,
    /// Frames of the lease that are rendered.
    #[serde(default)]
    pub frames_done: u32,
    /// Milliseconds since the slot last got further; tells *working* from *stuck*.
    #[serde(default)]
    pub progress_age_ms: Option<u64>,
}

/// Where a slot stands within an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotPhase {
    /// Nothing to do.
    Idle,
    /// Loads the lease's inputs.
    Fetching,
    /// Starts the engine or loads the scene.
    Loading,
    /// Renders.
    Rendering,
    /// Ends an attempt that was cancelled.
    Stopping,
}

/// The cloud's answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatAck {
    /// The heartbeat that is answered.
    pub seq: u64,
    /// Send the next one after this.
    pub next_after_ms: u64,
    /// Leases the worker named that are not its any more: stop them, drop their frames.
    #[serde(default)]
    pub cancel: Vec<LeaseRef>,
}
