//! Does what the slot's machine decided: words to the cloud, fetches, frames into the spool.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::prelude::{AsyncContext, Context};
use pictor_actors::protocol::{AttemptEnded, AttemptStarted, Decline, FailureClass, FromWorker, LeaseRef};
use pictor_worker_domain::slot::{Effect, Event};

use super::actor::Runner;
use super::messages::{FrameKept, InputsBrought};
use super::report::Pace;
use crate::spool::{FrameFacts, SpoolError};

impl Runner {
    pub(super) fn run(&mut self, effect: Effect, context: &mut Context<Self>) {
        match effect {
            Effect::Accept(lease) => self.say(FromWorker::Accept(lease)),
            Effect::Decline(lease, reason) => self.say(FromWorker::Decline(Decline { lease, reason })),
            Effect::FetchInputs(lease) => self.fetch_inputs(lease, context),
            Effect::ReleaseInputs(lease) => self.release_inputs(lease, context),
            Effect::StartEngine(lease) => self.start_engine(lease, context),
            Effect::KillEngine => self.kill_engine(context),
            Effect::RenderFrame { lease, frame } => {
                self.engine.serves(lease);
                if let Err(failure) = self.engine.render(frame) {
                    let (class, message) = (failure.class, failure.message);
                    self.step(Event::EngineFailed { class, message, frame: Some(frame) }, context);
                }
            }
            Effect::SpoolFrame { lease, frame } => self.spool_frame(lease, frame, context),
            Effect::ReportStarted(lease) => {
                self.pace = Pace::default();
                let (engine, device) = self.engine.names().unwrap_or_default();
                let started = AttemptStarted { lease, slot: self.number, engine, device };
                self.say(FromWorker::AttemptStarted(started));
            }
            Effect::ReportEnded(lease, outcome) => {
                if let Some(lines) = self.log.take_of(lease) {
                    self.say(FromWorker::LogLines(lines));
                }
                self.engine.serves_no_more(lease);
                self.say(FromWorker::AttemptEnded(AttemptEnded { lease, outcome }));
            }
            Effect::Closed => tracing::debug!(slot = self.number, "slot closed"),
        }
    }

    fn fetch_inputs(&mut self, lease: LeaseRef, context: &mut Context<Self>) {
        let Some(held) = self.leases.get(&lease.lease) else { return };
        let (inputs, job, manifest) = (Arc::clone(&self.place.inputs), held.spec.job, held.spec.inputs);
        let fetching = async move { inputs.bring(lease.lease, job, manifest).await };
        let fetch = context.spawn(
            fetching
                .into_actor(self)
                .map(move |brought, _, context| context.notify(InputsBrought { lease, brought })),
        );
        if let Some(held) = self.leases.get_mut(&lease.lease) {
            held.fetch = Some(fetch);
        }
    }

    fn release_inputs(&mut self, lease: LeaseRef, context: &mut Context<Self>) {
        self.place.inputs.release(lease.lease);
        if let Some(fetch) = self.leases.remove(&lease.lease).and_then(|held| held.fetch) {
            context.cancel_future(fetch);
        }
    }

    fn spool_frame(&mut self, lease: LeaseRef, frame: i32, context: &mut Context<Self>) {
        let (Some(held), Some(written)) = (self.leases.get(&lease.lease), self.engine.take_written(frame))
        else {
            let message = "the frame's file is not known".to_owned();
            let class = FailureClass::WorkerError;
            self.step(Event::FrameNotSpooled { lease, frame, class, message }, context);
            return;
        };
        let facts = FrameFacts {
            lease,
            task: held.spec.task,
            job: held.spec.job,
            frame,
            format: held.spec.render.format,
            render_ms: written.render_ms,
        };
        self.pace.rendered(written.render_ms);
        self.hold_for_keeping();
        let (spool, now) = (self.place.spool.clone(), self.place.clock.now().wall);
        let memory_peak_bytes = written.memory_peak_bytes;
        let keeping = tokio::task::spawn_blocking(move || spool.keep(&written.path, &facts, now));
        context.spawn(keeping.into_actor(self).map(move |kept, _, context| {
            let kept = kept.unwrap_or_else(|error| Err(SpoolError::Io(io::Error::other(error))));
            context.notify(FrameKept { lease, frame, memory_peak_bytes, kept });
        }));
    }

    pub(super) fn work_folder(&self) -> PathBuf {
        self.place.data.work().join(format!("slot-{}", self.number))
    }

    /// What an earlier life left is of no use: frames count only in the spool.
    pub(super) fn clear_work_folder(&self) {
        self.throw_away(&[self.work_folder()]);
    }

    /// Takes folders out of the way at once and removes them elsewhere, with what earlier removals left: a
    /// folder may hold thousands of files on a slow disk.
    pub(super) fn throw_away(&self, folders: &[PathBuf]) {
        let (slot, trash) = (self.number, self.place.data.work().join(format!("slot-{}-old", self.number)));
        let _ = fs::create_dir_all(&trash); // renaming tells
        for folder in folders {
            let place = trash.join(format!("{:016x}", crate::random()));
            match fs::rename(folder, place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(slot, %error, "an old work folder could not be put away");
                }
                Ok(()) | Err(_) => {}
            }
        }
        tokio::task::spawn_blocking(move || match fs::read_dir(&trash) {
            Ok(entries) => entries.flatten().for_each(|entry| {
                // Two may be at it at once.
                let _ = fs::remove_dir_all(entry.path());
            }),
            Err(error) => tracing::warn!(slot, %error, "old work folders could not be removed"),
        });
    }
}

/// Class and words for a frame that could not be kept.
pub(super) fn not_kept(error: &SpoolError) -> (FailureClass, String) {
    match error {
        SpoolError::DiskFull(_) => (FailureClass::DiskFull, error.to_string()),
        SpoolError::Io(source) => (FailureClass::WorkerError, format!("{error}: {source}")),
    }
}
