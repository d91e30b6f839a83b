//! What the workers' actors and the fleet are started with, and how they reach the others.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use pictor_actors::ids::WorkerId;
use pictor_actors::now::{Clock, Now};
use pictor_actors::supervise::{Door, Shutdown};

use super::broadcast::Broadcast;
use super::fleet::Fleet;
use super::ports::{Timing, WorkDoors};
use super::replicas::Peers;
use super::worker_node::WorkerNode;
use crate::store::Store;
use crate::telemetry::Metrics;

/// Shared by the fleet and all workers' actors, on the farm's thread.
pub(super) struct Wiring {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    pub timing: Timing,
    pub nodes: Nodes,
    pub work: WorkDoors,
    pub broadcast: Door<Broadcast>,
    pub peers: Peers,
    /// Set right after the fleet's keeper was started, before any worker comes.
    pub fleet: OnceCell<Door<Fleet>>,
    pub shutdown: Shutdown,
}

impl Wiring {
    pub fn now(&self) -> Now {
        self.clock.now()
    }
}

/// The doors of all workers' actors. HTTP threads read it for each message, the fleet writes it when a worker
/// comes or goes, so a lock is held for one look-up only.
#[derive(Debug, Clone, Default)]
pub(super) struct Nodes(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    doors: RwLock<BTreeMap<WorkerId, Door<WorkerNode>>>,
    connected: AtomicUsize,
}

impl Nodes {
    pub fn get(&self, worker: WorkerId) -> Option<Door<WorkerNode>> {
        self.0.doors.read().unwrap_or_else(PoisonError::into_inner).get(&worker).cloned()
    }

    pub fn all(&self) -> Vec<(WorkerId, Door<WorkerNode>)> {
        let doors = self.0.doors.read().unwrap_or_else(PoisonError::into_inner);
        doors.iter().map(|(worker, door)| (*worker, door.clone())).collect()
    }

    pub fn insert(&self, worker: WorkerId, door: Door<WorkerNode>) {
        self.0.doors.write().unwrap_or_else(PoisonError::into_inner).insert(worker, door);
    }

    pub fn remove(&self, worker: WorkerId) -> Option<Door<WorkerNode>> {
        self.0.doors.write().unwrap_or_else(PoisonError::into_inner).remove(&worker)
    }

    /// Workers with a socket.
    pub fn connected(&self) -> usize {
        self.0.connected.load(Ordering::Relaxed)
    }

    /// Counts a socket until the answer is dropped, also by a panic.
    pub fn count_link(&self, metrics: &Metrics) -> LinkCount {
        self.0.connected.fetch_add(1, Ordering::Relaxed);
        metrics.link_opened();
        LinkCount { nodes: self.clone(), metrics: metrics.clone() }
    }
}

/// One socket, counted.
pub(super) struct LinkCount {
    nodes: Nodes,
    metrics: Metrics,
}

impl Drop for LinkCount {
    fn drop(&mut self) {
        self.nodes.0.connected.fetch_sub(1, Ordering::Relaxed);
        self.metrics.link_closed();
    }
}
