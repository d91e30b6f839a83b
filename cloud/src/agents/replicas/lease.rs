//! The replica's lease, kept again and again, and what is looked at in the same breath: who else lives, which
//! jobs have no owner, which sockets died with their replica.

use std::cell::Cell;
use std::rc::Rc;

use pictor_actors::ids::ReplicaId;
use pictor_actors::units::Millis;

use super::peers::{Seen, Share};
use crate::agents::jobs::{GetSlotsSeen, LookForJobs, SlotsSeen};
use crate::agents::ports::{ANSWER_WITHIN, Ports, WorkDoors};
use crate::bus::Nudge;
use crate::store::{Beat, ReplicaRow, StoreError};

/// A replica that says nothing for so long is dead: three beats.
pub const LEASE: Millis = Millis::from_secs(6);
/// How often the lease is kept and jobs without an owner are looked for. With the lease's length it bounds a
/// take-over: at most 8 s and the time to read.
pub(super) const BEAT_EVERY: Millis = Millis::from_secs(2);
/// Sockets of dead replicas are looked for at every so many beats.
const LINKS_EVERY: u32 = 3;

/// The lease. Clones share what they remember.
#[derive(Clone)]
pub struct Lease {
    ports: Ports,
    doors: WorkDoors,
    me: ReplicaId,
    address: Rc<str>,
    beats: Rc<Cell<u32>>,
    is_failing: Rc<Cell<bool>>,
}

impl Lease {
    /// The lease of a replica that starts now.
    #[must_use]
    pub fn new(ports: Ports, doors: WorkDoors, me: ReplicaId, address: &str) -> Self {
        Self { ports, doors, me, address: address.into(), beats: Rc::default(), is_failing: Rc::default() }
    }

    /// One beat. While the database is away nothing changes: the others take over what they can, and every
    /// write of this one stands under its own condition.
    pub async fn pass(self) {
        match self.keep().await {
            Ok(()) => {
                if self.is_failing.replace(false) {
                    tracing::info!("this replica's lease is kept again");
                }
            }
            Err(error) => {
                if !self.is_failing.replace(true) {
                    tracing::warn!(%error, "this replica's lease was not kept: others may take its jobs");
                }
            }
        }
    }

    async fn keep(&self) -> Result<(), StoreError> {
        let own = self.doors.jobs.ask(GetSlotsSeen, ANSWER_WITHIN).await.unwrap_or_default();
        let beat = Beat {
            id: self.me,
            address: self.address.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            slots: serde_json::to_value(own).unwrap_or_default(),
            lease: LEASE,
        };
        let alive = self.ports.store.keep_replica(&beat).await?;
        let (before, seen) = (self.ports.peers.seen(), seen_of(self.me, own, &alive));
        if before.others != seen.others {
            tracing::info!(others = seen.others, "replicas that live beside this one");
        }
        self.ports.peers.note(seen);
        // Lost: the next beat says it again.
        let _ = self.doors.jobs.try_send(LookForJobs);
        if self.beats.replace(self.beats.get().wrapping_add(1)).is_multiple_of(LINKS_EVERY) {
            let closed = self.ports.store.close_dead_links(self.ports.clock.now().wall).await?;
            if closed > 0 {
                tracing::info!(closed, "connections to replicas that are gone were ended");
            }
        }
        Ok(())
    }

    /// Gives everything up at once, so that the others need not wait for the lease to run out.
    pub async fn end(self) {
        match self.ports.store.end_replica(self.me).await {
            Ok(()) => {
                self.ports.peers.tell(Nudge::JobsFree);
                // Lost: its actors go on until they end with the process; rows decide between two owners.
                let _ = self.doors.jobs.try_send(LookForJobs);
            }
            Err(error) => {
                tracing::warn!(%error, "jobs were not handed over; others take them in some seconds")
            }
        }
    }
}

/// What a look at the table shows. Pure.
fn seen_of(me: ReplicaId, own: SlotsSeen, alive: &[ReplicaRow]) -> Seen {
    let slots_of = |row: &ReplicaRow| -> SlotsSeen {
        if row.id == me { own } else { serde_json::from_value(row.slots.clone()).unwrap_or_default() }
    };
    let others = alive.iter().filter(|row| row.id != me);
    let slots = others.clone().map(slots_of).fold(SlotsSeen::default(), SlotsSeen::plus);
    let with_slots: Vec<ReplicaId> =
        alive.iter().filter(|row| slots_of(row).any > 0).map(|row| row.id).collect();
    let share = match with_slots.iter().position(|id| *id == me) {
        Some(rank) => Share { rank: to_u32(rank), of: to_u32(with_slots.len()) },
        None => Share::default(),
    };
    Seen { others: others.count(), slots, share }
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use pictor_actors::units::UnixMillis;

    use super::*;

    fn row(id: u128, any: u32) -> ReplicaRow {
        ReplicaRow {
            id: ReplicaId::from_u128(id),
            address: String::new(),
            version: String::new(),
            slots: serde_json::to_value(SlotsSeen { any, cycles: any, ..SlotsSeen::default() }).unwrap(),
            started_at: UnixMillis(0),
            lease_until: UnixMillis(0),
        }
    }

    #[test]
    fn the_others_slots_are_added_up_and_tasks_are_shared_among_those_with_slots() {
        let own = SlotsSeen { any: 3, eevee: 3, ..SlotsSeen::default() };
        let alive = [row(1, 4), row(2, 0), row(3, 9), row(4, 2)];
        let seen = seen_of(ReplicaId::from_u128(3), own, &alive);
        assert_eq!((seen.others, seen.slots.any, seen.slots.cycles, seen.slots.eevee), (3, 6, 6, 0));
        assert_eq!(seen.share, Share { rank: 1, of: 3 }, "the second has no slot");
        assert_eq!(seen_of(ReplicaId::from_u128(2), SlotsSeen::default(), &alive).share, Share::default());
        assert_eq!(seen_of(ReplicaId::from_u128(9), own, &[]), Seen::default());
    }
}
