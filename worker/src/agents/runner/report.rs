//! How a slot stands: what the coordinator puts into heartbeats and the status shows.

use pictor_actors::ids::{JobId, TaskId};
use pictor_actors::now::Now;
use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::protocol::{LeaseRef, SlotStatus};
use pictor_actors::units::{Millis, UnixMillis};
use serde::{Deserialize, Serialize};

/// A slot at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotReport {
    /// For the heartbeat; its `progress_age_ms` is filled in when it is sent.
    pub status: SlotStatus,
    /// When the slot last got further.
    pub progress_at: Now,
    /// Every lease it holds, the one in hand first.
    pub held: Vec<LeaseRef>,
    /// What it works on, for people.
    pub task: Option<TaskView>,
    /// It takes nothing any more and has no engine.
    pub is_closed: bool,
}

/// A task in hand, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// The job.
    pub job: JobId,
    /// Its name.
    pub job_name: String,
    /// The task.
    pub task: TaskId,
    /// Frames of the task.
    pub frames_total: u32,
    /// Frames of it that are rendered.
    pub frames_done: u32,
    /// The frame that is being rendered.
    pub frame: Option<i32>,
    /// Part of that frame that is done, 0 to 1.
    pub frame_done: Option<f32>,
    /// When the task will be done, judged by its frames so far; nothing before the first.
    pub done_at: Option<UnixMillis>,
    /// Program that renders, once it has started.
    pub engine: Option<String>,
    /// On what.
    pub device: Option<String>,
}

/// What is known of the frames of the lease in hand.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    /// Sum of the render times of its frames.
    rendered_ms: u64,
    frames: u32,
    frame_begun_at: Option<UnixMillis>,
    /// Part of the frame in hand.
    pub frame_done: Option<f32>,
}

impl Pace {
    pub(super) fn begun(&mut self, now: UnixMillis) {
        self.frame_begun_at = Some(now);
        self.frame_done = None;
    }

    pub(super) fn rendered(&mut self, render_ms: u64) {
        self.rendered_ms += render_ms;
        self.frames += 1;
        self.frame_begun_at = None;
        self.frame_done = None;
    }

    /// When `frames_left` frames, the one in hand among them, will be done.
    pub(super) fn done_at(&self, frames_left: u32, now: UnixMillis) -> Option<UnixMillis> {
        let elapsed = self.frame_begun_at.map_or(0, |begun| begun.until(now).0);
        let mean = match (self.frames, self.frame_done) {
            (0, Some(done)) if done > 0.05 => estimate(elapsed, done),
            (0, _) => return None,
            (frames, _) => self.rendered_ms / u64::from(frames),
        };
        let left = mean.saturating_mul(u64::from(frames_left));
        Some(now.plus(Millis(left.saturating_sub(elapsed.min(mean)))))
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn estimate(elapsed_ms: u64, done: f32) -> u64 {
    (elapsed_ms as f64 / f64::from(done)) as u64
}

/// Whether two reports differ in what the cloud should hear of at once.
#[must_use]
pub(crate) fn is_news(before: Option<&SlotReport>, now: &SlotReport) -> bool {
    let kind = |phase: SlotPhase| matches!(phase, SlotPhase::Idle);
    before.is_none_or(|before| before.held != now.held || kind(before.status.phase) != kind(now.status.phase))
}
