//! What a worker reports about an attempt.

use serde::{Deserialize, Serialize};

use super::assignment::LeaseRef;

/// The engine starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStarted {
    /// The lease.
    #[serde(flatten)]
    pub lease: LeaseRef,
    /// The slot it runs on.
    pub slot: u16,
    /// Engine program and version ("Blender 3.4.1").
    pub engine: String,
    /// Device it renders on, in words ("CPU, 2 threads", "NVIDIA GeForce RTX 4090").
    pub device: String,
}

/// Where a frame stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameProgress {
    /// The lease.
    #[serde(flatten)]
    pub lease: LeaseRef,
    /// The frame.
    pub frame: i32,
    /// Its state.
    pub state: FrameState,
}

/// State of a frame on the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FrameState {
    /// Render began.
    Started,
    /// Underway.
    Rendering {
        /// Part done, 0 to 1; nothing where the engine does not say.
        #[serde(default)]
        done: Option<f32>,
        /// Sample and samples, where the engine says.
        #[serde(default)]
        samples: Option<(u32, u32)>,
        /// What the engine does, in its words.
        #[serde(default)]
        text: Option<String>,
    },
    /// Rendered and in the spool.
    Rendered {
        /// Wall time of this frame.
        render_ms: u64,
        /// Peak memory, where the engine says.
        #[serde(default)]
        memory_peak_bytes: Option<u64>,
    },
}

/// Lines of the engine's output, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLines {
    /// The lease.
    #[serde(flatten)]
    pub lease: LeaseRef,
    /// At most [`crate::limits::LOG_LINES_PER_MESSAGE_MAX`] of at most [`crate::limits::LOG_LINE_CHARS_MAX`].
    pub lines: Vec<String>,
    /// Lines left out before these because they came too fast.
    #[serde(default)]
    pub dropped: u32,
}

/// Something that did not stop the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskWarning {
    /// The lease.
    #[serde(flatten)]
    pub lease: LeaseRef,
    /// What kind.
    pub class: WarningClass,
    /// In words for the creator ("texture //textures/wood.png is missing; it renders pink").
    pub text: String,
}

/// Kinds of warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningClass {
    /// An image, library, font or cache file is not there.
    MissingFile,
    /// Rendered on the CPU because no GPU could be used.
    CpuFallback,
    /// A setting of the file could not be kept (a denoiser that this Blender lacks).
    SettingChanged,
}

/// The attempt is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEnded {
    /// The lease.
    #[serde(flatten)]
    pub lease: LeaseRef,
    /// How.
    pub outcome: AttemptOutcome,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// All frames were rendered (the task is complete when they are delivered).
    Rendered,
    /// It failed; frames rendered before are kept.
    Failed {
        /// The class.
        class: FailureClass,
        /// What happened, why and what to do, in words.
        message: String,
        /// The frame in hand, if any.
        #[serde(default)]
        frame: Option<i32>,
    },
    /// Stopped because the cloud or the owner wished it.
    Stopped,
}

/// Classes of failures, in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The scene needs Python scripts or drivers that are not allowed.
    NeedsScripts,
    /// A file without which nothing can be rendered is not there.
    MissingFile,
    /// The scene has no camera.
    NoCamera,
    /// The engine is not available on this worker.
    EngineNotAvailable,
    /// The machine's memory ran out.
    OutOfMemory,
    /// The GPU's memory ran out.
    OutOfGpuMemory,
    /// Blender crashed.
    Crash,
    /// The frame took longer than allowed.
    TimeLimit,
    /// Blender ended well and wrote no file.
    NoOutputWritten,
    /// The worker's disk is full.
    DiskFull,
    /// The scene cannot be opened or its settings name what is not in it (scene, camera).
    BadScene,
    /// Inputs could not be fetched.
    InputsUnavailable,
    /// Anything else on the worker's side.
    WorkerError,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 13] = [
        Self::NeedsScripts,
        Self::MissingFile,
        Self::NoCamera,
        Self::EngineNotAvailable,
        Self::OutOfMemory,
        Self::OutOfGpuMemory,
        Self::Crash,
        Self::TimeLimit,
        Self::NoOutputWritten,
        Self::DiskFull,
        Self::BadScene,
        Self::InputsUnavailable,
        Self::WorkerError,
    ];

    /// The class in words, as pages, API and command line show it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NeedsScripts => "needs scripts",
            Self::MissingFile => "missing file",
            Self::NoCamera => "no camera",
            Self::EngineNotAvailable => "engine not available",
            Self::OutOfMemory => "out of memory",
            Self::OutOfGpuMemory => "out of GPU memory",
            Self::Crash => "Blender crashed",
            Self::TimeLimit => "time limit",
            Self::NoOutputWritten => "no output written",
            Self::DiskFull => "disk full",
            Self::BadScene => "bad scene",
            Self::InputsUnavailable => "inputs unavailable",
            Self::WorkerError => "worker error",
        }
    }
}
