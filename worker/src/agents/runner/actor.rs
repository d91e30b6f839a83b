//! The runner's life: messages in, events to the slot's machine, effects out, one timer.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::prelude::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use pictor_actors::ids::LeaseId;
use pictor_actors::now::{Mono, Now};
use pictor_actors::protocol::outcome::FrameState;
use pictor_actors::protocol::{FrameProgress, FromWorker, LeaseRef, SlotStatus, TaskSpec};
use pictor_actors::supervise::{Holding, Phase as StopPhase};
use pictor_worker_domain::slot::{Event, Phase, Slot};

use super::engine::EngineInHand;
use super::log_batch::{FLUSH_AFTER, LogBatch};
use super::messages::{
    Cancelled, DeadlineDue, EngineGone, FrameKept, InputsBrought, Offered, ReportYourself, StopAsked,
};
use super::report::{Pace, SlotReport, TaskView};
use crate::agents::coordinator::{RunnerSaid, SlotChanged};
use crate::agents::uploader::FrameSpooled;
use crate::agents::{Workplace, tell};
use crate::inputs::InPlace;

/// The actor.
pub struct Runner {
    pub(super) place: Arc<Workplace>,
    pub(super) number: u16,
    pub(super) slot: Slot,
    pub(super) leases: BTreeMap<LeaseId, Held>,
    pub(super) engine: EngineInHand,
    pub(super) progress_at: Now,
    pub(super) pace: Pace,
    pub(super) log: LogBatch,
    log_timer: Option<SpawnHandle>,
    timer: Option<(Mono, SpawnHandle)>,
    /// Frames that are being kept hold up the end of the process.
    pub(super) keeping: usize,
    pub(super) keeping_hold: Option<Holding>,
}

/// A lease with what is needed to work on it.
pub(super) struct Held {
    pub spec: TaskSpec,
    pub inputs: Option<InPlace>,
    pub fetch: Option<SpawnHandle>,
}

impl Runner {
    /// Of this slot.
    #[must_use]
    pub fn new(place: Arc<Workplace>, number: u16) -> Self {
        let progress_at = place.clock.now();
        Self {
            place,
            number,
            slot: Slot::default(),
            leases: BTreeMap::new(),
            engine: EngineInHand::default(),
            progress_at,
            pace: Pace::default(),
            log: LogBatch::default(),
            log_timer: None,
            timer: None,
            keeping: 0,
            keeping_hold: None,
        }
    }

    /// Steps the machine, does its effects, says how the slot stands, sets the timer.
    pub(super) fn step(&mut self, event: Event, context: &mut Context<Self>) {
        let now = self.place.clock.now();
        match std::mem::take(&mut self.slot).step_or_keep(event, now.mono) {
            Ok((slot, effects)) => {
                debug_assert_eq!(slot.holds(), Ok(()));
                self.slot = slot;
                self.progress_at = now;
                for effect in effects {
                    self.run(effect, context);
                }
            }
            Err((slot, refused)) => {
                self.slot = slot;
                tracing::debug!(slot = self.number, %refused, "nothing to do");
            }
        }
        self.arm(context);
        self.report();
    }

    /// Tells the cloud something, through the coordinator.
    pub(super) fn say(&self, said: FromWorker) {
        tell(&self.place.doors().coordinator, RunnerSaid { slot: self.number, said });
    }

    /// Takes a line of the engine's output, said for this lease; a line said for none stays here.
    pub(super) fn log(&mut self, lease: Option<LeaseRef>, line: &str, context: &mut Context<Self>) {
        tracing::debug!(target: "pictor_worker::engine", slot = self.number, "{line}");
        let Some(lease) = lease else { return };
        if let Some(lines) = self.log.add(lease, line, self.place.clock.now().mono) {
            self.say(FromWorker::LogLines(lines));
        }
        if self.log_timer.is_none() {
            self.log_timer = Some(context.run_later(FLUSH_AFTER.to_duration(), |runner, _| {
                runner.log_timer = None;
                if let Some(lines) = runner.log.take() {
                    runner.say(FromWorker::LogLines(lines));
                }
            }));
        }
    }

    pub(super) fn report(&self) {
        let report = self.standing();
        tell(&self.place.doors().coordinator, SlotChanged { slot: self.number, report });
    }

    fn standing(&self) -> SlotReport {
        let work = self.slot.work();
        let status = SlotStatus {
            slot: self.number,
            phase: self.slot.wire_phase(),
            lease: work.map(|work| work.lease),
            frame: work.and_then(|work| work.in_hand),
            frame_done: work.and_then(|work| work.in_hand).and(self.pace.frame_done),
            frames_done: work.map_or(0, |work| work.frames_done),
            progress_age_ms: None,
        };
        SlotReport {
            task: work.and_then(|work| self.view(work.lease, &status)),
            held: self.slot.leases(),
            is_closed: matches!(self.slot.phase, Phase::Closed),
            progress_at: self.progress_at,
            status,
        }
    }

    fn view(&self, lease: LeaseRef, status: &SlotStatus) -> Option<TaskView> {
        let spec = &self.leases.get(&lease.lease)?.spec;
        let frames_total = u32::try_from(spec.frames.len()).unwrap_or(u32::MAX);
        let (engine, device) = self.engine.names().unzip();
        Some(TaskView {
            job: spec.job,
            job_name: spec.job_name.clone(),
            task: spec.task,
            frames_total,
            frames_done: status.frames_done,
            frame: status.frame,
            frame_done: status.frame_done,
            done_at: self.pace.done_at(frames_total - status.frames_done, self.place.clock.now().wall),
            engine,
            device,
        })
    }

    fn arm(&mut self, context: &mut Context<Self>) {
        let due = self.slot.next_deadline();
        if self.timer.as_ref().map(|(at, _)| *at) == due.map(|(at, _)| at) {
            return;
        }
        if let Some((_, timer)) = self.timer.take() {
            context.cancel_future(timer);
        }
        if let Some((at, why)) = due {
            tracing::trace!(slot = self.number, why, "timer set");
            let wait = self.place.clock.now().mono.until(at);
            self.timer = Some((at, context.notify_later(DeadlineDue, wait.to_duration())));
        }
    }
}

/// The machine's `step` takes the slot and gives nothing back with a refusal; a shell wants to go on with it.
trait StepOrKeep: Sized {
    #[allow(clippy::type_complexity)]
    fn step_or_keep(
        self,
        event: Event,
        now: Mono,
    ) -> Result<(Self, Vec<pictor_worker_domain::slot::Effect>), (Self, pictor_worker_domain::Refused)>;
}

impl StepOrKeep for Slot {
    fn step_or_keep(
        self,
        event: Event,
        now: Mono,
    ) -> Result<(Self, Vec<pictor_worker_domain::slot::Effect>), (Self, pictor_worker_domain::Refused)> {
        self.clone().step(event, now).map_err(|refused| (self, refused))
    }
}

impl Actor for Runner {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.clear_work_folder();
        self.report();
    }
}

impl Handler<Offered> for Runner {
    type Result = ();

    fn handle(&mut self, Offered(offer): Offered, context: &mut Context<Self>) {
        let (lease, job, frames) = (offer.lease, offer.task.job, offer.task.frames.clone());
        let held = Held { spec: offer.task, inputs: None, fetch: None };
        self.leases.entry(lease.lease).or_insert(held);
        self.step(Event::Offered { lease, job, frames }, context);
        let held = self.slot.leases();
        self.leases.retain(|lease, _| held.iter().any(|known| known.lease == *lease));
    }
}

impl Handler<Cancelled> for Runner {
    type Result = ();

    fn handle(&mut self, Cancelled(cancel): Cancelled, context: &mut Context<Self>) {
        self.step(Event::Cancelled { lease: cancel.lease, reason: cancel.reason }, context);
    }
}

impl Handler<StopAsked> for Runner {
    type Result = ();

    fn handle(&mut self, _: StopAsked, context: &mut Context<Self>) {
        self.step(Event::StopAsked, context);
    }
}

impl Handler<ReportYourself> for Runner {
    type Result = ();

    fn handle(&mut self, _: ReportYourself, _: &mut Context<Self>) {
        self.report();
    }
}

impl Handler<InputsBrought> for Runner {
    type Result = ();

    fn handle(&mut self, InputsBrought { lease, brought }: InputsBrought, context: &mut Context<Self>) {
        let Some(held) = self.leases.get_mut(&lease.lease) else { return };
        held.fetch = None;
        match brought {
            Ok(inputs) => {
                held.inputs = Some(inputs);
                self.step(Event::InputsReady { lease }, context);
            }
            Err(failure) => {
                let (class, message) = (failure.class, failure.message);
                self.step(Event::InputsFailed { lease, class, message }, context);
            }
        }
    }
}

impl Handler<FrameKept> for Runner {
    type Result = ();

    fn handle(&mut self, message: FrameKept, context: &mut Context<Self>) {
        let FrameKept { lease, frame, memory_peak_bytes, kept } = message;
        self.keeping = self.keeping.saturating_sub(1);
        if self.keeping == 0 {
            self.keeping_hold = None;
        }
        match kept {
            Ok(manifest) => {
                let state = FrameState::Rendered { render_ms: manifest.render_ms(), memory_peak_bytes };
                tell(&self.place.doors().uploader, FrameSpooled(manifest.entry()));
                self.say(FromWorker::FrameProgress(FrameProgress { lease, frame, state }));
                self.step(Event::FrameSpooled { lease, frame }, context);
            }
            Err(error) => {
                let (class, message) = super::effects::not_kept(&error);
                tracing::error!(slot = self.number, frame, error = ?error, "a frame could not be kept");
                self.step(Event::FrameNotSpooled { lease, frame, class, message }, context);
            }
        }
    }
}

impl Handler<EngineGone> for Runner {
    type Result = ();

    fn handle(&mut self, EngineGone { engine }: EngineGone, context: &mut Context<Self>) {
        if self.engine.is(engine) {
            self.step(Event::EngineExited, context);
        }
    }
}

impl Handler<DeadlineDue> for Runner {
    type Result = ();

    fn handle(&mut self, _: DeadlineDue, context: &mut Context<Self>) {
        self.timer = None;
        self.step(Event::DeadlineDue, context);
    }
}

impl Runner {
    /// Holds the process until the frames that are being kept are kept.
    pub(super) fn hold_for_keeping(&mut self) {
        self.keeping += 1;
        if self.keeping_hold.is_none() {
            self.keeping_hold = Some(self.place.shutdown.hold(StopPhase::Draining, "frames being kept"));
        }
    }
}
