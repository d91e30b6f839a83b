//! How the actors that hand out work reach the others: by what can be asked, not by who answers.
//!
//! A door names its actor's type, and fleet, jobs and dispatcher know each other in a circle; so each holds
//! the others as [`Ask`] of the messages it sends. A [`Late`] stands for a door that is opened after those
//! who hold it. Tests put listening actors there.

use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use actix::dev::ToEnvelope;
use actix::prelude::{Actor, Handler, Message};
use futures_util::future::LocalBoxFuture;
use pictor_actors::now::Clock;
use pictor_actors::supervise::{Door, DoorError, Shutdown};
use pictor_actors::units::Millis;
use pictor_cloud_domain::liveness::{HeartbeatPolicy, Hold, LivenessLimits};

use super::broadcast::Announce;
use super::dispatcher::{self, Dispatcher};
use super::fleet::{CancelLease, GetCapacity, GetRenewals, LeasesEnded, OfferTasks, RestWorker};
use super::jobs::{self, Jobs};
use super::replicas::Peers;
use crate::config::LivenessConfig;
use crate::store::Store;

/// A lease outlives so many intervals of heartbeats.
const BEATS_OF_A_LEASE: u64 = 4;
/// Another actor is waited for at most this long.
pub const ANSWER_WITHIN: Millis = Millis::from_secs(5);

/// Whoever takes a message and answers it.
pub trait Ask<M: Message> {
    /// The answer; or why there is none, after which nobody knows whether the message was handled.
    fn ask(&self, message: M) -> LocalBoxFuture<'static, Result<M::Result, DoorError>>;
}

impl<A, M> Ask<M> for Door<A>
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn ask(&self, message: M) -> LocalBoxFuture<'static, Result<M::Result, DoorError>> {
        let door = self.clone();
        Box::pin(async move { Self::ask(&door, message, ANSWER_WITHIN).await })
    }
}

/// A door that is opened later. Clones are the same one; before it is set it answers as one that is being
/// rebuilt.
pub struct Late<A: Actor>(Arc<OnceLock<Door<A>>>);

impl<A: Actor> Late<A> {
    /// Not set yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(OnceLock::new()))
    }

    /// Sets the door; only the first one counts.
    pub fn set(&self, door: Door<A>) {
        // A second call is a fault of the start-up code that changes nothing.
        let _ = self.0.set(door);
    }
}

impl<A: Actor> Default for Late<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Actor> Clone for Late<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A, M> Ask<M> for Late<A>
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn ask(&self, message: M) -> LocalBoxFuture<'static, Result<M::Result, DoorError>> {
        match self.0.get() {
            Some(door) => Ask::ask(door, message),
            None => Box::pin(std::future::ready(Err(DoorError::Restarting))),
        }
    }
}

/// What jobs, dispatcher and sweeps ask of the fleet.
#[rustfmt::skip] // it would make one line of it, which is too long
pub trait FleetPort:
    Ask<GetCapacity>
    + Ask<OfferTasks>
    + Ask<CancelLease>
    + Ask<LeasesEnded>
    + Ask<RestWorker>
    + Ask<GetRenewals>
{
}

impl<T> FleetPort for T where
    T: Ask<GetCapacity>
        + Ask<OfferTasks>
        + Ask<CancelLease>
        + Ask<LeasesEnded>
        + Ask<RestWorker>
        + Ask<GetRenewals>
{
}

/// The times that decide how silence is judged.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// When a silent worker is stale, when offline.
    pub limits: LivenessLimits,
    /// How often workers speak.
    pub policy: HeartbeatPolicy,
    /// Silence after which a lease is lost, at least; longer for long frames.
    pub lease_ttl: Millis,
    /// Nothing is taken away for so long after a start, and after a time in which this process was away.
    pub patience: Millis,
}

impl Timing {
    /// As configured.
    #[must_use]
    pub fn of(config: &LivenessConfig) -> Self {
        Self {
            limits: LivenessLimits {
                stale_after: Millis(config.stale_after_ms),
                offline_after: Millis(config.offline_after_ms),
            },
            policy: HeartbeatPolicy::new(Millis(config.heartbeat_ms))
                .with_rate(config.heartbeats_per_second_max),
            lease_ttl: Millis(config.lease_ttl_ms),
            patience: Millis(config.patience_ms),
        }
    }
}

impl Timing {
    /// Silence after which a lease is lost, at least: never so soon that a lost heartbeat or two cost it,
    /// also where many workers speak seldom.
    #[must_use]
    pub fn lost_after_least(&self, interval: Millis) -> Millis {
        self.lease_ttl.max(Millis(interval.0.saturating_mul(BEATS_OF_A_LEASE)))
    }
}

/// Why no lease is taken from a silent worker at present: set by the sweep, shown to operators. Clones share
/// it.
#[derive(Debug, Clone, Default)]
pub struct HeldBack(Arc<Mutex<Option<Hold>>>);

impl HeldBack {
    /// The reason, if there is one.
    #[must_use]
    pub fn why(&self) -> Option<Hold> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the present reason; gives the one before.
    pub fn set(&self, hold: Option<Hold>) -> Option<Hold> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), hold)
    }
}

/// What jobs, dispatcher and sweeps are started with.
#[derive(Clone)]
pub struct Ports {
    /// The truth.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The workers: the fleet's door, or a [`Late`] of it.
    pub fleet: Rc<dyn FleetPort>,
    /// Live events.
    pub announce: Rc<dyn Ask<Announce>>,
    /// The other replicas.
    pub peers: Peers,
    /// How silence is judged.
    pub timing: Timing,
    /// What the sweep of leases shows of its brake.
    pub held_back: HeldBack,
    /// Ends all.
    pub shutdown: Shutdown,
}

/// The actors that hand out work.
#[derive(Debug, Clone)]
pub struct WorkDoors {
    /// Every live job.
    pub jobs: Door<Jobs>,
    /// Which task goes where.
    pub dispatcher: Door<Dispatcher>,
}

/// Starts jobs and dispatcher; on a thread with a `LocalSet`.
#[must_use]
pub fn start_work(ports: &Ports) -> WorkDoors {
    let late = Late::<Dispatcher>::new();
    let jobs = jobs::start(ports, &late);
    let dispatcher = dispatcher::start(ports, &jobs);
    late.set(dispatcher.clone());
    WorkDoors { jobs, dispatcher }
}
