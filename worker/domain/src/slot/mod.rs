//! One GPU slot as a machine: it runs one lease and holds one ahead, keeps an engine warm between tasks of
//! one job, and gives every lease back in exactly one way.
//!
//! ```text
//! Idle --offer--> Fetching --inputs--> Loading --ready--> Rendering --all spooled--> (ahead | Idle)
//!   ^                |                    |  ^                | every K frames, other job, cancel, failure
//!   |                +---- cancel ---+    |  |                v
//!   +----------------------------------- Stopping <----------+      stop: … --> Closed
//! ```
//!
//! The next frame is asked for as soon as one is written; hashing and keeping the last one overlaps with it.
//! What the engine is and where files lie is not known here.

use std::collections::{BTreeSet, VecDeque};

use pictor_actors::ids::JobId;
use pictor_actors::limits::FRAMES_PER_TASK_MAX;
use pictor_actors::now::Mono;
use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::protocol::{AttemptOutcome, CancelReason, DeclineReason, FailureClass, LeaseRef};
use pictor_actors::units::Millis;

use crate::Refused;

mod steps;
#[cfg(test)]
mod tests;

/// Frames after which a living engine process is replaced: bounds what a leak in it can cost, and one start
/// of Blender (about a second) in so many frames is not felt.
pub const FRAMES_PER_PROCESS_MAX: u32 = 250;
/// An engine without work keeps its scene, and the GPU memory it takes, for this long.
pub const WARM_FOR: Millis = Millis::from_secs(60);
/// A killed engine that was not seen to end by then is given up (kills take 0.04 s; the rest is a stuck
/// driver).
pub const STOP_MAX: Millis = Millis::from_secs(10);

/// A slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// What it does.
    pub phase: Phase,
    /// The lease whose inputs load meanwhile.
    pub ahead: Option<Work>,
    /// The engine process.
    pub engine: Engine,
    is_closing: bool,
}

/// What a slot does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Nothing; a warm engine is let go then.
    Idle {
        /// When; nothing: there is none.
        warm_until: Option<Mono>,
    },
    /// Waits for the inputs of its lease.
    Fetching(Work),
    /// The engine starts and opens the scene.
    Loading(Work),
    /// The engine renders, or its last frames are being kept.
    Rendering(Work),
    /// The engine was killed and is not gone yet.
    Stopping {
        /// What goes on with a new engine.
        work: Option<Work>,
        /// Taken for gone then.
        deadline: Mono,
    },
    /// Takes nothing any more.
    Closed,
}

/// The engine process of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// There is none.
    Absent,
    /// It starts.
    Starting,
    /// It has the job's scene open.
    Warm {
        /// Whose.
        job: JobId,
        /// Frames it may still render before it is replaced.
        frames_left: u32,
    },
}

/// A lease and how far it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The lease.
    pub lease: LeaseRef,
    /// Its job.
    pub job: JobId,
    /// Its files are in place.
    pub has_inputs: bool,
    /// Frames not begun.
    pub todo: VecDeque<i32>,
    /// The frame the engine renders.
    pub in_hand: Option<i32>,
    /// Written by the engine, not yet kept.
    pub spooling: BTreeSet<i32>,
    /// Frames kept.
    pub frames_done: u32,
    is_started: bool,
    is_stopping: bool,
}

/// What can happen to a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The cloud offers a lease.
    Offered {
        /// The lease.
        lease: LeaseRef,
        /// Its job.
        job: JobId,
        /// Frames to render.
        frames: Vec<i32>,
    },
    /// The inputs of a lease are in place.
    InputsReady {
        /// Whose.
        lease: LeaseRef,
    },
    /// They cannot be had.
    InputsFailed {
        /// Whose.
        lease: LeaseRef,
        /// The kind of failure.
        class: FailureClass,
        /// In words.
        message: String,
    },
    /// The engine has opened the scene.
    EngineReady,
    /// The engine has written a frame's file.
    FrameWritten {
        /// Which.
        frame: i32,
    },
    /// A frame is safe in the spool.
    FrameSpooled {
        /// Of which lease.
        lease: LeaseRef,
        /// Which.
        frame: i32,
    },
    /// A frame could not be kept.
    FrameNotSpooled {
        /// Of which lease.
        lease: LeaseRef,
        /// Which.
        frame: i32,
        /// The kind of failure.
        class: FailureClass,
        /// In words.
        message: String,
    },
    /// The engine's process has grown too much: it renders no further frame. Comes before the end of the
    /// frame in hand.
    EngineWorn,
    /// The engine cannot go on.
    EngineFailed {
        /// The kind of failure.
        class: FailureClass,
        /// In words.
        message: String,
        /// The frame in hand.
        frame: Option<i32>,
    },
    /// The engine process is gone.
    EngineExited,
    /// The cloud takes a lease back.
    Cancelled {
        /// Which.
        lease: LeaseRef,
        /// Why.
        reason: CancelReason,
    },
    /// The worker stops.
    StopAsked,
    /// The moment of [`Slot::next_deadline`] has come.
    DeadlineDue,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell the cloud that the lease is taken.
    Accept(LeaseRef),
    /// Tell the cloud that it is not.
    Decline(LeaseRef, DeclineReason),
    /// Bring the lease's inputs into place.
    FetchInputs(LeaseRef),
    /// The lease does not need its inputs any more; a fetch under way is stopped.
    ReleaseInputs(LeaseRef),
    /// Start an engine with the lease's scene.
    StartEngine(LeaseRef),
    /// Kill the engine's process group.
    KillEngine,
    /// Have the engine render a frame.
    RenderFrame {
        /// For which lease.
        lease: LeaseRef,
        /// Which.
        frame: i32,
    },
    /// Hash and keep a written frame.
    SpoolFrame {
        /// Of which lease.
        lease: LeaseRef,
        /// Which.
        frame: i32,
    },
    /// Tell the cloud that the attempt began.
    ReportStarted(LeaseRef),
    /// Tell the cloud that the attempt is over.
    ReportEnded(LeaseRef, AttemptOutcome),
    /// Nothing more will come from this slot.
    Closed,
}

type Step = Result<(Slot, Vec<Effect>), Refused>;

impl Default for Slot {
    fn default() -> Self {
        Self {
            phase: Phase::Idle { warm_until: None },
            ahead: None,
            engine: Engine::Absent,
            is_closing: false,
        }
    }
}

impl Slot {
    /// The state after the event, and what to do; or a refusal that changes nothing.
    pub fn step(self, event: Event, now: Mono) -> Step {
        match event {
            Event::Offered { lease, job, frames } => Ok(self.offered(lease, job, frames)),
            Event::InputsReady { lease } => self.inputs_ready(lease, now),
            Event::InputsFailed { lease, class, message } => self.inputs_failed(lease, class, message, now),
            Event::EngineReady => self.engine_ready(now),
            Event::FrameWritten { frame } => self.frame_written(frame, now),
            Event::FrameSpooled { lease, frame } => self.frame_spooled(lease, frame, now),
            Event::FrameNotSpooled { lease, frame, class, message } => {
                self.frame_not_spooled(lease, frame, class, message, now)
            }
            Event::EngineWorn => self.engine_worn(),
            Event::EngineFailed { class, message, frame } => self.engine_failed(class, message, frame, now),
            Event::EngineExited => self.engine_exited(now),
            Event::Cancelled { lease, reason } => self.cancelled(lease, reason, now),
            Event::StopAsked => Ok(self.stop_asked(now)),
            Event::DeadlineDue => Ok(self.deadline_due(now)),
        }
    }

    /// The next moment at which [`Event::DeadlineDue`] is wanted, and what for.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<(Mono, &'static str)> {
        match &self.phase {
            Phase::Idle { warm_until: Some(until) } => Some((*until, "let the warm engine go")),
            Phase::Stopping { deadline, .. } => Some((*deadline, "engine not gone")),
            Phase::Idle { warm_until: None }
            | Phase::Fetching(_)
            | Phase::Loading(_)
            | Phase::Rendering(_)
            | Phase::Closed => None,
        }
    }

    /// The lease in hand, if any.
    #[must_use]
    pub const fn work(&self) -> Option<&Work> {
        match &self.phase {
            Phase::Fetching(work) | Phase::Loading(work) | Phase::Rendering(work) => Some(work),
            Phase::Stopping { work, .. } => work.as_ref(),
            Phase::Idle { .. } | Phase::Closed => None,
        }
    }

    /// Every lease the slot holds: the one in hand first.
    #[must_use]
    pub fn leases(&self) -> Vec<LeaseRef> {
        self.work().into_iter().chain(&self.ahead).map(|work| work.lease).collect()
    }

    /// Where it stands, as the protocol names it.
    #[must_use]
    pub const fn wire_phase(&self) -> SlotPhase {
        match &self.phase {
            Phase::Idle { .. } | Phase::Closed => SlotPhase::Idle,
            Phase::Fetching(_) => SlotPhase::Fetching,
            Phase::Loading(_) => SlotPhase::Loading,
            Phase::Rendering(_) => SlotPhase::Rendering,
            Phase::Stopping { .. } => SlotPhase::Stopping,
        }
    }

    /// What must hold after every step; the words say what does not.
    pub fn holds(&self) -> Result<(), &'static str> {
        let in_hand = self.work().and_then(|work| work.in_hand);
        if in_hand.is_some() && !matches!(self.phase, Phase::Rendering(_)) {
            return Err("a frame is in hand outside of rendering");
        }
        if let (Some(work), Some(ahead)) = (self.work(), &self.ahead)
            && work.lease.lease == ahead.lease.lease
        {
            return Err("one lease is held twice");
        }
        match (&self.phase, self.engine) {
            (Phase::Rendering(work), Engine::Warm { job, .. }) if work.job == job => Ok(()),
            (Phase::Rendering(work), Engine::Absent | Engine::Warm { .. }) if work.in_hand.is_none() => {
                Ok(())
            }
            (Phase::Rendering(_), _) => Err("renders without its engine"),
            (Phase::Loading(_), Engine::Starting) => Ok(()),
            (Phase::Loading(_), _) => Err("loads without an engine"),
            (Phase::Idle { .. }, _) if self.ahead.is_some() => Err("idle with a lease ahead"),
            (Phase::Idle { warm_until: None }, Engine::Warm { .. }) => Err("an idle engine without an end"),
            (Phase::Idle { .. } | Phase::Fetching(_) | Phase::Stopping { .. } | Phase::Closed, _) => Ok(()),
        }
    }
}

impl Work {
    fn new(lease: LeaseRef, job: JobId, frames: Vec<i32>) -> Self {
        Self {
            lease,
            job,
            has_inputs: false,
            todo: frames.into(),
            in_hand: None,
            spooling: BTreeSet::new(),
            frames_done: 0,
            is_started: false,
            is_stopping: false,
        }
    }

    fn is_over(&self) -> bool {
        (self.todo.is_empty() || self.is_stopping) && self.in_hand.is_none() && self.spooling.is_empty()
    }
}

impl Phase {
    /// The state in one word, for logs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Idle { .. } => "idle",
            Self::Fetching(_) => "fetching",
            Self::Loading(_) => "loading",
            Self::Rendering(_) => "rendering",
            Self::Stopping { .. } => "stopping",
            Self::Closed => "closed",
        }
    }
}
