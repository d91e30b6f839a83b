//! The pause on its way to the disk: one write at a time, away from the actors' thread, and of those that
//! wait only the newest.

use std::io;

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::prelude::{AsyncContext, Context, Handler, Message};
use pictor_actors::supervise::{Holding, Phase as StopPhase};
use pictor_worker_domain::presence::Span;

use super::actor::Coordinator;
use crate::config::pause;

/// What is written, and what comes after it.
#[derive(Default)]
pub(super) struct PauseFile {
    /// A write is under way: a stop waits for it.
    writing: Option<Holding>,
    next: Option<Option<Span>>,
}

/// A write is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct PauseWritten(io::Result<()>);

impl Coordinator {
    pub(super) fn save_pause(&mut self, span: Option<Span>, context: &mut Context<Self>) {
        if self.pause_file.writing.is_some() {
            self.pause_file.next = Some(span);
            return;
        }
        self.pause_file.writing = Some(self.place.shutdown.hold(StopPhase::Draining, "the pause's file"));
        let data = self.place.data.clone();
        let writing = tokio::task::spawn_blocking(move || pause::save(&data, span));
        context.spawn(writing.into_actor(self).map(|written, _, context| {
            context.notify(PauseWritten(written.unwrap_or_else(|error| Err(io::Error::other(error)))));
        }));
    }
}

impl Handler<PauseWritten> for Coordinator {
    type Result = ();

    fn handle(&mut self, PauseWritten(written): PauseWritten, context: &mut Context<Self>) {
        if let Err(error) = written {
            tracing::error!(%error, "the pause could not be written down: it ends with this run");
        }
        let hold = self.pause_file.writing.take();
        if let Some(span) = self.pause_file.next.take() {
            self.save_pause(span, context);
        }
        drop(hold);
    }
}
