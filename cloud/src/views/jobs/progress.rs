//! How far a job is: the four-part bar (done, in hand, failed, left) and its words.

use pictor_cloud_api::jobs::Job;
use serde::Serialize;

use crate::views::format;

/// Width of the bar in its own units: one unit is a tenth of a percent.
const BAR: u64 = 1_000;

/// Progress of a job.
#[derive(Debug, Clone, Serialize)]
pub struct Progress {
    /// Frames stored.
    pub done: u64,
    /// Frames being rendered.
    pub in_hand: u64,
    /// Frames of tasks that failed for good.
    pub failed: u64,
    /// Frames that wait.
    pub left: u64,
    /// Frames in all.
    pub total: u64,
    /// Part done, with the frames in hand.
    pub percent: u8,
    /// Bar: where each part begins and how wide it is.
    pub done_width: u64,
    /// Width of the part in hand.
    pub work_width: u64,
    /// Start of the part in hand.
    pub work_x: u64,
    /// Width of the failed part.
    pub bad_width: u64,
    /// Start of the failed part.
    pub bad_x: u64,
    /// All of it in words, for whoever cannot see the bar.
    pub words: String,
}

impl Progress {
    /// Of this job with so many frames in hand.
    #[must_use]
    pub fn new(job: &Job, in_hand: u64) -> Self {
        let total = u64::from(job.frames_total);
        let done = u64::from(job.frames_done).min(total);
        let failed = u64::from(job.frames_failed).min(total - done);
        let in_hand = in_hand.min(total - done - failed);
        let left = total - done - failed - in_hand;
        let width = |part: u64| (part * BAR).checked_div(total).unwrap_or(0);
        let (done_width, work_width, bad_width) = (width(done), width(in_hand), width(failed));
        let mut words =
            format!("{} of {} done", format::count(done), format::counted(total, "frame", "frames"));
        for (part, what) in [(in_hand, "rendering"), (failed, "failed"), (left, "waiting")] {
            if part > 0 {
                words.push_str(&format!(", {} {what}", format::count(part)));
            }
        }
        Self {
            done,
            in_hand,
            failed,
            left,
            total,
            percent: format::percent(job.progress).unwrap_or(0),
            done_width,
            work_width,
            work_x: done_width,
            bad_width,
            bad_x: done_width + work_width,
            words,
        }
    }
}
