//! What a failed attempt means: is it the job's fault, the worker's, or not known yet?
//!
//! Some classes speak for themselves: a scene without a camera has none anywhere; a full disk is the
//! worker's. The others need a second opinion: the same class on two workers of good standing is the job's
//! fault.

use std::collections::BTreeSet;

use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::FailureClass;
use pictor_actors::units::Millis;

/// Failed attempts of one task, whatever their classes.
pub const FAILURES_MAX: u32 = 5;
/// Failed attempts of one task where a single worker can render it.
pub const FAILURES_MAX_ALONE: u32 = 3;
/// Attempts that ended without a word (the worker fell silent); more look like a task that kills machines.
pub const LOST_MAX: u32 = 6;
/// First wait before a worker gets the same task again.
const AGAIN_FIRST: Millis = Millis(1_000);
/// Longest such wait.
const AGAIN_MAX: Millis = Millis::from_secs(60);

/// Where a class of failures points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blame {
    /// To the scene, on any worker.
    Job,
    /// To this worker, whatever the scene.
    Worker,
    /// To either.
    Unclear,
}

/// Where the class points to.
#[must_use]
pub const fn blame(class: FailureClass) -> Blame {
    match class {
        FailureClass::NeedsScripts
        | FailureClass::MissingFile
        | FailureClass::NoCamera
        | FailureClass::BadScene => Blame::Job,
        FailureClass::EngineNotAvailable
        | FailureClass::OutOfMemory
        | FailureClass::OutOfGpuMemory
        | FailureClass::DiskFull
        | FailureClass::InputsUnavailable
        | FailureClass::WorkerError => Blame::Worker,
        FailureClass::Crash | FailureClass::TimeLimit | FailureClass::NoOutputWritten => Blame::Unclear,
    }
}

/// A failed attempt of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedAttempt {
    /// Whose it was.
    pub worker: WorkerId,
    /// How it failed.
    pub class: FailureClass,
    /// The worker does not fail at everything else as well.
    pub in_good_standing: bool,
}

/// All that is known when an attempt has failed.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Failed attempts of the task, oldest first, the new one last; never empty.
    pub failures: &'a [FailedAttempt],
    /// Message of the new one.
    pub message: &'a str,
    /// Workers that are there and could render the task.
    pub able: &'a BTreeSet<WorkerId>,
    /// Some frame of the job was rendered by somebody: the scene as such works.
    pub job_has_frames: bool,
    /// The worker has failed at this job before.
    pub worker_failed_job_before: bool,
}

/// What becomes of the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is tried again, not before this long.
    Again {
        /// How long.
        after: Millis,
    },
    /// It is given up, and the scene is why.
    JobFault {
        /// Why, in words for its creator.
        message: String,
    },
    /// It is given up, and it is not known why.
    GivenUp {
        /// What was tried, in words.
        message: String,
    },
}

/// The verdict, and whether the failure counts against the worker.
#[must_use]
pub fn judge(record: &Record<'_>) -> (Verdict, bool) {
    let Some(newest) = record.failures.last() else {
        return (Verdict::Again { after: AGAIN_FIRST }, false);
    };
    let verdict = match blame(newest.class) {
        Blame::Job => Verdict::JobFault { message: record.message.to_owned() },
        Blame::Worker => by_count(record, newest.class),
        Blame::Unclear => {
            second_opinion(record, newest.class).unwrap_or_else(|| by_count(record, newest.class))
        }
    };
    let counts = match (blame(newest.class), &verdict) {
        (Blame::Job, _) | (Blame::Unclear, Verdict::JobFault { .. }) => false,
        (Blame::Worker, _) => true,
        // A job that never gave a frame makes good workers fail: only the first time counts.
        (Blame::Unclear, Verdict::Again { .. } | Verdict::GivenUp { .. }) => {
            record.job_has_frames || !record.worker_failed_job_before
        }
    };
    (verdict, counts)
}

fn second_opinion(record: &Record<'_>, class: FailureClass) -> Option<Verdict> {
    let of_class = record.failures.iter().filter(|failure| failure.class == class);
    let opinions: BTreeSet<_> =
        of_class.clone().filter(|failure| failure.in_good_standing).map(|failure| failure.worker).collect();
    if opinions.len() >= 2 {
        let message = format!(
            "{} on {} workers that render other work well, so the scene is the likely cause; \
             the last one said: {}",
            class.words(),
            opinions.len(),
            record.message
        );
        return Some(Verdict::JobFault { message });
    }
    let is_alone =
        !record.able.iter().any(|worker| record.failures.iter().all(|failure| failure.worker != *worker));
    let times = of_class.count();
    (is_alone && times >= FAILURES_MAX_ALONE as usize).then(|| Verdict::JobFault {
        message: format!(
            "{} {times} times, and no other worker can render it; the last time: {}",
            class.words(),
            record.message
        ),
    })
}

fn by_count(record: &Record<'_>, class: FailureClass) -> Verdict {
    let failed = u32::try_from(record.failures.len()).unwrap_or(u32::MAX);
    let workers: BTreeSet<_> = record.failures.iter().map(|failure| failure.worker).collect();
    let another_can = record.able.iter().any(|worker| !workers.contains(worker));
    let failures_max = if another_can || workers.len() > 1 { FAILURES_MAX } else { FAILURES_MAX_ALONE };
    if failed >= failures_max {
        let on = match workers.len() {
            1 => "1 worker".to_owned(),
            many => format!("{many} workers"),
        };
        let message =
            format!("{failed} attempts on {on} failed; the last: {} ({})", class.words(), record.message);
        return Verdict::GivenUp { message };
    }
    let after = if another_can { Millis(0) } else { doubled(failed) };
    Verdict::Again { after }
}

fn doubled(failed: u32) -> Millis {
    let factor = 1u64.checked_shl(failed.saturating_sub(1)).unwrap_or(u64::MAX);
    Millis(AGAIN_FIRST.0.saturating_mul(factor)).min(AGAIN_MAX)
}

/// What becomes of a task whose worker fell silent, for the so-manieth time.
#[must_use]
pub fn judge_loss(lost: u32) -> Verdict {
    if lost >= LOST_MAX {
        let message = format!("{lost} workers fell silent while they had it; it may be what stops them");
        return Verdict::GivenUp { message };
    }
    Verdict::Again { after: Millis(0) }
}

#[cfg(test)]
mod tests;
