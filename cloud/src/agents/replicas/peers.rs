//! What this replica knows of the others, shared by all its actors and by requests.

use std::sync::{Arc, Mutex, PoisonError};

use pictor_actors::ids::{LinkId, ReplicaId, TaskId};

use crate::agents::jobs::SlotsSeen;
use crate::bus::{Bus, Local, Nudge};

/// The others, and this replica's place among them. Clones share what is seen.
#[derive(Clone)]
pub struct Peers {
    me: Option<ReplicaId>,
    bus: Arc<dyn Bus>,
    seen: Arc<Mutex<Seen>>,
}

/// What the last look at the table of replicas showed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Other replicas that live.
    pub others: usize,
    /// The slots of their workers.
    pub slots: SlotsSeen,
    /// This one's share of the tasks.
    pub share: Share,
}

/// Which of the ready tasks a replica takes first, so that replicas seldom reach for the same ones. Any may
/// take any: the database decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its number among those that have slots, from 0.
    pub rank: u32,
    /// How many they are; at least 1.
    pub of: u32,
}

impl Default for Share {
    fn default() -> Self {
        Self { rank: 0, of: 1 }
    }
}

impl Share {
    /// Whether the task is of this share.
    #[must_use]
    pub fn has(self, task: TaskId) -> bool {
        self.of <= 1 || task.as_u128() % u128::from(self.of) == u128::from(self.rank)
    }
}

impl Peers {
    /// Nobody else can be there: everything is this process's own.
    #[must_use]
    pub fn alone() -> Self {
        Self { me: None, bus: Arc::new(Local), seen: Arc::default() }
    }

    /// One of several.
    #[must_use]
    pub fn of(me: ReplicaId, bus: Arc<dyn Bus>) -> Self {
        Self { me: Some(me), bus, seen: Arc::default() }
    }

    /// This replica; nothing: it is alone by nature.
    #[must_use]
    pub fn me(&self) -> Option<ReplicaId> {
        self.me
    }

    /// Whether another replica has this connection of a worker, as its row says.
    #[must_use]
    pub fn has_link(&self, link: Option<LinkId>, replica: Option<ReplicaId>) -> bool {
        link.is_some() && replica != self.me
    }

    /// Tells the others, at best.
    pub fn tell(&self, nudge: Nudge) {
        if self.me.is_some() {
            self.bus.tell(nudge);
        }
    }

    /// What is known of the others.
    #[must_use]
    pub fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table was looked at.
    pub fn note(&self, seen: Seen) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// Others change what this one works with, and do not tell it: it must look often.
    #[must_use]
    pub fn must_look(&self) -> bool {
        self.seen().others > 0 && !self.bus.is_up()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_of_exactly_one_share() {
        for of in 1..5 {
            for task in (0..200).map(|_| TaskId::generate()) {
                let having = (0..of).filter(|rank| Share { rank: *rank, of }.has(task)).count();
                assert_eq!(having, 1, "{task} among {of}");
            }
        }
    }
}
