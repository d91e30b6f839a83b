//! The rules read one by one, without care for speed: what the solver's answer is compared with.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pictor_actors::ids::{AccountId, JobId, WorkerId};
use pictor_actors::units::UnixMillis;

use crate::placement::solve::another_can;
use crate::placement::{Dropped, Grant, Plan, Problem, Rule, SlotIn, TaskIn};

/// The plan of a problem.
#[must_use]
pub fn solve(problem: &Problem) -> Plan {
    let mut work = Work::new(problem);
    // Nobody gets one ahead while an idle slot could render it now.
    for held_max in [0, 1] {
        while work.grants.len() < problem.grants_max && work.grant_one(held_max) {}
    }
    Plan { grants: work.grants }
}

/// Order in which jobs are served.
type Turn = (Reverse<u8>, u32, UnixMillis, JobId);

struct Work<'a> {
    slots: Vec<SlotNow<'a>>,
    /// Ready tasks of each job by id, fresh ones before those that failed somewhere.
    queues: BTreeMap<JobId, VecDeque<&'a TaskIn>>,
    leases_of: BTreeMap<AccountId, u32>,
    grants: Vec<Grant>,
}

struct SlotNow<'a> {
    facts: &'a SlotIn,
    held: u8,
    warm: Option<JobId>,
}

impl<'a> Work<'a> {
    fn new(problem: &'a Problem) -> Self {
        let mut slots: Vec<_> = problem
            .slots
            .iter()
            .map(|facts| SlotNow { facts, held: facts.leases_held, warm: facts.warm_job })
            .collect();
        slots.sort_by_key(|slot| (Reverse(slot.facts.has_gpu), slot.facts.worker, slot.facts.slot));
        let mut ordered: Vec<&TaskIn> = problem.tasks.iter().collect();
        ordered.sort_by_key(|task| (task.job, task.task));
        let mut queues: BTreeMap<JobId, VecDeque<&TaskIn>> = BTreeMap::new();
        let mut leases_of = BTreeMap::new();
        for task in ordered {
            queues.entry(task.job).or_default().push_back(task);
            leases_of.insert(task.account, task.running_of_account);
        }
        Self { slots, queues, leases_of, grants: Vec::new() }
    }

    /// Grants the most important task that some slot with at most `held_max` leases can take; false if there
    /// is none.
    fn grant_one(&mut self, held_max: u8) -> bool {
        let mut turns: Vec<Turn> = self.queues.values().filter_map(|queue| self.turn_of(queue)).collect();
        turns.sort_unstable();
        for (.., job) in turns {
            let Some((slot, at)) = self.best_of(job, held_max) else { continue };
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
            let other_can = another_can(self.slots.iter().map(|slot| slot.facts), task);
            let best = self
                .slots
                .iter()
                .enumerate()
                .filter(|(_, slot)| slot.held <= held_max && slot.facts.can_run(task.engine))
                .filter(|(_, slot)| !other_can || !task.failed_on.contains(&slot.facts.worker))
                .min_by_key(|(index, slot)| (slot.held, slot.warm != Some(job), *index));
            if let Some((slot, _)) = best {
                return Some((slot, at));
            }
        }
        None
    }

    fn take(&mut self, job: JobId, slot: usize, at: usize) {
        let Some(task) = self.queues.get_mut(&job).and_then(|queue| queue.remove(at)) else { return };
        if self.queues.get(&job).is_some_and(VecDeque::is_empty) {
            self.queues.remove(&job);
        }
        *self.leases_of.entry(task.account).or_default() += 1;
        let Some(slot) = self.slots.get_mut(slot) else { return };
        let (worker, number, ahead) = (slot.facts.worker, slot.facts.slot, slot.held > 0);
        self.grants.push(Grant { task: task.task, job, worker, slot: number, ahead });
        slot.held += 1;
        slot.warm = Some(job);
    }
}

/// What dropped each slot for the first waiting task of each job.
pub fn why(problem: &Problem, plan: &Plan) -> BTreeMap<JobId, Dropped> {
    let after = problem.clone().after(plan);
    let mut first: BTreeMap<JobId, &TaskIn> = BTreeMap::new();
    for task in &after.tasks {
        let chosen = first.entry(task.job).or_insert(task);
        if task.task < chosen.task {
            *chosen = task;
        }
    }
    let dropped = |task: &TaskIn| {
        let mut dropped = Dropped::new();
        for slot in &after.slots {
            *dropped.entry(rule_of(slot, task, &after)).or_default() += 1;
        }
        dropped
    };
    first.into_iter().map(|(job, task)| (job, dropped(task))).collect()
}

fn rule_of(slot: &SlotIn, task: &TaskIn, problem: &Problem) -> Rule {
    if slot.rested {
        Rule::Rested
    } else if !slot.has_engine(task.engine) {
        Rule::LacksEngine(task.engine)
    } else if task.failed_on.contains(&slot.worker) && another_can(problem.slots.iter(), task) {
        Rule::FailedThere
    } else if slot.room() > 0 {
        Rule::NextTurn
    } else if slot.warm_job == Some(task.job) {
        Rule::BusyWithThisJob
    } else {
        Rule::Busy
    }
}
