//! The life of a job.
//!
//! ```text
//! uploading ─► ready ─► running ─► completed
//!                │  ▲      │  ▲ └─► failed ──(retry)──► ready or running
//!                ▼  │      ▼  │
//!               paused ◄───┘  └── (resume)        any state that has not ended ─► cancelled
//! ```
//!
//! The rows of the store are the truth; this says which change of them is allowed and what must follow from
//! it.

use pictor_actors::protocol::CancelReason;
use pictor_actors::units::UnixMillis;

use super::JobState;

/// A job as far as its life goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Where it stands.
    pub state: JobState,
    /// Its first attempt began.
    pub started_at: Option<UnixMillis>,
    /// It ended.
    pub ended_at: Option<UnixMillis>,
    /// Why it is in that state, where there is something to say.
    pub reason: Option<String>,
}

/// What happens to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEvent {
    /// Its inputs are complete.
    InputsStored,
    /// A worker began an attempt.
    AttemptStarted,
    /// The last frame was stored.
    AllFramesStored,
    /// Every frame is planned and every task has ended; so many failed.
    AllTasksEnded {
        /// Tasks that failed for good.
        failed: u32,
    },
    /// Before its first frame it showed that none of it can be rendered.
    Broken {
        /// Why, in words.
        reason: String,
    },
    /// Its creator holds it.
    PauseAsked,
    /// Its creator lets it go on.
    ResumeAsked,
    /// Its creator ends it.
    CancelAsked,
    /// Its creator wants what did not succeed tried again.
    RetryAsked {
        /// Tasks that failed for good, or were cancelled when the job failed.
        unsuccessful: u32,
    },
}

/// What must follow from a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEffect {
    /// Cut tasks if too few wait.
    CutTasks,
    /// Tasks may have become ready.
    WakeDispatcher,
    /// Take its leases back.
    RecallLeases(CancelReason),
    /// Tell whoever watches it.
    Announce,
    /// Its actor has nothing more to do.
    LetGo,
}

/// The event is not possible in that state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {state} cannot {event}")]
pub struct JobRefusal {
    /// The state.
    pub state: JobState,
    /// The event, as what the job cannot do ("be paused").
    pub event: &'static str,
}

impl JobEvent {
    /// The event as what a job can or cannot do.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        match self {
            Self::InputsStored => "get its inputs",
            Self::AttemptStarted => "begin an attempt",
            Self::AllFramesStored | Self::AllTasksEnded { .. } => "be completed",
            Self::Broken { .. } => "fail",
            Self::PauseAsked => "be paused",
            Self::ResumeAsked => "be resumed",
            Self::CancelAsked => "be cancelled",
            Self::RetryAsked { .. } => "be tried again",
        }
    }
}

/// What the event makes of the job, and what must follow.
///
/// # Errors
/// The event is not possible in the job's state.
pub fn step(job: &Job, event: &JobEvent, now: UnixMillis) -> Result<(Job, Vec<JobEffect>), JobRefusal> {
    let next = match job.state {
        JobState::Uploading => from_uploading(job, event, now),
        JobState::Ready | JobState::Running => from_open(job, event, now),
        JobState::Paused => from_paused(job, event, now),
        JobState::Failed => from_failed(job, event),
        JobState::Completed | JobState::Cancelled => None,
    };
    next.ok_or(JobRefusal { state: job.state, event: event.words() })
}

type Next = Option<(Job, Vec<JobEffect>)>;

fn from_uploading(job: &Job, event: &JobEvent, now: UnixMillis) -> Next {
    match event {
        JobEvent::InputsStored => go_on(job),
        JobEvent::Broken { reason } => Some(end(job, JobState::Failed, Some(reason.clone()), now)),
        JobEvent::CancelAsked => Some(end(job, JobState::Cancelled, None, now)),
        JobEvent::AttemptStarted
        | JobEvent::AllFramesStored
        | JobEvent::AllTasksEnded { .. }
        | JobEvent::PauseAsked
        | JobEvent::ResumeAsked
        | JobEvent::RetryAsked { .. } => None,
    }
}

fn from_open(job: &Job, event: &JobEvent, now: UnixMillis) -> Next {
    match event {
        JobEvent::AttemptStarted => {
            let started =
                Job { state: JobState::Running, started_at: job.started_at.or(Some(now)), ..job.clone() };
            let effects = if started == *job { Vec::new() } else { vec![JobEffect::Announce] };
            Some((started, effects))
        }
        JobEvent::PauseAsked => {
            let recall = JobEffect::RecallLeases(CancelReason::JobPaused);
            Some((Job { state: JobState::Paused, ..job.clone() }, vec![recall, JobEffect::Announce]))
        }
        JobEvent::RetryAsked { unsuccessful } if *unsuccessful > 0 => go_on(job),
        JobEvent::AllFramesStored
        | JobEvent::AllTasksEnded { .. }
        | JobEvent::Broken { .. }
        | JobEvent::CancelAsked => ended_by(job, event, now),
        JobEvent::InputsStored | JobEvent::ResumeAsked | JobEvent::RetryAsked { .. } => None,
    }
}

fn from_paused(job: &Job, event: &JobEvent, now: UnixMillis) -> Next {
    match event {
        JobEvent::ResumeAsked => go_on(job),
        // They wait for the resume with the others.
        JobEvent::RetryAsked { unsuccessful } if *unsuccessful > 0 => {
            Some((Job { reason: None, ..job.clone() }, vec![JobEffect::Announce]))
        }
        // It began before the worker heard of the pause.
        JobEvent::AttemptStarted => {
            let started = Job { started_at: job.started_at.or(Some(now)), ..job.clone() };
            Some((started, vec![JobEffect::RecallLeases(CancelReason::JobPaused)]))
        }
        // Frames in hand are still delivered, and may be the last.
        JobEvent::AllFramesStored
        | JobEvent::AllTasksEnded { .. }
        | JobEvent::Broken { .. }
        | JobEvent::CancelAsked => ended_by(job, event, now),
        JobEvent::InputsStored | JobEvent::PauseAsked | JobEvent::RetryAsked { .. } => None,
    }
}

fn from_failed(job: &Job, event: &JobEvent) -> Next {
    match event {
        // Also where none of its tasks was cut before it failed.
        JobEvent::RetryAsked { .. } => go_on(job),
        JobEvent::InputsStored
        | JobEvent::AttemptStarted
        | JobEvent::AllFramesStored
        | JobEvent::AllTasksEnded { .. }
        | JobEvent::Broken { .. }
        | JobEvent::PauseAsked
        | JobEvent::ResumeAsked
        | JobEvent::CancelAsked => None,
    }
}

/// The ends that every job with inputs can come to.
fn ended_by(job: &Job, event: &JobEvent, now: UnixMillis) -> Next {
    match event {
        JobEvent::AllFramesStored | JobEvent::AllTasksEnded { failed: 0 } => {
            Some(end(job, JobState::Completed, None, now))
        }
        JobEvent::AllTasksEnded { failed } => {
            let reason = match failed {
                1 => "1 task failed".to_owned(),
                _ => format!("{failed} tasks failed"),
            };
            Some(end(job, JobState::Failed, Some(reason), now))
        }
        JobEvent::Broken { reason } => Some(end(job, JobState::Failed, Some(reason.clone()), now)),
        JobEvent::CancelAsked => Some(end(job, JobState::Cancelled, None, now)),
        JobEvent::InputsStored
        | JobEvent::AttemptStarted
        | JobEvent::PauseAsked
        | JobEvent::ResumeAsked
        | JobEvent::RetryAsked { .. } => None,
    }
}

fn go_on(job: &Job) -> Next {
    let state = if job.started_at.is_some() { JobState::Running } else { JobState::Ready };
    let job = Job { state, ended_at: None, reason: None, started_at: job.started_at };
    Some((job, vec![JobEffect::CutTasks, JobEffect::WakeDispatcher, JobEffect::Announce]))
}

fn end(job: &Job, state: JobState, reason: Option<String>, now: UnixMillis) -> (Job, Vec<JobEffect>) {
    let recall = match state {
        JobState::Cancelled => Some(JobEffect::RecallLeases(CancelReason::JobCancelled)),
        JobState::Failed => Some(JobEffect::RecallLeases(CancelReason::Superseded)),
        JobState::Completed
        | JobState::Uploading
        | JobState::Ready
        | JobState::Running
        | JobState::Paused => None,
    };
    let ended = Job { state, ended_at: Some(now), reason, started_at: job.started_at };
    (ended, recall.into_iter().chain([JobEffect::Announce, JobEffect::LetGo]).collect())
}

/// What holds for every job at every moment; a broken rule in words.
///
/// # Errors
/// The first rule that is broken.
pub fn holds(job: &Job) -> Result<(), &'static str> {
    if job.ended_at.is_some() != job.state.is_ended() {
        return Err("a job has an end exactly if it has ended");
    }
    if job.state == JobState::Running && job.started_at.is_none() {
        return Err("a running job has begun");
    }
    if job.state == JobState::Ready && job.started_at.is_some() {
        return Err("a ready job has not begun");
    }
    if job.state == JobState::Failed && job.reason.is_none() {
        return Err("a failed job says why");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::table;

    const NOW: UnixMillis = UnixMillis(9);

    fn job(state: JobState, started: bool) -> Job {
        Job {
            state,
            started_at: started.then_some(UnixMillis(1)),
            ended_at: state.is_ended().then_some(UnixMillis(2)),
            reason: (state == JobState::Failed).then(|| "why".to_owned()),
        }
    }

    fn events() -> Vec<(&'static str, JobEvent)> {
        vec![
            ("inputs stored", JobEvent::InputsStored),
            ("attempt started", JobEvent::AttemptStarted),
            ("all frames stored", JobEvent::AllFramesStored),
            ("all tasks ended, none failed", JobEvent::AllTasksEnded { failed: 0 }),
            ("all tasks ended, 2 failed", JobEvent::AllTasksEnded { failed: 2 }),
            ("broken", JobEvent::Broken { reason: "no camera".to_owned() }),
            ("pause asked", JobEvent::PauseAsked),
            ("resume asked", JobEvent::ResumeAsked),
            ("cancel asked", JobEvent::CancelAsked),
            ("retry asked, all succeeded", JobEvent::RetryAsked { unsuccessful: 0 }),
            ("retry asked, 2 did not", JobEvent::RetryAsked { unsuccessful: 2 }),
        ]
    }

    #[test]
    fn the_whole_table() {
        let states = [
            ("uploading", job(JobState::Uploading, false)),
            ("ready", job(JobState::Ready, false)),
            ("running", job(JobState::Running, true)),
            ("paused before its first attempt", job(JobState::Paused, false)),
            ("paused after its first attempt", job(JobState::Paused, true)),
            ("completed", job(JobState::Completed, true)),
            ("failed", job(JobState::Failed, true)),
            ("cancelled", job(JobState::Cancelled, true)),
        ];
        insta::assert_snapshot!(table(&states, &events(), |job, event| match step(job, event, NOW) {
            Ok((next, effects)) => {
                let reason = next.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                format!("{}{reason} {effects:?}", next.state)
            }
            Err(refusal) => format!("refused: {refusal}"),
        }));
    }

    proptest! {
        #[test]
        fn whatever_happens_the_rules_hold(steps in prop::collection::vec(0usize..11, 0..40)) {
            let mut now = job(JobState::Uploading, false);
            for index in steps {
                let before = now.clone();
                if let Ok((next, _)) = step(&now, &events()[index].1, NOW) {
                    now = next;
                }
                prop_assert_eq!(holds(&now), Ok(()));
                prop_assert!(before.started_at.is_none() || now.started_at == before.started_at);
                let is_final = matches!(before.state, JobState::Cancelled | JobState::Completed);
                prop_assert!(!is_final || now == before);
            }
        }
    }
}
