//! Which ready task goes to which free slot: one turn at a time.
//!
//! A wake-up carries no data: each turn asks the fleet what is free and the store what is ready, lets the domain
//! place it, stores the leases and only then offers them. Not here: what becomes of a task after that (the jobs).
#![allow(clippy::todo)]

pub mod messages;

pub use messages::*;

use actix::prelude::{Actor, Context, Handler};
use pictor_actors::supervise::Door;

use super::jobs::Jobs;
use super::ports::Ports;

/// The dispatcher.
#[derive(Debug)]
pub struct Dispatcher {}

/// Starts the dispatcher.
#[must_use]
pub fn start(_ports: &Ports, _jobs: &Door<Jobs>) -> Door<Dispatcher> {
    todo!()
}

impl Actor for Dispatcher {
    type Context = Context<Self>;
}

impl Handler<Wake> for Dispatcher {
    type Result = ();
    fn handle(&mut self, _message: Wake, _context: &mut Context<Self>) {}
}

impl Handler<SlotDeclined> for Dispatcher {
    type Result = ();
    fn handle(&mut self, _message: SlotDeclined, _context: &mut Context<Self>) {}
}
