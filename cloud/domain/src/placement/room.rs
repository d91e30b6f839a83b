//! Which slots have room: found by engine, by what they hold and by the scene they have loaded, without a
//! look at the others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{JobId, WorkerId};
use pictor_actors::limits::LEASES_PER_SLOT_MAX;
use pictor_actors::protocol::assignment::RenderEngine;

use super::numbers::Numbers;
use super::problem::SlotIn;

/// Sets of engines that a slot may run.
pub(super) const KINDS: usize = 16;

/// The set of engines that a slot can run, as a number.
pub(super) fn kind_of(engines: &[RenderEngine]) -> usize {
    engines.iter().fold(0, |kind, engine| kind | bit_of(*engine))
}

const fn bit_of(engine: RenderEngine) -> usize {
    match engine {
        RenderEngine::Cycles => 1,
        RenderEngine::Eevee => 2,
        RenderEngine::Workbench => 4,
        RenderEngine::Simulated => 8,
    }
}

/// Whether slots of that kind can run work that needs this engine; where none is known, any real one will do.
pub(super) const fn can_run(kind: usize, engine: Option<RenderEngine>) -> bool {
    match engine {
        Some(engine) => kind & bit_of(engine) != 0,
        None => kind & !bit_of(RenderEngine::Simulated) != 0,
    }
}

/// The slots that are not rested, best first: their numbers are their ranks.
pub(super) struct Room<'a> {
    slots: Vec<SlotNow<'a>>,
    /// Of each kind, busy or not.
    all: Vec<Numbers>,
    /// With so many leases (below the most), of each kind.
    free: [Vec<Numbers>; LEASES_PER_SLOT_MAX],
    /// Of each job, with its scene loaded: those with so many leases.
    warm: Vec<[BTreeSet<usize>; LEASES_PER_SLOT_MAX]>,
}

struct SlotNow<'a> {
    facts: &'a SlotIn,
    kind: usize,
    held: usize,
    warm: Option<usize>,
}

/// What is looked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Number of the job.
    pub job: usize,
    /// The engine it needs.
    pub engine: Option<RenderEngine>,
    /// Not on these workers.
    pub avoid: Option<&'a BTreeSet<WorkerId>>,
}

impl<'a> Room<'a> {
    /// The slots with their room; `jobs` numbers the jobs that are of interest.
    pub fn of(slots: &'a [SlotIn], jobs: &BTreeMap<JobId, usize>) -> Self {
        let mut ranked: Vec<_> = slots.iter().filter(|slot| !slot.rested).collect();
        ranked.sort_unstable_by_key(|slot| (Reverse(slot.has_gpu), slot.worker, slot.slot));
        let sets = || vec![Numbers::below(ranked.len()); KINDS];
        let (all, free) = (sets(), std::array::from_fn(|_| sets()));
        let warm = (0..jobs.len()).map(|_| <[BTreeSet<usize>; _]>::default()).collect();
        let mut room = Self { slots: Vec::with_capacity(ranked.len()), all, free, warm };
        for (number, facts) in ranked.into_iter().enumerate() {
            let kind = kind_of(&facts.engines);
            let warm = facts.warm_job.and_then(|job| jobs.get(&job).copied());
            room.slots.push(SlotNow { facts, kind, held: usize::from(facts.leases_held), warm });
            room.all[kind].insert(number);
            room.show(number);
        }
        room
    }

    /// The best slot with at most `held_max` leases: the one with the fewest, then one that has the scene
    /// loaded.
    pub fn best(&self, wanted: Wanted<'_>, held_max: usize) -> Option<usize> {
        (0..=held_max).find_map(|held| {
            let loaded = self.warm[wanted.job][held].iter().copied();
            let fits = |number: &usize| {
                can_run(self.slots[*number].kind, wanted.engine) && self.is_allowed(*number, wanted)
            };
            loaded.into_iter().find(fits).or_else(|| self.first(&self.free[held], wanted))
        })
    }

    /// Whether a slot could run it, busy or not.
    pub fn has_any(&self, wanted: Wanted<'_>) -> bool {
        self.first(&self.all, wanted).is_some()
    }

    /// The slot.
    pub fn facts(&self, number: usize) -> &'a SlotIn {
        self.slots[number].facts
    }

    /// It gets a task of the job; true if it runs something else first.
    pub fn take(&mut self, number: usize, job: usize) -> bool {
        let SlotNow { kind, held, warm, .. } = self.slots[number];
        self.free[held][kind].remove(number);
        if let Some(before) = warm {
            self.warm[before][held].remove(&number);
        }
        let slot = &mut self.slots[number];
        (slot.held, slot.warm) = (held + 1, Some(job));
        self.show(number);
        held > 0
    }

    /// Puts it where it is found, if it has room.
    fn show(&mut self, number: usize) {
        let SlotNow { kind, held, warm, .. } = self.slots[number];
        let Some(free) = self.free.get_mut(held) else { return };
        free[kind].insert(number);
        if let Some(job) = warm {
            self.warm[job][held].insert(number);
        }
    }

    fn first(&self, kinds: &[Numbers], wanted: Wanted<'_>) -> Option<usize> {
        let able = kinds.iter().enumerate().filter(|(kind, _)| can_run(*kind, wanted.engine));
        able.filter_map(|(_, numbers)| numbers.iter().find(|number| self.is_allowed(*number, wanted))).min()
    }

    fn is_allowed(&self, number: usize, wanted: Wanted<'_>) -> bool {
        wanted.avoid.is_none_or(|avoid| !avoid.contains(&self.slots[number].facts.worker))
    }
}
