//! Leases: offer, answer, cancel; and what a task is.

use serde::{Deserialize, Serialize};

use crate::ids::{JobId, LeaseId, TaskId};
use crate::units::BlobHash;

/// A lease with the fence under which it was granted. Everything a worker says about a task carries both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeaseRef {
    /// The lease.
    pub lease: LeaseId,
    /// The task's fence at the grant; it rises with each grant of the task, and an older one is refused.
    pub fence: u64,
}

/// A task offered under a lease that is already stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// The lease.
    #[serde(flatten)]
    pub lease: LeaseRef,
    /// The slot it is meant for.
    pub slot: u16,
    /// Sent ahead: load the inputs, start when the slot is free.
    #[serde(default)]
    pub ahead: bool,
    /// What to do.
    pub task: TaskSpec,
}

/// What to render, complete: a worker needs nothing else but the inputs' bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// The task.
    pub task: TaskId,
    /// Its job: one living engine process serves a (slot, job).
    pub job: JobId,
    /// The job's name, for people.
    pub job_name: String,
    /// Which try of the task this is, from 1.
    pub attempt: u32,
    /// Frames still to render, ascending, at most [`crate::limits::FRAMES_PER_TASK_MAX`].
    pub frames: Vec<i32>,
    /// Where the job's files are listed: `GET /api/v1/jobs/{job}/inputs` with the worker's bearer gives
    /// [`InputManifest`]; its BLAKE3 is this, so a cached one is known to be the same.
    pub inputs: BlobHash,
    /// How to render.
    pub render: RenderSettings,
    /// Limits the engine runs under.
    pub limits: TaskLimits,
}

/// The files of a job and which of them is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputManifest {
    /// Path of the scene to open, one of `files`.
    pub main: String,
    /// All files, ascending by path.
    pub files: Vec<InputFile>,
}

/// One input file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Relative path with `/`, no `..`, no leading `/`.
    pub path: String,
    /// Its bytes.
    pub hash: BlobHash,
    /// Their number.
    pub size: u64,
}

/// How to render; `None` means *as the file says*.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderSettings {
    /// File format of the frames.
    pub format: OutputFormat,
    /// Scene by name.
    #[serde(default)]
    pub scene: Option<String>,
    /// Camera object by name.
    #[serde(default)]
    pub camera: Option<String>,
    /// Engine.
    #[serde(default)]
    pub engine: Option<RenderEngine>,
    /// Pixels wide and high, at 100 %.
    #[serde(default)]
    pub resolution: Option<(u32, u32)>,
    /// Samples a pixel.
    #[serde(default)]
    pub samples: Option<u32>,
}

/// File formats of frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutputFormat {
    /// 8- or 16-bit PNG, as the file says.
    #[default]
    Png,
    /// JPEG.
    Jpeg,
    /// OpenEXR, one image.
    OpenExr,
    /// OpenEXR with every pass of every view layer.
    OpenExrMultilayer,
}

impl OutputFormat {
    /// Ending of the frames' file names, without a dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::OpenExr | Self::OpenExrMultilayer => "exr",
        }
    }

    /// Media type of the frames.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::OpenExr | Self::OpenExrMultilayer => "image/x-exr",
        }
    }
}

/// What renders: Blender's engines, and the stand-in of simulated farms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenderEngine {
    /// Path tracer, GPU or CPU.
    Cycles,
    /// Rasteriser; needs a graphics context.
    Eevee,
    /// The viewport's solid look; needs a graphics context.
    Workbench,
    /// Nothing real: made-up pictures by simulated workers, which offer this and nothing else. Only a job
    /// that asks for it by name gets there, and only where the cloud allows simulation.
    Simulated,
}

/// Bounds the engine runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLimits {
    /// One frame may take this long.
    pub frame_time_ms: u64,
    /// Address space or resident memory of the engine; nothing: what the machine has.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
}

/// The offer was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    /// The lease given back.
    #[serde(flatten)]
    pub lease: LeaseRef,
    /// Why.
    pub reason: DeclineReason,
}

/// Why an offer was not taken; none of these counts as a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DeclineReason {
    /// The slot runs and has one ahead already.
    SlotBusy,
    /// The worker is paused or finishing.
    NotAccepting,
    /// Not enough disk for the inputs or for more frames.
    DiskFull,
    /// No such slot, or it cannot run this engine.
    CannotRun {
        /// What is missing, in words.
        text: String,
    },
}

/// The cloud takes a lease back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// The lease to stop.
    #[serde(flatten)]
    pub lease: LeaseRef,
    /// Why.
    pub reason: CancelReason,
}

/// Why the cloud takes a lease back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The creator cancelled the job.
    JobCancelled,
    /// The creator paused the job: a lease that runs may finish its frame in hand, then stops.
    JobPaused,
    /// The lease was superseded or has ended.
    Superseded,
    /// The offer was not answered in time.
    NotAnswered,
}
