//! The engine of a slot: from its start to its last word. Each one has a number, so that what a dead one
//! still says is told apart from what the living one says.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::prelude::{AsyncContext, Context, Handler, SpawnHandle};
use futures_util::stream;
use pictor_actors::now::Mono;
use pictor_actors::protocol::outcome::FrameState;
use pictor_actors::protocol::{
    FailureClass, FrameProgress, FromWorker, LeaseRef, Software, TaskSpec, TaskWarning,
};
use pictor_actors::units::Millis;
use pictor_worker_domain::slot::{Engine as EngineState, Event};
use tokio::sync::mpsc;

use super::actor::Runner;
use super::messages::{EngineGone, EngineSaid, EngineStarted};
use crate::engines::{EngineEvent, EngineFailure, EngineRequest, EngineSession};

/// Words of an engine that wait: log lines above it are dropped, everything else makes the engine wait.
const EVENTS: usize = 64;
/// Progress of one frame is passed on at most this often.
const PROGRESS_APART: Millis = Millis::from_secs(1);

/// The engine in hand.
#[derive(Default)]
pub(super) struct EngineInHand {
    number: u64,
    /// For whom it works: what it says is said for this lease. Nobody: what a warm or killed one says then is
    /// nobody's.
    lease: Option<LeaseRef>,
    session: Option<Box<dyn EngineSession>>,
    starting: Option<SpawnHandle>,
    /// It said that it is gone before the answer to its start came: that answer has the reason.
    is_gone_early: bool,
    names: Option<(String, String)>,
    is_ready: bool,
    written: BTreeMap<i32, Written>,
    progress_said_at: Option<Mono>,
    /// The folders of engines up to this number are removed.
    cleared: u64,
}

/// A frame's file that is not in the spool yet.
pub(super) struct Written {
    pub path: PathBuf,
    pub render_ms: u64,
    pub memory_peak_bytes: Option<u64>,
}

impl EngineInHand {
    /// Whether this is its number.
    pub(super) const fn is(&self, number: u64) -> bool {
        self.number == number
    }

    /// Program and device, once it said so.
    pub(super) fn names(&self) -> Option<(String, String)> {
        self.names.clone()
    }

    pub(super) fn serves(&mut self, lease: LeaseRef) {
        self.lease = Some(lease);
    }

    pub(super) fn serves_no_more(&mut self, lease: LeaseRef) {
        self.lease.take_if(|served| *served == lease);
    }

    pub(super) fn render(&mut self, frame: i32) -> Result<(), EngineFailure> {
        let Some(session) = &mut self.session else {
            return Err(EngineFailure::new(FailureClass::WorkerError, "there is no engine"));
        };
        session.render(frame)
    }

    pub(super) fn take_written(&mut self, frame: i32) -> Option<Written> {
        self.written.remove(&frame)
    }
}

impl Runner {
    pub(super) fn start_engine(&mut self, lease: LeaseRef, context: &mut Context<Self>) {
        let number = self.engine.number + 1;
        self.clear_old_folders();
        // Files of engines before may still be on their way into the spool.
        let written = std::mem::take(&mut self.engine.written);
        let cleared = self.engine.cleared;
        self.engine =
            EngineInHand { number, lease: Some(lease), written, cleared, ..EngineInHand::default() };
        let request = match self.request(lease, number) {
            Ok(request) => request,
            Err(failure) => {
                let (class, message) = (failure.class, failure.message);
                self.step(Event::EngineFailed { class, message, frame: None }, context);
                return;
            }
        };
        let (say, said) = mpsc::channel(EVENTS);
        let events =
            stream::unfold(said, |mut said| async move { said.recv().await.map(|event| (event, said)) });
        context.add_message_stream(futures_util::StreamExt::map(events, move |event| EngineSaid {
            engine: number,
            event,
        }));
        let starting = self.place.engine.start(request, say);
        self.engine.starting =
            Some(context.spawn(
                starting.into_actor(self).map(move |started, _, context| {
                    context.notify(EngineStarted { engine: number, started })
                }),
            ));
    }

    pub(super) fn kill_engine(&mut self, context: &mut Context<Self>) {
        if self.slot.work().is_some() {
            tracing::info!(slot = self.number, "the engine's process is ended; a new one goes on");
        }
        if let Some(session) = &mut self.engine.session {
            session.kill();
            return; // its last word is that it is gone
        }
        if let Some(starting) = self.engine.starting.take() {
            context.cancel_future(starting);
        }
        context.notify(EngineGone { engine: self.engine.number });
    }

    fn request(&self, lease: LeaseRef, number: u64) -> Result<EngineRequest, EngineFailure> {
        let missing = |what: &str| EngineFailure::new(FailureClass::WorkerError, what);
        let held = self.leases.get(&lease.lease).ok_or_else(|| missing("the lease is not known"))?;
        let inputs = held.inputs.as_ref().ok_or_else(|| missing("the inputs are not in place"))?;
        let known = self.place.known();
        let slot = known.slots.iter().find(|slot| slot.slot == self.number);
        let slot = slot.ok_or_else(|| missing("the slot is not known"))?.clone();
        let software = known.software.iter().map(|found| found.on(&slot, &known.facts));
        let software = suitable(software, &held.spec)?;
        drop(known);
        let work = self.work_folder();
        let [output_dir, scratch_dir] = folders(&work, number);
        fs::create_dir_all(&output_dir).and_then(|()| fs::create_dir_all(&scratch_dir)).map_err(on_disk)?;
        Ok(EngineRequest {
            software,
            slot,
            scene: inputs.scene.clone(),
            inputs_dir: inputs.folder.clone(),
            output_dir,
            scratch_dir,
            render: held.spec.render.clone(),
            limits: held.spec.limits,
        })
    }

    /// Removes what engines before left, once all their frames are kept: a disk may be slow, and processes
    /// may be replaced fast.
    fn clear_old_folders(&mut self) {
        if self.keeping > 0 {
            return;
        }
        let work = self.work_folder();
        let numbers = self.engine.cleared + 1..=self.engine.number;
        let rest: Vec<PathBuf> = numbers.flat_map(|number| folders(&work, number)).collect();
        if !rest.is_empty() {
            self.throw_away(&rest);
        }
        self.engine.cleared = self.engine.number;
    }

    fn engine_said(&mut self, event: EngineEvent, context: &mut Context<Self>) {
        let lease = self.engine.lease;
        match event {
            EngineEvent::Ready { engine, device } => {
                self.engine.names = Some((engine, device));
                self.ready_if_both(context);
            }
            EngineEvent::Warning { class, text } => {
                if let Some(lease) = lease {
                    self.say(FromWorker::Warning(TaskWarning { lease, class, text }));
                }
            }
            EngineEvent::FrameStarted { frame } => {
                let now = self.place.clock.now();
                self.pace.begun(now.wall);
                self.engine.progress_said_at = Some(now.mono);
                self.log_frame(lease, frame, None);
                self.say_progress(lease, frame, FrameState::Started);
            }
            EngineEvent::Progress { frame, done, samples, text } => {
                self.pace.frame_done = done.or(self.pace.frame_done);
                let now = self.place.clock.now();
                self.progress_at = now;
                let last = self.engine.progress_said_at.unwrap_or_default();
                if now.elapsed(last) >= PROGRESS_APART {
                    self.engine.progress_said_at = Some(now.mono);
                    self.say_progress(lease, frame, FrameState::Rendering { done, samples, text });
                    self.report();
                }
            }
            EngineEvent::FrameWritten { frame, path, render_ms, memory_peak_bytes } => {
                self.log_frame(lease, frame, Some(render_ms));
                self.engine.written.insert(frame, Written { path, render_ms, memory_peak_bytes });
                self.step(Event::FrameWritten { frame }, context);
            }
            EngineEvent::Worn { text } => {
                tracing::info!(
                    slot = self.number,
                    "the engine's process is replaced before its next frame: {text}"
                );
                self.step(Event::EngineWorn, context);
            }
            EngineEvent::Log(line) => self.log(lease, &line, context),
            EngineEvent::Failed(failure) => self.engine_failed(failure, context),
            EngineEvent::Exited if self.engine.starting.is_some() => self.engine.is_gone_early = true,
            EngineEvent::Exited => self.engine_exited(context),
        }
    }

    fn engine_exited(&mut self, context: &mut Context<Self>) {
        self.engine.session = None;
        if self.slot.engine != EngineState::Absent {
            self.step(Event::EngineExited, context);
        }
    }

    /// A frame begins, or its file is there after so many milliseconds. Programs read these two lines by
    /// their words and fields: only here is the moment known to the millisecond.
    fn log_frame(&self, lease: Option<LeaseRef>, frame: i32, render_ms: Option<u64>) {
        let Some((lease, held)) = lease.and_then(|lease| Some((lease.lease, self.leases.get(&lease.lease)?)))
        else {
            return;
        };
        let TaskSpec { job, task, .. } = &held.spec;
        let slot = self.number;
        match render_ms {
            None => {
                tracing::info!(
                    job.id = %job, task.id = %task, lease.id = %lease, slot, frame, "frame started"
                );
            }
            Some(render_ms) => tracing::info!(
                job.id = %job, task.id = %task, lease.id = %lease, slot, frame, render_ms, "frame rendered"
            ),
        }
    }

    fn say_progress(&self, lease: Option<LeaseRef>, frame: i32, state: FrameState) {
        if let Some(lease) = lease {
            self.say(FromWorker::FrameProgress(FrameProgress { lease, frame, state }));
        }
    }

    fn engine_failed(&mut self, failure: EngineFailure, context: &mut Context<Self>) {
        tracing::warn!(slot = self.number, %failure, frame = failure.frame, "the engine failed");
        let EngineFailure { class, message, frame } = failure;
        self.step(Event::EngineFailed { class, message, frame }, context);
    }

    /// A session counts as ready when it is in hand *and* has said what it renders on: the two come by
    /// different ways.
    fn ready_if_both(&mut self, context: &mut Context<Self>) {
        if self.engine.session.is_some() && self.engine.names.is_some() && !self.engine.is_ready {
            self.engine.is_ready = true;
            self.step(Event::EngineReady, context);
        }
    }
}

impl Handler<EngineStarted> for Runner {
    type Result = ();

    fn handle(&mut self, EngineStarted { engine, started }: EngineStarted, context: &mut Context<Self>) {
        if !self.engine.is(engine) {
            return; // dropping a session kills its process
        }
        self.engine.starting = None;
        match started {
            Ok(session) => {
                self.engine.session = Some(session);
                self.ready_if_both(context);
            }
            Err(failure) => self.engine_failed(failure, context),
        }
        if std::mem::take(&mut self.engine.is_gone_early) {
            self.engine_exited(context);
        }
    }
}

impl Handler<EngineSaid> for Runner {
    type Result = ();

    fn handle(&mut self, EngineSaid { engine, event }: EngineSaid, context: &mut Context<Self>) {
        if self.engine.is(engine) {
            self.engine_said(event, context);
        }
    }
}

/// Where the engine of this number puts its frames, and its temporary files.
fn folders(work: &Path, number: u64) -> [PathBuf; 2] {
    [work.join(format!("out-{number}")), work.join(format!("tmp-{number}"))]
}

/// The first program that can do what the task asks; the newest stands first.
fn suitable(
    mut software: impl Iterator<Item = Software>,
    spec: &TaskSpec,
) -> Result<Software, EngineFailure> {
    let can = |software: &Software| match spec.render.engine {
        Some(engine) => software.engines.contains(&engine),
        None => !software.engines.is_empty(),
    };
    software.find(can).ok_or_else(|| {
        let message = match spec.render.engine {
            Some(engine) => format!("no program on this machine renders with {engine:?} on this slot"),
            None => "no Blender was found on this machine".to_owned(),
        };
        EngineFailure::new(FailureClass::EngineNotAvailable, message)
    })
}

fn on_disk(error: io::Error) -> EngineFailure {
    let class =
        if crate::spool::is_disk_full(&error) { FailureClass::DiskFull } else { FailureClass::WorkerError };
    EngineFailure::new(class, format!("the slot's work folder cannot be made: {error}"))
}
