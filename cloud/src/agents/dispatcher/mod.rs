//! Which ready task goes to which free slot: one turn at a time.
//!
//! A wake-up carries no data: each turn asks the fleet what is free and the store what is ready, lets the
//! domain place it, stores the leases and only then offers them. Not here: what becomes of a task after that
//! (the jobs).

mod actor;
pub mod messages;
mod turn;

pub use actor::Dispatcher;
pub use messages::*;

use std::rc::Rc;

use pictor_actors::supervise::{Door, Keeping, RestartBudget, keep};
use pictor_actors::units::Millis;

use self::turn::Reach;
use super::jobs::Jobs;
use super::ports::Ports;

/// Wake-ups that may wait; they say nothing, so one more than none is enough.
const MAILBOX: usize = 1_024;

/// Starts the dispatcher.
#[must_use]
pub fn start(ports: &Ports, jobs: &Door<Jobs>) -> Door<Dispatcher> {
    let reach = Rc::new(Reach { ports: ports.clone(), jobs: jobs.clone() });
    let keeping = Keeping {
        name: "dispatcher",
        budget: RestartBudget::default(),
        mailbox: MAILBOX,
        stuck_after: Some(Millis::from_secs(10)),
    };
    keep(keeping, &ports.shutdown, move || {
        let reach = Rc::clone(&reach);
        async move { Ok(Dispatcher::new(reach)) }
    })
}
