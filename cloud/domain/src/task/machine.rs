//! The life of a task.
//!
//! ```text
//!            grant / lease ended          first frame begun
//!            ┌───────────┐            ┌──────────────────────┐
//!            ▼           │            │                      ▼
//!         pending ───────┴────────────┘        ┌────────► running ──► completed
//!           │  ▲                                                │  └─► failed (given up)
//!           ▼  └──── attempt failed, tried again elsewhere ─────┘
//!         paused                                any state that has not ended ─► cancelled
//! ```
//!
//! A task has at most one lease. Its fence rises with each grant and whenever the cloud takes a lease back,
//! and whoever comes with an older one is refused, whatever he says, but for one thing: a finished frame. It
//! counts however late it comes, as long as the task has not ended and nobody else delivered it before; only
//! what was rendered for a creator who then cancelled or paused is refused. Late but first wins.

use pictor_actors::units::UnixMillis;

use super::TaskState;
use super::retry::Verdict;
use crate::lease::Outcome;

/// A task as far as its life goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Where it stands.
    pub state: TaskState,
    /// Rises with each grant, and when the cloud takes a lease back.
    pub fence: u64,
    /// Somebody has the right to work on it.
    pub is_leased: bool,
    /// Frames in all.
    pub frames_total: u32,
    /// Frames stored.
    pub frames_done: u32,
    /// Not handed out before.
    pub not_before: UnixMillis,
    /// Why it was given up.
    pub failure: Option<String>,
}

/// What happens to a task. Whoever speaks for an attempt gives the fence of its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEvent {
    /// It is given to a worker, by somebody who saw this fence.
    Granted {
        /// The fence seen.
        fence: u64,
    },
    /// The attempt began.
    AttemptStarted {
        /// The lease's fence.
        fence: u64,
    },
    /// A frame of it came for the first time.
    FrameStored {
        /// The fence of the lease it was rendered under.
        fence: u64,
        /// How that lease ended, if it is over.
        ended: Option<Outcome>,
    },
    /// The attempt failed and was judged.
    AttemptFailed {
        /// The lease's fence.
        fence: u64,
        /// What it means.
        verdict: Verdict,
    },
    /// The lease ended without a failure (declined, expired, released, stopped, not answered).
    LeaseEnded {
        /// The lease's fence.
        fence: u64,
        /// How.
        outcome: Outcome,
    },
    /// Its job is paused.
    PauseAsked,
    /// Its job goes on.
    ResumeAsked,
    /// Its job is cancelled, or has failed.
    CancelAsked,
    /// Its job is tried again.
    RetryAsked,
}

/// What must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEffect {
    /// End the live lease.
    EndLease(Outcome),
    /// It can be handed out.
    WakeDispatcher,
    /// The job may be done.
    CheckJob,
    /// The scene is at fault: the job may be beyond help.
    BlameJob,
}

/// Why an event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TaskRefusal {
    /// The lease was superseded or has ended.
    #[error("fence {said} is not the one in force ({fence})")]
    StaleFence {
        /// Said.
        said: u64,
        /// In force.
        fence: u64,
    },
    /// Nobody has a lease on it, whatever the fence.
    #[error("no lease of it is live")]
    NoLease,
    /// The frame was rendered under a lease that its creator's wish ended.
    #[error("the lease was {0}: its frames are not wanted")]
    NotWanted(Outcome),
    /// Not possible in that state.
    #[error("a task that is {state} cannot {event}")]
    NotNow {
        /// The state.
        state: TaskState,
        /// The event, as what the task cannot do.
        event: &'static str,
    },
}

impl TaskEvent {
    const fn words(&self) -> &'static str {
        match self {
            Self::Granted { .. } => "be handed out",
            Self::AttemptStarted { .. } => "begin",
            Self::FrameStored { .. } => "get a frame",
            Self::AttemptFailed { .. } => "fail",
            Self::LeaseEnded { .. } => "be given back",
            Self::PauseAsked => "be paused",
            Self::ResumeAsked => "be resumed",
            Self::CancelAsked => "be cancelled",
            Self::RetryAsked => "be tried again",
        }
    }
}

/// What the event makes of the task, and what must follow.
///
/// # Errors
/// A stale fence, or an event that is not possible in that state.
pub fn step(task: &Task, event: &TaskEvent, now: UnixMillis) -> Result<(Task, Vec<TaskEffect>), TaskRefusal> {
    let next = match event {
        TaskEvent::Granted { fence } => granted(task, *fence, now)?,
        TaskEvent::AttemptStarted { fence } => {
            with_lease(task, *fence)?;
            Some((Task { state: TaskState::Running, ..task.clone() }, Vec::new()))
        }
        TaskEvent::FrameStored { fence, ended } => {
            may_deliver(task, *fence, *ended)?;
            Some(frame_stored(task, *fence))
        }
        TaskEvent::AttemptFailed { fence, verdict } => {
            with_lease(task, *fence)?;
            Some(failed(task, verdict, now))
        }
        TaskEvent::LeaseEnded { fence, outcome } => {
            with_lease(task, *fence)?;
            Some((freed(task, *outcome), vec![TaskEffect::EndLease(*outcome), TaskEffect::WakeDispatcher]))
        }
        TaskEvent::PauseAsked => paused(task),
        TaskEvent::ResumeAsked => (task.state == TaskState::Paused)
            .then(|| (Task { state: TaskState::Pending, ..task.clone() }, vec![TaskEffect::WakeDispatcher])),
        TaskEvent::CancelAsked => cancelled(task),
        // One that was cancelled comes back only with a job that had failed: a cancelled job stays so.
        TaskEvent::RetryAsked => matches!(task.state, TaskState::Failed | TaskState::Cancelled).then(|| {
            let (state, fence) = (TaskState::Pending, task.fence + 1);
            let again = Task { state, fence, failure: None, not_before: now, ..task.clone() };
            (again, vec![TaskEffect::WakeDispatcher])
        }),
    };
    next.ok_or(TaskRefusal::NotNow { state: task.state, event: event.words() })
}

type Next = Option<(Task, Vec<TaskEffect>)>;

fn with_lease(task: &Task, said: u64) -> Result<(), TaskRefusal> {
    if said != task.fence {
        return Err(TaskRefusal::StaleFence { said, fence: task.fence });
    }
    if task.is_leased { Ok(()) } else { Err(TaskRefusal::NoLease) }
}

/// Whether a frame rendered under that fence counts: the lease may be over, the task may not.
fn may_deliver(task: &Task, said: u64, ended: Option<Outcome>) -> Result<(), TaskRefusal> {
    if said > task.fence {
        return Err(TaskRefusal::StaleFence { said, fence: task.fence });
    }
    if let Some(outcome) = ended.filter(|outcome| !outcome.may_deliver_late()) {
        return Err(TaskRefusal::NotWanted(outcome));
    }
    if task.state.is_ended() { Err(TaskRefusal::NoLease) } else { Ok(()) }
}

fn granted(task: &Task, seen: u64, now: UnixMillis) -> Result<Next, TaskRefusal> {
    if seen != task.fence {
        return Err(TaskRefusal::StaleFence { said: seen, fence: task.fence });
    }
    let is_free = task.state == TaskState::Pending && !task.is_leased && task.not_before <= now;
    Ok(is_free.then(|| (Task { fence: task.fence + 1, is_leased: true, ..task.clone() }, Vec::new())))
}

/// The last frame ends the task, also where somebody else works on it by now: he is not needed any more.
fn frame_stored(task: &Task, said: u64) -> (Task, Vec<TaskEffect>) {
    let frames_done = (task.frames_done + 1).min(task.frames_total);
    let task = Task { frames_done, ..task.clone() };
    if frames_done < task.frames_total {
        return (task, Vec::new());
    }
    let outcome = if said == task.fence { Outcome::Completed } else { Outcome::NotNeeded };
    let end = task.is_leased.then_some(TaskEffect::EndLease(outcome));
    let done = Task { state: TaskState::Completed, is_leased: false, ..task };
    (done, end.into_iter().chain([TaskEffect::CheckJob]).collect())
}

fn failed(task: &Task, verdict: &Verdict, now: UnixMillis) -> (Task, Vec<TaskEffect>) {
    let free = freed(task, Outcome::Failed);
    let end = TaskEffect::EndLease(Outcome::Failed);
    let given_up =
        |message: &String| Task { state: TaskState::Failed, failure: Some(message.clone()), ..free.clone() };
    match verdict {
        Verdict::Again { after } => {
            (Task { not_before: now.plus(*after), ..free }, vec![end, TaskEffect::WakeDispatcher])
        }
        Verdict::JobFault { message } => {
            (given_up(message), vec![end, TaskEffect::BlameJob, TaskEffect::CheckJob])
        }
        Verdict::GivenUp { message } => (given_up(message), vec![end, TaskEffect::CheckJob]),
    }
}

/// The lease is over. Taken back by the cloud, what its worker says counts no more: the fence rises.
fn freed(task: &Task, outcome: Outcome) -> Task {
    let state = if task.state == TaskState::Paused { TaskState::Paused } else { TaskState::Pending };
    let fence = task.fence + u64::from(!outcome.is_workers_word());
    Task { state, fence, is_leased: false, ..task.clone() }
}

fn paused(task: &Task) -> Next {
    match (task.state, task.is_leased) {
        (TaskState::Pending, true) => {
            let held = Task { state: TaskState::Paused, ..freed(task, Outcome::Cancelled) };
            Some((held, vec![TaskEffect::EndLease(Outcome::Cancelled)]))
        }
        (TaskState::Pending, false) => Some((Task { state: TaskState::Paused, ..task.clone() }, Vec::new())),
        // The frame in hand is finished and delivered; then the worker stops.
        (TaskState::Running, _) => Some((task.clone(), Vec::new())),
        (TaskState::Paused | TaskState::Completed | TaskState::Failed | TaskState::Cancelled, _) => None,
    }
}

fn cancelled(task: &Task) -> Next {
    if task.state.is_ended() {
        return None;
    }
    let end = task.is_leased.then_some(TaskEffect::EndLease(Outcome::Cancelled));
    let gone = Task { state: TaskState::Cancelled, fence: task.fence + 1, is_leased: false, ..task.clone() };
    Some((gone, end.into_iter().collect()))
}

/// What holds for every task at every moment; a broken rule in words.
///
/// # Errors
/// The first rule that is broken.
pub fn holds(task: &Task) -> Result<(), &'static str> {
    if task.state == TaskState::Running && !task.is_leased {
        return Err("a running task has a lease");
    }
    if task.is_leased && (task.state.is_ended() || task.state == TaskState::Paused) {
        return Err("only a pending or running task has a lease");
    }
    if (task.state == TaskState::Completed) != (task.frames_done == task.frames_total) {
        return Err("a task is completed exactly if all its frames are stored");
    }
    if task.state == TaskState::Failed && task.failure.is_none() {
        return Err("a failed task says why");
    }
    Ok(())
}
