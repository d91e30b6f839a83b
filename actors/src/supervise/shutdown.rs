//! Ordered stop: a tree of kill switches with three phases, a deadline and a reason.
//!
//! Anyone may begin a stop; one place (boot) conducts it. A phase ends when everything that holds it is let
//! go, or at its deadline: what was overdue is named. Stopping a node stops its children, never its parent,
//! so that those who depend on each other stop together; only the root ends the process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::units::Millis;

/// A node of the tree. Clone and send it freely: clones are the same node.
#[derive(Clone)]
pub struct Shutdown {
    node: Arc<Node>,
}

struct Node {
    phase: watch::Sender<Phase>,
    reason: Mutex<Option<StopReason>>,
    children: Mutex<Vec<Weak<Node>>>,
    /// The root's own address is not kept in itself: `None` here means *this is the root*.
    root: Option<Arc<Node>>,
    holds: Mutex<BTreeMap<u64, (Phase, &'static str)>>,
    hold_ended: Notify,
    next_hold: AtomicU64,
}

/// How far a stop has come; each implies the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No stop was asked for.
    Running,
    /// Nothing new is accepted.
    Refusing,
    /// What was accepted is brought to its end.
    Draining,
    /// Everything is let go: actors stop, sockets and stores close.
    Closing,
}

/// Why the process, or a part of it, stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// A signal or a person asked.
    Asked(String),
    /// An actor's restart budget is spent: the process ends with an error.
    ActorGaveUp {
        /// Name of the actor.
        actor: &'static str,
        /// What happened, in words.
        why: String,
    },
    /// Something that cannot be done without failed: the process ends with an error.
    Failed(String),
}

impl StopReason {
    /// The process should end with a non-zero code.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        match self {
            Self::Asked(_) => false,
            Self::ActorGaveUp { .. } | Self::Failed(_) => true,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(who) => write!(f, "stopped by {who}"),
            Self::ActorGaveUp { actor, why } => write!(f, "actor {actor} was given up: {why}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// How an ordered stop went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopReport {
    /// Who still held a phase at its deadline, in order of time.
    pub overdue: Vec<(Phase, &'static str)>,
}

/// Keeps a phase from ending until it is dropped (or the phase's deadline comes).
pub struct Holding {
    node: Arc<Node>,
    number: u64,
}

impl Shutdown {
    /// The root of a new tree.
    #[must_use]
    pub fn new() -> Self {
        Self { node: Node::new(None) }
    }

    /// A node that stops with this one, and can be stopped without it.
    #[must_use]
    pub fn child(&self) -> Self {
        let root = self.node.root.as_ref().map_or_else(|| Arc::clone(&self.node), Arc::clone);
        let child = Node::new(Some(root));
        {
            // Under the lock: a stop that comes now either finds the child in the list or was seen here.
            let mut children = lock(&self.node.children);
            children.retain(|known| known.strong_count() > 0);
            children.push(Arc::downgrade(&child));
            child.phase.send_replace(self.phase());
        }
        lock(&child.reason).clone_from(&*lock(&self.node.reason));
        Self { node: child }
    }

    /// The root of the tree, whose stop ends the process.
    #[must_use]
    pub fn root(&self) -> Self {
        Self { node: self.node.root.as_ref().map_or_else(|| Arc::clone(&self.node), Arc::clone) }
    }

    /// Asks for a stop of this node and all below. The first reason stays; `true` if this was the first.
    pub fn begin(&self, reason: StopReason) -> bool {
        let is_first = self.node.give_reason(&reason);
        self.node.advance(Phase::Refusing);
        is_first
    }

    /// Stops this node and all below at once, without phases: for a part of the process that is no longer
    /// wanted.
    pub fn cut(&self, reason: StopReason) {
        self.node.give_reason(&reason);
        self.node.advance(Phase::Closing);
    }

    /// Takes a stop through its phases, once it was begun. `drain` bounds the first two phases together,
    /// `close` the last one.
    pub async fn conduct(&self, drain: Millis, close: Millis) -> StopReport {
        self.cancelled().await;
        let mut report = StopReport::default();
        let draining = async {
            self.node.released(Phase::Refusing).await;
            self.node.advance(Phase::Draining);
            self.node.released(Phase::Draining).await;
        };
        if timeout(drain.to_duration(), draining).await.is_err() {
            report.overdue.extend(self.node.held(Phase::Draining));
        }
        self.node.advance(Phase::Closing);
        if timeout(close.to_duration(), self.node.released(Phase::Closing)).await.is_err() {
            report
                .overdue
                .extend(self.node.held(Phase::Closing).into_iter().filter(|held| held.0 == Phase::Closing));
        }
        report
    }

    /// Holds `phase` until the answer is dropped: a request under way holds `Draining`, a kept actor
    /// `Closing`.
    #[must_use]
    pub fn hold(&self, phase: Phase, name: &'static str) -> Holding {
        let root = self.root().node;
        let number = root.next_hold.fetch_add(1, Ordering::Relaxed);
        lock(&root.holds).insert(number, (phase, name));
        Holding { node: root, number }
    }

    /// Waits until a stop was asked for.
    pub async fn cancelled(&self) {
        self.reached(Phase::Refusing).await;
    }

    /// Waits until the stop has come to `phase`.
    pub async fn reached(&self, phase: Phase) {
        // The sender lives in the node that `self` holds, so this cannot fail.
        let _ = self.node.phase.subscribe().wait_for(|now| *now >= phase).await;
    }

    /// A stop was asked for.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.phase() > Phase::Running
    }

    /// How far it has come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.node.phase.borrow()
    }

    /// Why, once a stop was asked for.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        lock(&self.node.reason).clone()
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("phase", &self.phase()).field("reason", &self.reason()).finish()
    }
}

impl Node {
    fn new(root: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            phase: watch::Sender::new(Phase::Running),
            reason: Mutex::new(None),
            children: Mutex::new(Vec::new()),
            root,
            holds: Mutex::new(BTreeMap::new()),
            hold_ended: Notify::new(),
            next_hold: AtomicU64::new(0),
        })
    }

    fn give_reason(&self, reason: &StopReason) -> bool {
        let mut own = lock(&self.reason);
        let is_first = own.is_none();
        own.get_or_insert_with(|| reason.clone());
        drop(own);
        self.each_child(|child| {
            child.give_reason(reason);
        });
        is_first
    }

    fn advance(&self, phase: Phase) {
        {
            let _children = lock(&self.children);
            self.phase.send_if_modified(|now| {
                let is_later = phase > *now;
                *now = phase.max(*now);
                is_later
            });
        }
        self.each_child(|child| child.advance(phase));
    }

    fn each_child(&self, visit: impl Fn(&Self)) {
        let children: Vec<_> = lock(&self.children).iter().filter_map(Weak::upgrade).collect();
        children.iter().for_each(|child| visit(child));
    }

    fn held(&self, up_to: Phase) -> Vec<(Phase, &'static str)> {
        lock(&self.holds).values().filter(|(phase, _)| *phase <= up_to).copied().collect()
    }

    async fn released(&self, phase: Phase) {
        loop {
            let ended = self.hold_ended.notified();
            if self.held(phase).is_empty() {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        lock(&self.node.holds).remove(&self.number);
        self.node.hold_ended.notify_waiters();
    }
}

impl fmt::Debug for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Holding").field(&self.number).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
