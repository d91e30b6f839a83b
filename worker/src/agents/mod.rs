//! The actors of a worker and the place they work in.
//!
//! ```text
//!            Offer, Cancel              Offered, Cancelled
//!   Link <------------------> Coordinator <-----------------> Runner (one per slot) --- engine
//!     socket    FromWorker      |      ^  ^   said, report      |
//!                               |      |  +-- Sampler           | FrameSpooled
//!                               +----> Uploader <---------------+
//! ```
//!
//! The coordinator owns the connection's state and every word to the cloud; runners own leases in hand; the
//! uploader owns finished frames. All live on one thread; whatever blocks is done elsewhere and comes back as
//! a message.

pub mod coordinator;
pub mod link;
pub mod runner;
pub mod sampler;
pub mod uploader;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use actix::dev::ToEnvelope;
use actix::prelude::{Actor, Handler, Message};
use pictor_actors::now::Clock;
use pictor_actors::protocol::{MachineFacts, Refusal, SearchPhase, SlotFacts};
use pictor_actors::supervise::{Door, Keeping, RestartBudget, Shutdown, keep};
use pictor_actors::units::{Millis, UnixMillis};
use tokio::sync::watch;

use crate::cloud::Cloud;
use crate::config::{DataDir, Identity, Key, Settings};
use crate::engines::Engine;
use crate::inputs::Inputs;
use crate::machine::{FoundSoftware, Machine, SlotPolicy};
use crate::spool::Spool;

/// Messages that may wait for one actor: a slot says a few things a second, so this is minutes of a blocked
/// actor.
const MAILBOX: usize = 1_024;
/// Handlers take milliseconds; one that takes this long never ends.
const STUCK_AFTER: Millis = Millis::from_secs(30);

/// What all actors of a worker share. Nothing in it changes but what says so.
pub struct Workplace {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where things lie.
    pub data: DataDir,
    /// Who this worker is.
    pub identity: Identity,
    /// Its key.
    pub key: Key,
    /// What its owner set.
    pub settings: Settings,
    /// Finished frames.
    pub spool: Spool,
    /// Input files.
    pub inputs: Arc<Inputs>,
    /// Calls to the cloud.
    pub cloud: Arc<Cloud>,
    /// What renders.
    pub engine: Arc<dyn Engine>,
    /// Whatever answers for the machine. A driver may hang with it: never locked on the actors' thread.
    pub machine: Arc<Mutex<Box<dyn Machine>>>,
    /// How slots follow from its facts.
    pub slot_policy: SlotPolicy,
    /// What is known of it; changes when software is found later.
    pub known: Mutex<Known>,
    /// True while a slot has a lease.
    pub busy: watch::Sender<bool>,
    /// Since when this process runs.
    pub started_at: UnixMillis,
    /// The order to stop.
    pub shutdown: Shutdown,
    /// How often the link was started; from the second time on a socket was lost with it.
    pub link_lives: AtomicU32,
    /// The uploader has read the spool at least once.
    pub is_spool_read: AtomicBool,
    /// The cloud's refusal for ever, if it said one: the process ends with its own code.
    pub barred: OnceLock<Refusal>,
    /// Set once, when all actors are kept.
    pub doors: OnceLock<Doors>,
}

/// What is known of the machine.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Its facts, software included.
    pub facts: MachineFacts,
    /// Its slots, with those switched off that the owner switched off.
    pub slots: Vec<SlotFacts>,
    /// Programs that render.
    pub software: Vec<FoundSoftware>,
    /// Rises with each change.
    pub revision: u64,
}

/// Where each actor's messages go in.
pub struct Doors {
    /// Owns the connection's state and all words to the cloud.
    pub coordinator: Door<coordinator::Coordinator>,
    /// Owns the socket.
    pub link: Door<link::Link>,
    /// One per slot.
    pub runners: BTreeMap<u16, Door<runner::Runner>>,
    /// Owns finished frames.
    pub uploader: Door<uploader::Uploader>,
}

impl Known {
    /// Whether there is a program that renders anything.
    #[must_use]
    pub fn can_render(&self) -> bool {
        self.software.iter().any(FoundSoftware::renders)
    }

    /// Whether the look for such programs goes on.
    #[must_use]
    pub fn is_searching(&self) -> bool {
        self.facts.software_search == Some(SearchPhase::Running)
    }
}

impl Workplace {
    /// The actors' doors; every actor starts after they are set.
    ///
    /// # Panics
    /// Before [`start`].
    #[must_use]
    pub fn doors(&self) -> &Doors {
        self.doors.get().expect("actors run only after their doors are set")
    }

    /// What is known of the machine now.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts all actors. Must be called on a thread with a `LocalSet`.
pub fn start(place: &Arc<Workplace>) {
    let slots: Vec<u16> = place.known().slots.iter().map(|slot| slot.slot).collect();
    let shutdown = &place.shutdown;
    let doors = Doors {
        link: keep(keeping("link"), shutdown, factory(place, link::Link::new)),
        runners: slots
            .into_iter()
            .map(|slot| {
                let make = move |place| runner::Runner::new(place, slot);
                (slot, keep(keeping("runner"), shutdown, factory(place, make)))
            })
            .collect(),
        uploader: keep(keeping("uploader"), shutdown, factory(place, uploader::Uploader::new)),
        // Last: when it begins to speak, the others' doors are open.
        coordinator: keep(keeping("coordinator"), shutdown, factory(place, coordinator::Coordinator::new)),
    };
    // The keepers have been spawned and not polled: no actor lives yet.
    let _ = place.doors.set(doors);
    keep(keeping("sampler"), shutdown, factory(place, sampler::Sampler::new));
}

fn keeping(name: &'static str) -> Keeping {
    Keeping { name, budget: RestartBudget::default(), mailbox: MAILBOX, stuck_after: Some(STUCK_AFTER) }
}

fn factory<A>(
    place: &Arc<Workplace>,
    make: impl Fn(Arc<Workplace>) -> A + 'static,
) -> impl FnMut() -> std::future::Ready<Result<A, pictor_actors::supervise::BuildError>> + 'static {
    let place = Arc::clone(place);
    move || std::future::ready(Ok(make(Arc::clone(&place))))
}

/// Tells an actor something. A mailbox that is full, or an actor that is being rebuilt, loses it: whoever is
/// rebuilt asks the others how they stand, so this costs a wait and no work.
pub(crate) fn tell<A, M>(door: &Door<A>, message: M)
where
    M: Message + Send + 'static,
    M::Result: Send,
    A: Handler<M>,
    A::Context: ToEnvelope<A, M>,
    A: Actor,
{
    if let Err(error) = door.try_send(message) {
        tracing::warn!(%error, kind = std::any::type_name::<M>(), "a message was not taken");
    }
}
