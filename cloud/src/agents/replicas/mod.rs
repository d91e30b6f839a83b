//! This process among the others on the same database: its lease, what it knows of them, what they tell it.
//!
//! Jobs are owned: the owner cuts tasks and looks after the job; on every other replica that has something to
//! do with the job (a worker at it, a frame brought, a page) an actor of the same kind attends it, which
//! stores what it hears and tells the owner to look. Workers belong to the replica that has their socket. A
//! cloud on SQLite is alone and owns everything.

mod hearing;
mod lease;
mod peers;

pub use lease::{LEASE, Lease};
pub use peers::{Peers, Seen, Share};

use futures_util::future::LocalBoxFuture;
use pictor_actors::ids::ReplicaId;
use pictor_actors::periodic::Periodic;
use pictor_actors::supervise::{Door, DoorError, Phase};
use pictor_actors::units::Millis;

use self::hearing::Listeners;
use self::lease::BEAT_EVERY;
use super::broadcast::{Announce, Broadcast};
use super::ports::{Ask, Ports, WorkDoors};
use super::wiring::Nodes;
use crate::bus::{Heard, Nudge};

/// Who this process is, and the way to the others.
pub struct Replica {
    /// Its name.
    pub id: ReplicaId,
    /// How it is reached, for people.
    pub address: String,
    /// What it tells the others, and what they know of each other.
    pub peers: Peers,
    /// What the others say.
    pub heard: Heard,
}

/// Keeps the lease until a stop is asked for, and then hands everything over; listens to the others. On a
/// thread with a `LocalSet`.
pub(super) fn start(
    ports: &Ports,
    doors: &WorkDoors,
    nodes: &Nodes,
    broadcast: &Door<Broadcast>,
    replica: Replica,
) {
    let Replica { id, address, heard, .. } = replica;
    let lease = Lease::new(ports.clone(), doors.clone(), id, &address);
    let shutdown = ports.shutdown.clone();
    // Held from the start: the stop may be conducted before the task hears of it.
    let held = shutdown.hold(Phase::Draining, "lease of the replica");
    actix_rt::spawn(async move {
        let (periodic, _) = Periodic::new(BEAT_EVERY);
        let beating = lease.clone();
        let beat = move |_| beating.clone().pass();
        periodic.run("lease of the replica", shutdown.clone(), || Millis(0), beat).await;
        lease.end().await;
        drop(held);
    });
    let listeners = Listeners { doors: doors.clone(), nodes: nodes.clone(), broadcast: broadcast.clone() };
    actix_rt::spawn(listeners.listen(heard));
}

/// Announces here and to the other replicas.
pub(super) struct AnnounceToAll {
    pub here: Door<Broadcast>,
    pub peers: Peers,
}

impl Ask<Announce> for AnnounceToAll {
    fn ask(&self, announce: Announce) -> LocalBoxFuture<'static, Result<(), DoorError>> {
        self.peers.tell(Nudge::Live { account: announce.account, event: announce.event });
        Ask::ask(&self.here, announce)
    }
}
