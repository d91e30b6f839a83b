//! The solver: greedy, in rounds, on dense indices. A grant costs jobs and the logarithm of the slots: slots
//! that are alike stand in sets ordered as they are chosen, so that none is looked at in vain.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pictor_actors::ids::{AccountId, JobId, TaskId, WorkerId};
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::units::UnixMillis;

use super::problem::{Grant, Plan, Problem, SlotIn, TaskIn, has_engine};

/// The plan of a problem.
#[must_use]
pub fn solve(problem: &Problem) -> Plan {
    let mut work = Work::new(problem);
    // Nobody gets one ahead while an idle slot could render it now.
    for held_max in [0, 1] {
        work.stuck.clear();
        while work.grants.len() < problem.grants_max && work.grant_one(held_max) {}
    }
    Plan { grants: work.grants }
}

/// Order in which jobs are served.
type Turn = (Reverse<u8>, u32, UnixMillis, JobId);
/// Leases that a slot holds, and its index: the order in which slots are chosen.
type Place = (u8, usize);

struct Work<'a> {
    slots: Vec<SlotNow<'a>>,
    /// Slots by the engines they can run; rested ones can run none.
    alike: BTreeMap<&'a [RenderEngine], Alike>,
    /// Slots by the job whose scene they have loaded.
    warm: BTreeMap<JobId, BTreeSet<Place>>,
    /// Ready tasks of each job by id, fresh ones before those that failed somewhere.
    queues: BTreeMap<JobId, VecDeque<&'a TaskIn>>,
    /// Jobs that no slot can take in this round: slots only fill up, so none will.
    stuck: BTreeSet<JobId>,
    leases_of: BTreeMap<AccountId, u32>,
    grants: Vec<Grant>,
}

struct SlotNow<'a> {
    facts: &'a SlotIn,
    held: u8,
    warm: Option<JobId>,
}

/// Slots with the same engines.
#[derive(Default)]
struct Alike {
    places: BTreeSet<Place>,
    /// Their workers, to tell whether another one could take a task.
    workers: BTreeSet<WorkerId>,
}

impl<'a> Work<'a> {
    fn new(problem: &'a Problem) -> Self {
        let mut slots: Vec<_> = problem
            .slots
            .iter()
            .map(|facts| SlotNow { facts, held: facts.leases_held, warm: facts.warm_job })
            .collect();
        slots.sort_by_key(|slot| (Reverse(slot.facts.has_gpu), slot.facts.worker, slot.facts.slot));
        let mut alike: BTreeMap<&[RenderEngine], Alike> = BTreeMap::new();
        let mut warm: BTreeMap<JobId, BTreeSet<Place>> = BTreeMap::new();
        for (index, slot) in slots.iter().enumerate().filter(|(_, slot)| !slot.facts.rested) {
            let same = alike.entry(&slot.facts.engines).or_default();
            same.places.insert((slot.held, index));
            same.workers.insert(slot.facts.worker);
            if let Some(job) = slot.warm {
                warm.entry(job).or_default().insert((slot.held, index));
            }
        }
        let mut ordered: Vec<&TaskIn> = problem.tasks.iter().collect();
        ordered.sort_by_key(|task| (task.job, task.task));
        let mut queues: BTreeMap<JobId, VecDeque<&TaskIn>> = BTreeMap::new();
        let mut leases_of = BTreeMap::new();
        for task in ordered {
            queues.entry(task.job).or_default().push_back(task);
            leases_of.insert(task.account, task.running_of_account);
        }
        Self { slots, alike, warm, queues, stuck: BTreeSet::new(), leases_of, grants: Vec::new() }
    }

    /// Grants the most important task that some slot with at most `held_max` leases can take; false if there
    /// is none.
    fn grant_one(&mut self, held_max: u8) -> bool {
        let queues = self.queues.iter().filter(|(job, _)| !self.stuck.contains(job));
        let mut turns: Vec<Turn> = queues.filter_map(|(_, queue)| self.turn_of(queue)).collect();
        turns.sort_unstable();
        for (.., job) in turns {
            let Some((slot, at)) = self.best_of(job, held_max) else {
                self.stuck.insert(job);
                continue;
            };
            self.take(job, slot, at);
            return true;
        }
        false
    }

    fn turn_of(&self, queue: &VecDeque<&TaskIn>) -> Option<Turn> {
        let task = queue.front()?;
        let leases = self.leases_of.get(&task.account).copied().unwrap_or_default();
        Some((Reverse(task.priority), leases, task.job_created_at, task.job))
    }

    /// The best slot for the job's next task; a task that must wait for another worker lets those behind it
    /// pass.
    fn best_of(&self, job: JobId, held_max: u8) -> Option<(usize, usize)> {
        let queue = self.queues.get(&job)?;
        let mut tried: BTreeSet<&BTreeSet<WorkerId>> = BTreeSet::new();
        for (at, task) in queue.iter().enumerate() {
            // Tasks of one job differ only in where they failed: what was refused once is refused again.
            if !tried.insert(&task.failed_on) {
                continue;
            }
            let avoided = self.avoided(task);
            let best = (0..=held_max).find_map(|held| self.best_with(job, task, held, &avoided));
            if let Some(slot) = best {
                return Some((slot, at));
            }
        }
        None
    }

    /// Workers that must not have the task: where it failed, as long as another could take it.
    fn avoided<'t>(&self, task: &'t TaskIn) -> Option<&'t BTreeSet<WorkerId>> {
        let mut able = self.alike_for(task.engine).flat_map(|same| &same.workers);
        let other_can = !task.failed_on.is_empty() && able.any(|worker| !task.failed_on.contains(worker));
        other_can.then_some(&task.failed_on)
    }

    /// Among slots with exactly so many leases: one with the job's scene, else the first.
    fn best_with(
        &self,
        job: JobId,
        task: &TaskIn,
        held: u8,
        avoided: &Option<&BTreeSet<WorkerId>>,
    ) -> Option<usize> {
        let may = |index: &usize| {
            let facts = self.slots[*index].facts;
            facts.can_run(task.engine) && avoided.is_none_or(|failed| !failed.contains(&facts.worker))
        };
        let first = |places: &BTreeSet<Place>| {
            places.range((held, 0)..=(held, usize::MAX)).map(|(_, index)| *index).find(may)
        };
        let warm = self.warm.get(&job).and_then(first);
        warm.or_else(|| self.alike_for(task.engine).filter_map(|same| first(&same.places)).min())
    }

    fn alike_for(&self, engine: Option<RenderEngine>) -> impl Iterator<Item = &Alike> {
        self.alike.iter().filter(move |(engines, _)| has_engine(engines, engine)).map(|(_, same)| same)
    }

    fn take(&mut self, job: JobId, slot: usize, at: usize) {
        let Some(task) = self.queues.get_mut(&job).and_then(|queue| queue.remove(at)) else { return };
        if self.queues.get(&job).is_some_and(VecDeque::is_empty) {
            self.queues.remove(&job);
        }
        *self.leases_of.entry(task.account).or_default() += 1;
        let Some(now) = self.slots.get_mut(slot) else { return };
        let (worker, number, ahead) = (now.facts.worker, now.facts.slot, now.held > 0);
        self.grants.push(Grant { task: task.task, job, worker, slot: number, ahead });
        let (before, warm_before) = ((now.held, slot), now.warm.replace(job));
        now.held += 1;
        let after = (now.held, slot);
        if let Some(same) = self.alike.get_mut(now.facts.engines.as_slice()) {
            same.places.remove(&before);
            same.places.insert(after);
        }
        if let Some(places) = warm_before.and_then(|job| self.warm.get_mut(&job)) {
            places.remove(&before);
        }
        self.warm.entry(job).or_default().insert(after);
    }
}

/// Whether a worker on which the task has not failed could run it, busy or not.
pub(super) fn another_can<'a>(mut slots: impl Iterator<Item = &'a SlotIn>, task: &TaskIn) -> bool {
    !task.failed_on.is_empty()
        && slots.any(|slot| slot.can_run(task.engine) && !task.failed_on.contains(&slot.worker))
}

/// What a plan must hold to; a broken rule in words.
///
/// # Errors
/// The first rule that is broken.
pub fn holds(problem: &Problem, plan: &Plan) -> Result<(), String> {
    let mut granted: BTreeSet<TaskId> = BTreeSet::new();
    let mut held: BTreeMap<(WorkerId, u16), u8> = BTreeMap::new();
    for grant in &plan.grants {
        if !granted.insert(grant.task) {
            return Err(format!("{} is granted twice", grant.task));
        }
        let slot = problem.slots.iter().find(|slot| (slot.worker, slot.slot) == (grant.worker, grant.slot));
        let task = problem.tasks.iter().find(|task| task.task == grant.task);
        let (Some(slot), Some(task)) = (slot, task) else { return Err("unknown slot or task".to_owned()) };
        if !slot.can_run(task.engine) {
            return Err(format!("{} cannot run {}", grant.worker, grant.task));
        }
        if task.failed_on.contains(&grant.worker) && another_can(problem.slots.iter(), task) {
            return Err(format!("{} goes back to {} where it failed", grant.task, grant.worker));
        }
        let now_held = held.entry((slot.worker, slot.slot)).or_insert(slot.leases_held);
        if grant.ahead != (*now_held > 0) {
            return Err(format!("{} is marked ahead wrongly", grant.task));
        }
        *now_held += 1;
        if usize::from(*now_held) > pictor_actors::limits::LEASES_PER_SLOT_MAX {
            return Err(format!("slot {} of {} holds {now_held} leases", grant.slot, grant.worker));
        }
    }
    Ok(())
}
