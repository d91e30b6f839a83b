//! Which slots are free, and how many offers are on their way to each worker. Pure.
//!
//! An offer counts from the moment it leaves here, not from the worker's next report: the report that is
//! under way does not know of it yet, and a slot would be filled twice.

use std::collections::{BTreeMap, VecDeque};

use pictor_actors::ids::{JobId, LeaseId, WorkerId};
use pictor_actors::limits::LEASES_PER_SLOT_MAX;
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::placement::Absence;

use super::messages::SlotCapacity;

/// The free slots of all workers.
#[derive(Debug, Default)]
pub(super) struct FreeSlots {
    workers: BTreeMap<WorkerId, OfWorker>,
    absent: BTreeMap<WorkerId, Absence>,
}

#[derive(Debug, Default)]
struct OfWorker {
    slots: Vec<SlotCapacity>,
    rested_until: Option<UnixMillis>,
    offers_sent: u64,
    /// Offers that no report has counted yet.
    on_their_way: VecDeque<Coming>,
}

/// An offer on its way.
#[derive(Debug, Clone, Copy)]
struct Coming {
    number: u64,
    slot: u16,
    job: JobId,
    lease: LeaseId,
}

impl FreeSlots {
    /// A worker's report; true if there is more room than before, or room for what did not fit.
    pub fn report(
        &mut self,
        worker: WorkerId,
        slots: Vec<SlotCapacity>,
        offers_seen: u64,
        rested_until: Option<UnixMillis>,
    ) -> bool {
        if slots.is_empty() && !self.workers.contains_key(&worker) {
            return false;
        }
        let of_worker = self.workers.entry(worker).or_default();
        let (room, engines) = (of_worker.room(), of_worker.engines());
        of_worker.slots = slots;
        of_worker.rested_until = rested_until;
        of_worker.on_their_way.retain(|coming| coming.number > offers_seen);
        of_worker.room() > room || of_worker.engines() > engines
    }

    /// Why the worker, which is connected, takes nothing; `None`: it works, or is not connected.
    pub fn set_absence(&mut self, worker: WorkerId, absence: Option<Absence>) {
        match absence {
            Some(absence) => self.absent.insert(worker, absence),
            None => self.absent.remove(&worker),
        };
    }

    /// Everybody who is connected and takes nothing.
    pub fn absent(&self) -> Vec<Absence> {
        self.absent.values().copied().collect()
    }

    /// An offer leaves for a worker; its number.
    pub fn offer(&mut self, worker: WorkerId, slot: u16, job: JobId, lease: LeaseId) -> u64 {
        let of_worker = self.workers.entry(worker).or_default();
        of_worker.offers_sent += 1;
        let number = of_worker.offers_sent;
        of_worker.on_their_way.push_back(Coming { number, slot, job, lease });
        number
    }

    /// The offer did not get to the worker's actor.
    pub fn offer_failed(&mut self, worker: WorkerId, number: u64) {
        if let Some(of_worker) = self.workers.get_mut(&worker) {
            of_worker.on_their_way.retain(|coming| coming.number != number);
        }
    }

    /// The worker's actor begins anew, without slots as yet and without a memory of offers: those on their
    /// way died with the one before. Returns their leases. The count goes on, so that an offer which the new
    /// actor gets meanwhile is not taken for an older one.
    pub fn begin_anew(&mut self, worker: WorkerId) -> Vec<LeaseId> {
        self.absent.remove(&worker);
        let Some(of_worker) = self.workers.get_mut(&worker) else { return Vec::new() };
        of_worker.slots.clear();
        of_worker.on_their_way.drain(..).map(|coming| coming.lease).collect()
    }

    /// The worker's actor is gone.
    pub fn forget(&mut self, worker: WorkerId) {
        self.workers.remove(&worker);
        self.absent.remove(&worker);
    }

    /// Every slot, full ones too (they tell why a task waits, and that another worker could take it), by
    /// worker and number.
    pub fn all(&self, now: UnixMillis) -> Vec<SlotCapacity> {
        self.workers.values().flat_map(|of_worker| of_worker.all(now)).collect()
    }
}

impl OfWorker {
    fn all(&self, now: UnixMillis) -> impl Iterator<Item = SlotCapacity> + '_ {
        let rested = self.rested_until.is_some_and(|until| now < until);
        self.slots.iter().map(move |slot| {
            let coming = self.on_their_way.iter().filter(|coming| coming.slot == slot.slot);
            let held = usize::from(slot.leases_held) + coming.clone().count();
            SlotCapacity {
                leases_held: u8::try_from(held).unwrap_or(u8::MAX),
                warm_job: slot.warm_job.or_else(|| coming.clone().next_back().map(|coming| coming.job)),
                rested,
                ..slot.clone()
            }
        })
    }

    /// How many engines its slots can run, each slot by itself.
    fn engines(&self) -> usize {
        self.slots.iter().map(|slot| slot.engines.len()).sum()
    }

    fn room(&self) -> usize {
        let held: usize = self.slots.iter().map(|slot| usize::from(slot.leases_held)).sum();
        (self.slots.len() * LEASES_PER_SLOT_MAX).saturating_sub(held + self.on_their_way.len())
    }
}

#[cfg(test)]
mod tests {
    use pictor_actors::protocol::assignment::RenderEngine;

    use super::*;

    const WORKER: WorkerId = WorkerId::from_u128(1);
    const JOB: JobId = JobId::from_u128(2);
    const LEASE: LeaseId = LeaseId::from_u128(3);
    const NOW: UnixMillis = UnixMillis(100);

    fn slot(number: u16, leases_held: u8) -> SlotCapacity {
        SlotCapacity {
            worker: WORKER,
            slot: number,
            engines: Vec::new(),
            gpu_memory: None,
            leases_held,
            warm_job: None,
            rested: false,
        }
    }

    fn held(free: &FreeSlots) -> Vec<(u16, u8)> {
        let slots = free.all(NOW);
        slots.iter().filter(|slot| slot.leases_held < 2).map(|slot| (slot.slot, slot.leases_held)).collect()
    }

    #[test]
    fn an_offer_counts_from_the_moment_it_leaves_until_a_report_has_seen_it() {
        let mut free = FreeSlots::default();
        assert!(free.report(WORKER, vec![slot(0, 0), slot(1, 0)], 0, None));
        let first = free.offer(WORKER, 0, JOB, LEASE);
        assert_eq!(held(&free), [(0, 1), (1, 0)]);
        assert_eq!(free.all(NOW)[0].warm_job, Some(JOB), "the one ahead should be of the same job");
        let second = free.offer(WORKER, 0, JOB, LEASE);
        assert_eq!(held(&free), [(1, 0)]);
        free.report(WORKER, vec![slot(0, 0), slot(1, 0)], 0, None);
        assert_eq!(held(&free), [(1, 0)], "a report from before the offers");
        free.report(WORKER, vec![slot(0, 1), slot(1, 0)], first, None);
        assert_eq!(held(&free), [(1, 0)]);
        assert!(free.report(WORKER, vec![slot(0, 1), slot(1, 0)], second, None));
        assert_eq!(held(&free), [(0, 1), (1, 0)]);
    }

    #[test]
    fn an_offer_that_did_not_get_there_makes_room_again() {
        let mut free = FreeSlots::default();
        free.report(WORKER, vec![slot(0, 1)], 0, None);
        let number = free.offer(WORKER, 0, JOB, LEASE);
        assert_eq!(held(&free), []);
        free.offer_failed(WORKER, number);
        assert_eq!(held(&free), [(0, 1)]);
    }

    #[test]
    fn offers_that_died_with_the_workers_actor_make_room_again() {
        let mut free = FreeSlots::default();
        free.report(WORKER, vec![slot(0, 0)], 0, None);
        free.offer(WORKER, 0, JOB, LEASE);
        free.offer(WORKER, 0, JOB, LeaseId::from_u128(4));
        assert_eq!(free.begin_anew(WORKER), [LEASE, LeaseId::from_u128(4)]);
        assert_eq!(free.all(NOW), [], "it is not connected yet");
        // The new actor has seen no offer.
        assert!(free.report(WORKER, vec![slot(0, 0)], 0, None));
        assert_eq!(held(&free), [(0, 0)]);
        assert_eq!(free.offer(WORKER, 0, JOB, LEASE), 3);
        assert_eq!(free.begin_anew(WorkerId::from_u128(9)), []);
    }

    #[test]
    fn an_engine_that_was_found_is_room_for_what_did_not_fit() {
        let mut free = FreeSlots::default();
        let with = |engines: &[RenderEngine]| vec![SlotCapacity { engines: engines.into(), ..slot(0, 0) }];
        assert!(free.report(WORKER, with(&[]), 0, None));
        assert!(free.report(WORKER, with(&[RenderEngine::Cycles]), 0, None));
        assert!(!free.report(WORKER, with(&[RenderEngine::Cycles]), 0, None));
    }

    #[test]
    fn a_rested_worker_says_so_until_its_rest_is_over_and_a_paused_one_has_no_slots() {
        let mut free = FreeSlots::default();
        free.report(WORKER, vec![slot(0, 0)], 0, Some(UnixMillis(101)));
        assert!(free.all(NOW)[0].rested);
        assert!(!free.all(UnixMillis(101))[0].rested);
        assert!(!free.report(WORKER, Vec::new(), 0, None));
        free.set_absence(WORKER, Some(Absence::PausedByOwner));
        assert_eq!((held(&free), free.absent()), (vec![], vec![Absence::PausedByOwner]));
        free.set_absence(WORKER, None);
        assert_eq!(free.absent(), []);
        free.set_absence(WORKER, Some(Absence::Silent));
        free.forget(WORKER);
        assert!(free.workers.is_empty() && free.absent().is_empty());
    }
}
