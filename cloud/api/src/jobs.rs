//! Jobs, tasks, frames.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /api/v1/jobs`; `null` means *as the file says* or the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewJob {
    /// BLAKE3 of a completed upload of this account.
    pub blake3: String,
    /// Name; the file's name unless said.
    pub name: Option<String>,
    /// Which `.blend` of a zip; needed where it holds several.
    pub main: Option<String>,
    /// Frame expression (`1-240`, `1-240x2`, `1,5,9-20`); the scene's own range unless said.
    pub frames: Option<String>,
    /// `PNG`, `JPEG`, `OPEN_EXR` or `OPEN_EXR_MULTILAYER`; PNG unless said.
    pub format: Option<String>,
    /// Scene by name.
    pub scene: Option<String>,
    /// Camera by name.
    pub camera: Option<String>,
    /// `cycles`, `eevee` or `workbench`.
    pub engine: Option<String>,
    /// Pixels wide; with `height`.
    pub width: Option<u32>,
    /// Pixels high; with `width`.
    pub height: Option<u32>,
    /// Samples a pixel.
    pub samples: Option<u32>,
    /// 0 (last) to 100 (first); 50 unless said.
    pub priority: Option<u8>,
    /// Frames a task; `null`: by time.
    pub chunk: Option<u32>,
    /// Longest time for one frame; 4 h unless said.
    pub frame_time_limit_ms: Option<u64>,
    /// Create it paused.
    #[serde(default)]
    pub paused: bool,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// The job.
    pub id: String,
    /// Name.
    pub name: String,
    /// `uploading`, `ready`, `running`, `completed`, `failed`, `cancelled` or `paused`.
    pub state: String,
    /// Why it is in that state, in words, where there is something to say.
    pub reason: Option<String>,
    /// 0 to 100.
    pub priority: u8,
    /// Frames in all.
    pub frames_total: u32,
    /// Frames stored.
    pub frames_done: u32,
    /// Frames of tasks that failed for good.
    pub frames_failed: u32,
    /// Frames that workers render at this moment; `null` where nobody knows, as after its end.
    pub frames_in_hand: Option<u32>,
    /// Part done, 0 to 1, with the frames in hand.
    pub progress: f64,
    /// Expected end, RFC 3339; `null` while unknown.
    pub eta: Option<String>,
    /// Mean render time of its frames; `null` while none is done.
    pub frame_mean_ms: Option<u64>,
    /// Settings in force.
    pub settings: JobSettings,
    /// Warnings of its tasks, each once.
    pub warnings: Vec<String>,
    /// Failures, grouped.
    pub failures: Vec<FailureGroup>,
    /// Why ready tasks wait, in words; empty when nothing waits.
    pub waiting: Vec<String>,
    /// RFC 3339.
    pub created_at: String,
    /// First attempt began.
    pub started_at: Option<String>,
    /// It reached its end.
    pub ended_at: Option<String>,
}

/// Settings of a job; `null`: as the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobSettings {
    /// Frame expression.
    pub frames: String,
    /// Scene opened.
    pub main: String,
    /// Output format.
    pub format: String,
    /// Scene by name.
    pub scene: Option<String>,
    /// Camera by name.
    pub camera: Option<String>,
    /// Engine.
    pub engine: Option<String>,
    /// Pixels wide.
    pub width: Option<u32>,
    /// Pixels high.
    pub height: Option<u32>,
    /// Samples a pixel.
    pub samples: Option<u32>,
    /// Frames a task; `null`: by time.
    pub chunk: Option<u32>,
    /// Longest time for one frame.
    pub frame_time_limit_ms: u64,
}

/// Failed attempts of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailureGroup {
    /// Class, as in the protocol (`no_camera`).
    pub class: String,
    /// The class in words.
    pub words: String,
    /// Message of the newest one.
    pub message: String,
    /// Attempts that failed so.
    pub attempts: u32,
    /// Frames of tasks that ended so.
    pub frames: u32,
}

/// `PATCH /api/v1/jobs/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobChange {
    /// New priority.
    pub priority: Option<u8>,
    /// New name.
    pub name: Option<String>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// The task.
    pub id: String,
    /// Its job.
    pub job: String,
    /// `pending`, `running`, `completed`, `failed`, `cancelled` or `paused`.
    pub state: String,
    /// Frame expression.
    pub frames: String,
    /// How many frames.
    pub frames_total: u32,
    /// Frames stored.
    pub frames_done: u32,
    /// Attempts so far.
    pub attempts: u32,
    /// Worker that has it now.
    pub worker: Option<String>,
    /// Class of the failure that ended it.
    pub failure: Option<String>,
    /// The failure in words.
    pub failure_message: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// First attempt began.
    pub started_at: Option<String>,
    /// It ended.
    pub ended_at: Option<String>,
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Frame {
    /// Frame number.
    pub frame: i32,
    /// `pending`, `running`, `stored` or `failed`.
    pub state: String,
    /// File name for downloads (`name_0001.png`).
    pub file_name: String,
    /// BLAKE3, once stored.
    pub blake3: Option<String>,
    /// Bytes, once stored.
    pub size: Option<u64>,
    /// Render time.
    pub render_ms: Option<u64>,
    /// Worker that rendered it.
    pub worker: Option<String>,
    /// RFC 3339, once stored.
    pub stored_at: Option<String>,
}

/// Lines of a job's log, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// RFC 3339.
    pub at: String,
    /// Task.
    pub task: String,
    /// Worker.
    pub worker: String,
    /// The line.
    pub text: String,
}
