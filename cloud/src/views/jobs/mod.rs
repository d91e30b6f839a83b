//! Pages about jobs.

pub mod details;
pub mod frames;
pub mod list;
pub mod log;
pub mod progress;
pub mod submit;

use pictor_cloud_api::jobs::Job;
use serde::Serialize;

/// What can be done to a job now.
#[derive(Debug, Clone, Serialize)]
pub struct JobActions {
    /// The job.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Can be paused.
    pub can_pause: bool,
    /// Can be resumed.
    pub can_resume: bool,
    /// Can be cancelled.
    pub can_cancel: bool,
    /// Has failed tasks to try again.
    pub can_retry: bool,
    /// Has frames to download.
    pub has_frames: bool,
    /// 0 to 100.
    pub priority: u8,
    /// The priority still matters.
    pub can_prioritise: bool,
}

impl JobActions {
    /// What the job's state allows.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        let is_live = matches!(job.state.as_str(), "uploading" | "ready" | "running" | "paused");
        Self {
            id: job.id.clone(),
            name: job.name.clone(),
            can_pause: matches!(job.state.as_str(), "ready" | "running"),
            can_resume: job.state == "paused",
            can_cancel: is_live,
            can_retry: job.state == "failed" || (is_live && job.frames_failed > 0),
            has_frames: job.frames_done > 0,
            priority: job.priority,
            can_prioritise: is_live,
        }
    }
}
