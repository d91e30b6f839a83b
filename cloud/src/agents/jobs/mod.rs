//! Every live job: a registry and one actor each.
//!
//! The registry starts a job's actor when it hears of the job and lets it go when the job has ended; it hands
//! on what is said to them. With several replicas a job's owner cuts its tasks; the others' actors attend it:
//! they store what they hear and tell the owner to look. Workers' actors, the dispatcher, sweeps and HTTP
//! speak with the registry only. Not here: which task goes where (the dispatcher), what workers are, what a
//! failure means (`pictor_cloud_domain::task`).

mod actor;
mod effects;
mod faults;
mod happened;
mod hearing;
mod lines;
pub mod messages;
mod ownership;
mod registry;
mod tracking;

pub(in crate::agents) use effects::retried;
pub use messages::*;
pub use registry::Jobs;

use std::cell::Cell;
use std::rc::Rc;

use pictor_actors::supervise::{Door, Keeping, RestartBudget, keep};
use pictor_actors::units::Millis;

use self::actor::Parts;
use self::effects::Reach;
use super::dispatcher::Dispatcher;
use super::ports::{Late, Ports};

/// Messages the registry may have waiting: it only hands them on.
const MAILBOX: usize = 8_192;

/// Starts the registry, which starts an actor for each live job of the store.
#[must_use]
pub fn start(ports: &Ports, dispatcher: &Late<Dispatcher>) -> Door<Jobs> {
    let reach = Rc::new(Reach { ports: ports.clone(), dispatcher: Rc::new(dispatcher.clone()) });
    let own = Late::<Jobs>::new();
    let registry = Rc::new(own.clone());
    let keeping = Keeping {
        name: "jobs",
        budget: RestartBudget::default(),
        mailbox: MAILBOX,
        stuck_after: Some(Millis::from_secs(10)),
    };
    let door = keep(keeping, &ports.shutdown, move || {
        let parts = Parts {
            reach: Rc::clone(&reach),
            registry: Rc::clone(&registry) as Rc<_>,
            slots: Rc::new(Cell::new(SlotsSeen::default())),
            owns: Rc::new(Cell::new(true)),
        };
        async move { Ok(Jobs::new(parts)) }
    });
    own.set(door.clone());
    door
}
