//! Jobs: what creators submit, and where each stands.

mod actions;
mod listing;
mod notes;

use pictor_actors::ids::{AccountId, JobId};
use pictor_actors::protocol::assignment::{RenderEngine, RenderSettings};
use pictor_actors::units::{BlobHash, Millis, UnixMillis};
use pictor_cloud_domain::job::JobState;

use super::sql::row;

pub(super) use listing::{held_job, locked_whole_job, move_job};
pub use notes::{FailureRow, JobWarningRow};

row! {
    /// A job.
    pub struct JobRow {
        /// The job.
        pub id: JobId,
        /// Whose.
        pub account_id: AccountId,
        /// For people.
        pub name: String,
        /// Where it stands.
        pub state: JobState,
        /// Why, in words, where there is something to say.
        pub reason: Option<String>,
        /// 0 (last) to 100 (first).
        pub priority: u8,
        /// The uploaded file.
        pub source_hash: BlobHash,
        /// Manifest of its inputs; nothing until they are unpacked.
        pub inputs_hash: Option<BlobHash>,
        /// Path of the scene that is opened.
        pub main: String,
        /// How to render.
        pub settings: RenderSettings,
        /// Engine it needs; nothing: unknown.
        pub engine: Option<RenderEngine>,
        /// Longest time for one frame.
        pub frame_time_limit_ms: u64,
        /// Frame expression.
        pub frames: String,
        /// Frames in all.
        pub frames_total: u32,
        /// Frames that are cut into tasks, from the first.
        pub frames_planned: u32,
        /// Frames stored.
        pub frames_done: u32,
        /// Frames of tasks that were given up, not counting stored ones.
        pub frames_failed: u32,
        /// Render time of the stored frames, all together.
        pub render_ms_total: u64,
        /// Frames a task; nothing: by time.
        pub chunk: Option<u32>,
        /// Submitted.
        pub created_at: UnixMillis,
        /// First attempt began.
        pub started_at: Option<UnixMillis>,
        /// Reached its end.
        pub ended_at: Option<UnixMillis>,
        /// Newest change.
        pub updated_at: UnixMillis,
        /// Rises with each change by a person or of state.
        pub version: i64,
    }
}

impl JobRow {
    /// What one of its frames took so far; nothing while none is stored.
    #[must_use]
    pub fn frame_mean(&self) -> Option<Millis> {
        self.render_ms_total.checked_div(u64::from(self.frames_done)).map(Millis)
    }
}

/// A job to make; its tasks are cut later.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJobRow {
    /// Its id.
    pub id: JobId,
    /// Whose.
    pub account_id: AccountId,
    /// For people.
    pub name: String,
    /// `Ready`, `Paused` or `Uploading`.
    pub state: JobState,
    /// 0 to 100.
    pub priority: u8,
    /// The uploaded file.
    pub source_hash: BlobHash,
    /// Manifest of its inputs.
    pub inputs_hash: Option<BlobHash>,
    /// Path of the scene that is opened.
    pub main: String,
    /// How to render.
    pub settings: RenderSettings,
    /// Engine it needs.
    pub engine: Option<RenderEngine>,
    /// Longest time for one frame.
    pub frame_time_limit_ms: u64,
    /// Frame expression.
    pub frames: String,
    /// Frames in all.
    pub frames_total: u32,
    /// Frames a task.
    pub chunk: Option<u32>,
}

/// What to change; nothing: leave it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobPatch {
    /// Priority.
    pub priority: Option<u8>,
    /// Name.
    pub name: Option<String>,
}
