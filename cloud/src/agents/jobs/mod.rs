//! Every live job: a registry and one actor each.
//!
//! The registry starts a job's actor when it hears of the job and lets it go when the job has ended; it hands on what
//! is said to them. Not here: which task goes where (the dispatcher), what workers are.
#![allow(clippy::todo)]

pub mod messages;

pub use messages::*;

use actix::prelude::{Actor, Context, Handler, ResponseFuture};
use pictor_actors::supervise::Door;

use super::dispatcher::Dispatcher;
use super::job_live::JobLive;
use super::ports::{Late, Ports};

/// The registry.
#[derive(Debug)]
pub struct Jobs {}

/// Starts the registry, which starts an actor for each live job of the store.
#[must_use]
pub fn start(_ports: &Ports, _dispatcher: &Late<Dispatcher>) -> Door<Jobs> {
    todo!()
}

impl Actor for Jobs {
    type Context = Context<Self>;
}

macro_rules! handle {
    ($($message:ty),+) => { $(
        impl Handler<$message> for Jobs {
            type Result = ();
            fn handle(&mut self, _message: $message, _context: &mut Context<Self>) {}
        }
    )+ };
}

handle!(JobChanged, AttemptSaid, FrameStored, LeasesGranted, LeasesReleased, JobsWait, JobEnded);

impl Handler<GetJobLive> for Jobs {
    type Result = ResponseFuture<Option<JobLive>>;
    fn handle(&mut self, _message: GetJobLive, _context: &mut Context<Self>) -> Self::Result {
        Box::pin(std::future::ready(None))
    }
}
