//! Starts the actors, in the order in which they need each other.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use actix_rt::Arbiter;
use pictor_actors::supervise::{Door, Keeping, RestartBudget, keep};
use pictor_actors::units::Millis;

use super::broadcast::Broadcast;
use super::farm::{Farm, FarmParts};
use super::fleet::Fleet;
use super::ports::{HeldBack, Late, Ports, Timing, start_work};
use super::replicas::{self, AnnounceToAll, Peers};
use super::sweeps;
use super::wiring::{Nodes, Wiring};
use super::worker_counts::Counting;

/// Messages that may wait for the fleet: a report of every worker at once.
const FLEET_MAILBOX: usize = 65_536;
/// Announcements that may wait.
const BROADCAST_MAILBOX: usize = 65_536;
/// An actor that there is one of and that does not answer for so long is stuck.
const STUCK_AFTER: Millis = Millis::from_secs(10);

/// Starts everything on a thread of its own.
#[allow(clippy::expect_used)] // without its thread there is no farm, and boot says so
pub(super) fn start(parts: FarmParts) -> Farm {
    let (send, started) = sync_channel(1);
    let is_spawned = Arbiter::new().spawn_fn(move || {
        // The receiver waits below.
        let _ = send.send(start_here(parts));
    });
    assert!(is_spawned, "the farm's thread has ended before it began");
    started.recv().expect("the farm's thread starts its actors")
}

fn start_here(parts: FarmParts) -> Farm {
    let FarmParts { store, blobs, config, clock, metrics, shutdown, replica } = parts;
    let peers = replica.as_ref().map_or_else(Peers::alone, |replica| replica.peers.clone());
    let timing = Timing::of(&config.liveness);
    let broadcast = start_broadcast(&clock, &shutdown);
    let late_fleet = Late::<Fleet>::new();
    let ports = Ports {
        store: store.clone(),
        clock: Arc::clone(&clock),
        fleet: Rc::new(late_fleet.clone()),
        announce: Rc::new(AnnounceToAll { here: broadcast.clone(), peers: peers.clone() }),
        peers: peers.clone(),
        timing,
        held_back: HeldBack::default(),
        shutdown: shutdown.clone(),
    };
    let work = start_work(&ports);
    let wiring = Rc::new(Wiring {
        store: store.clone(),
        clock: Arc::clone(&clock),
        metrics: metrics.clone(),
        timing,
        nodes: Nodes::default(),
        work: work.clone(),
        broadcast: broadcast.clone(),
        peers: peers.clone(),
        fleet: OnceCell::new(),
        shutdown: shutdown.clone(),
    });
    let fleet = start_fleet(&wiring);
    late_fleet.set(fleet.clone());
    sweeps::start(&ports, &work, blobs, config.thumbnails_dir());
    let (nodes, held_back) = (wiring.nodes.clone(), ports.held_back.clone());
    if let Some(replica) = replica {
        replicas::start(&ports, &work, &nodes, &broadcast, replica);
    }
    let counting = Counting::default();
    Farm {
        store,
        clock,
        metrics,
        timing,
        nodes,
        held_back,
        work,
        broadcast,
        fleet,
        peers,
        counting,
        shutdown,
    }
}

fn start_broadcast(
    clock: &Arc<dyn pictor_actors::now::Clock>,
    shutdown: &pictor_actors::supervise::Shutdown,
) -> Door<Broadcast> {
    let clock = Arc::clone(clock);
    keep(keeping("broadcast", BROADCAST_MAILBOX), shutdown, move || {
        let broadcast = Broadcast::new(Arc::clone(&clock));
        async move { Ok(broadcast) }
    })
}

fn start_fleet(wiring: &Rc<Wiring>) -> Door<Fleet> {
    let for_fleet = Rc::clone(wiring);
    let fleet = keep(keeping("fleet", FLEET_MAILBOX), &wiring.shutdown, move || {
        let fleet = Fleet::new(Rc::clone(&for_fleet));
        async move { Ok(fleet) }
    });
    // It is empty: this is the only place that sets it.
    let _ = wiring.fleet.set(fleet.clone());
    fleet
}

fn keeping(name: &'static str, mailbox: usize) -> Keeping {
    Keeping { name, budget: RestartBudget::default(), mailbox, stuck_after: Some(STUCK_AFTER) }
}
