//! A simulated worker's slots: the real slot's machine around an engine that only waits.

use std::collections::BTreeMap;

use pictor_actors::ids::LeaseId;
use pictor_actors::now::{Mono, Now};
use pictor_actors::protocol::outcome::FrameState;
use pictor_actors::protocol::{
    AttemptEnded, AttemptStarted, Decline, FailureClass, FrameProgress, FromWorker, LeaseRef, LogLines,
    TaskSpec,
};
use pictor_actors::units::Millis;
use pictor_worker_domain::outbox::Entry;
use pictor_worker_domain::slot::{Effect, Event, Phase, Slot};

use super::{Brain, JOBS_KNOWN_MAX, Output};
use crate::simulate::spool::Picture;

/// How often a frame's progress is told while it renders, as the protocol has it.
const PROGRESS_EVERY: Millis = Millis::from_secs(1);

/// A slot with its engine.
pub(super) struct SimSlot {
    pub number: u16,
    pub slot: Slot,
    pub specs: BTreeMap<LeaseId, TaskSpec>,
    engine: Engine,
    pub progress_at: Mono,
}

/// What the made-up engine does.
enum Engine {
    Nothing,
    Loading { until: Mono },
    Rendering(Render),
}

struct Render {
    lease: LeaseRef,
    frame: i32,
    began: Mono,
    until: Mono,
    tell_at: Mono,
    fails: Option<FailureClass>,
}

impl SimSlot {
    pub fn new(number: u16, now: Mono) -> Self {
        Self {
            number,
            slot: Slot::default(),
            specs: BTreeMap::new(),
            engine: Engine::Nothing,
            progress_at: now,
        }
    }

    pub const fn is_rendering(&self) -> bool {
        matches!(self.engine, Engine::Rendering(_))
    }

    pub const fn is_closed(&self) -> bool {
        matches!(self.slot.phase, Phase::Closed)
    }

    pub fn next_deadline(&self) -> Option<Mono> {
        let engine = match &self.engine {
            Engine::Nothing => None,
            Engine::Loading { until } => Some(*until),
            Engine::Rendering(render) => Some(render.until.min(render.tell_at)),
        };
        engine.into_iter().chain(self.slot.next_deadline().map(|(at, _)| at)).min()
    }

    /// Part of the frame in hand that is done.
    #[allow(clippy::cast_precision_loss)] // a part of a frame, for people
    pub fn done(&self, now: Mono) -> Option<f32> {
        let Engine::Rendering(render) = &self.engine else { return None };
        let whole = render.began.until(render.until).0.max(1);
        Some((render.began.until(now).0 as f32 / whole as f32).min(1.0))
    }
}

impl Brain {
    /// Steps a slot, and whatever follows from that.
    pub(super) fn step(&mut self, slot: usize, event: Event, now: Now) {
        self.events.push_back((slot, event));
        if self.events.len() > 1 {
            return; // whoever is at it takes this one too
        }
        while let Some((at, event)) = self.events.front().cloned() {
            let of = &mut self.slots[at];
            match of.slot.clone().step(event, now.mono) {
                Ok((slot, effects)) => {
                    of.slot = slot;
                    of.progress_at = now.mono;
                    effects.into_iter().for_each(|effect| self.run_slot(at, effect, now));
                }
                Err(refused) => tracing::trace!(%refused, "nothing to do"),
            }
            self.events.pop_front();
        }
    }

    pub(super) fn slot_on_time(&mut self, slot: usize, now: Now) {
        if self.slots[slot].slot.next_deadline().is_some_and(|(at, _)| at <= now.mono) {
            self.step(slot, Event::DeadlineDue, now);
        }
        let done = self.slots[slot].done(now.mono);
        match &mut self.slots[slot].engine {
            Engine::Loading { until } if *until <= now.mono => {
                self.slots[slot].engine = Engine::Nothing;
                self.step(slot, Event::EngineReady, now);
            }
            Engine::Rendering(render) if render.until <= now.mono => self.rendered(slot, now),
            Engine::Rendering(render) if render.tell_at <= now.mono => {
                render.tell_at = now.mono.plus(PROGRESS_EVERY);
                let (lease, frame) = (render.lease, render.frame);
                let state = FrameState::Rendering { done, samples: None, text: None };
                self.say(FromWorker::FrameProgress(FrameProgress { lease, frame, state }));
            }
            Engine::Nothing | Engine::Loading { .. } | Engine::Rendering(_) => {}
        }
    }

    fn rendered(&mut self, slot: usize, now: Now) {
        let engine = std::mem::replace(&mut self.slots[slot].engine, Engine::Nothing);
        let Engine::Rendering(render) = engine else { return };
        let Some(class) = render.fails else {
            // What the machine asks for next comes with the effects of this.
            self.pending_render(slot, &render);
            return self.step(slot, Event::FrameWritten { frame: render.frame }, now);
        };
        let message = format!("a simulated failure ({})", class.words());
        self.step(slot, Event::EngineFailed { class, message, frame: Some(render.frame) }, now);
    }

    fn pending_render(&mut self, slot: usize, render: &Render) {
        let Some(spec) = self.slots[slot].specs.get(&render.lease.lease) else { return };
        let picture = Picture {
            worker: self.who.identity.worker,
            lease: render.lease,
            job: spec.job,
            frame: render.frame,
            format: spec.render.format,
            resolution: self.plan.resolution(),
            render_ms: render.began.until(render.until).0,
        };
        self.out.push(Output::Keep(slot, picture));
    }

    fn run_slot(&mut self, slot: usize, effect: Effect, now: Now) {
        match effect {
            Effect::Accept(lease) => self.say(FromWorker::Accept(lease)),
            Effect::Decline(lease, reason) => self.say(FromWorker::Decline(Decline { lease, reason })),
            Effect::FetchInputs(lease) => self.fetch_inputs(slot, lease),
            Effect::ReleaseInputs(lease) => {
                self.slots[slot].specs.remove(&lease.lease);
            }
            Effect::StartEngine(_) => {
                let until = now.mono.plus(self.dice.around(self.plan.load, self.plan.spread));
                self.slots[slot].engine = Engine::Loading { until };
            }
            Effect::KillEngine => {
                self.slots[slot].engine = Engine::Nothing;
                self.step(slot, Event::EngineExited, now);
            }
            Effect::RenderFrame { lease, frame } => self.render(slot, lease, frame, now),
            // It was given out when it was rendered; `kept` follows.
            Effect::SpoolFrame { .. } => {}
            Effect::ReportStarted(lease) => self.report_started(slot, lease),
            Effect::ReportEnded(lease, outcome) => {
                self.say(FromWorker::AttemptEnded(AttemptEnded { lease, outcome }));
            }
            Effect::Closed => {}
        }
    }

    /// The list of the job's files is fetched once; the files themselves a made-up engine does not need.
    fn fetch_inputs(&mut self, slot: usize, lease: LeaseRef) {
        let Some(spec) = self.slots[slot].specs.get(&lease.lease) else { return };
        if self.jobs_known.contains(&spec.job) {
            self.events.push_back((slot, Event::InputsReady { lease }));
        } else {
            self.out.push(Output::Fetch(slot, lease, spec.job, spec.inputs));
        }
    }

    pub(super) fn inputs_brought(
        &mut self,
        slot: usize,
        lease: LeaseRef,
        brought: Result<(), String>,
        now: Now,
    ) {
        if let Err(message) = brought {
            let class = FailureClass::InputsUnavailable;
            return self.step(slot, Event::InputsFailed { lease, class, message }, now);
        }
        if let Some(spec) = self.slots[slot].specs.get(&lease.lease) {
            self.jobs_known.push_back(spec.job);
            if self.jobs_known.len() > JOBS_KNOWN_MAX {
                self.jobs_known.pop_front();
            }
        }
        self.step(slot, Event::InputsReady { lease }, now);
    }

    fn render(&mut self, slot: usize, lease: LeaseRef, frame: i32, now: Now) {
        let until = now.mono.plus(self.dice.around(self.plan.frame, self.plan.spread));
        let fails = self.dice.part() < self.plan.failures;
        let fails = if fails { self.dice.pick(&self.plan.failure_classes).copied() } else { None };
        let (began, tell_at) = (now.mono, now.mono.plus(PROGRESS_EVERY));
        self.slots[slot].engine = Engine::Rendering(Render { lease, frame, began, until, tell_at, fails });
        let state = FrameState::Started;
        self.say(FromWorker::FrameProgress(FrameProgress { lease, frame, state }));
    }

    fn report_started(&mut self, slot: usize, lease: LeaseRef) {
        let number = self.slots[slot].number;
        let device = self.facts[slot].gpu_pci_id.as_ref().map_or("simulated CPU", |_| "simulated GPU");
        let engine = concat!("simulated ", env!("CARGO_PKG_VERSION")).to_owned();
        let device = device.to_owned();
        self.say(FromWorker::AttemptStarted(AttemptStarted { lease, slot: number, engine, device }));
        let lines = vec!["simulated engine: pictures are made up".to_owned()];
        self.say(FromWorker::LogLines(LogLines { lease, lines, dropped: 0 }));
    }

    /// A picture is in the spool, or could not be kept.
    pub(super) fn kept(&mut self, slot: usize, picture: &Picture, kept: Result<Entry, String>, now: Now) {
        let (lease, frame) = (picture.lease, picture.frame);
        match kept {
            Ok(entry) => {
                self.outbox.on_spooled(entry, now.mono);
                let state = FrameState::Rendered { render_ms: picture.render_ms, memory_peak_bytes: None };
                self.say(FromWorker::FrameProgress(FrameProgress { lease, frame, state }));
                self.step(slot, Event::FrameSpooled { lease, frame }, now);
            }
            Err(message) => {
                let class = FailureClass::DiskFull;
                self.step(slot, Event::FrameNotSpooled { lease, frame, class, message }, now);
            }
        }
    }
}
