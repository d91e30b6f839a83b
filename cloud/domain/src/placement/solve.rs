//! The solver: greedy, in rounds, on dense numbers. A grant costs the logarithm of what is there, so a turn
//! costs about as much as it takes to read the problem.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{AccountId, JobId, TaskId, WorkerId};
use pictor_actors::limits::LEASES_PER_SLOT_MAX;

use super::order::{Order, Waiting};
use super::problem::{Grant, Plan, Problem, SlotIn, TaskIn};
use super::room::{Room, Wanted};

/// The plan of a problem.
#[must_use]
pub fn solve(problem: &Problem) -> Plan {
    let mut work = Work::new(problem);
    // Nobody gets one ahead while an idle slot could render it now.
    for held_max in 0..LEASES_PER_SLOT_MAX {
        work.round(held_max, problem.grants_max);
    }
    Plan { grants: work.grants }
}

struct Work<'a> {
    room: Room<'a>,
    jobs: Vec<JobNow<'a>>,
    /// Leases of each account.
    leases: Vec<u32>,
    grants: Vec<Grant>,
}

/// A job's ready tasks. They differ only in where they failed: what is refused to one of a class is refused
/// to all of it.
struct JobNow<'a> {
    waiting: Waiting,
    classes: Vec<Class<'a>>,
    /// The next task of each class that may find a slot in this round.
    open: BTreeSet<(TaskId, usize)>,
}

/// Tasks that failed on the same workers, in order.
struct Class<'a> {
    tasks: Vec<&'a TaskIn>,
    /// How many of them are granted.
    granted: usize,
    /// They do not go back to where they failed, because another worker could take them.
    avoid: Option<&'a BTreeSet<WorkerId>>,
}

impl<'a> Work<'a> {
    fn new(problem: &'a Problem) -> Self {
        let (numbers, jobs) = by_job(&problem.tasks);
        let room = Room::of(&problem.slots, &numbers);
        let mut accounts: BTreeMap<AccountId, usize> = BTreeMap::new();
        let mut leases = Vec::new();
        let jobs = jobs
            .into_iter()
            .enumerate()
            .map(|(number, tasks)| {
                let account = *accounts.entry(tasks.any.account).or_insert_with(|| {
                    leases.push(tasks.any.running_of_account);
                    leases.len() - 1
                });
                tasks.sorted(number, account, &room)
            })
            .collect();
        Self { room, jobs, leases, grants: Vec::new() }
    }

    /// Grants the most important tasks that slots with at most `held_max` leases can take. What finds no slot
    /// finds none in the rest of the round either, since room only gets less.
    fn round(&mut self, held_max: usize, grants_max: usize) {
        self.jobs.iter_mut().for_each(JobNow::reopen);
        let waiting = self.jobs.iter().filter(|job| !job.open.is_empty()).map(|job| job.waiting);
        let mut order = Order::of(waiting, &self.leases);
        while self.grants.len() < grants_max {
            let Some((job, account)) = order.first() else { return };
            if !self.grant(job, held_max) {
                order.drop_first(&self.leases);
                continue;
            }
            if self.jobs[job].open.is_empty() {
                order.drop_first(&self.leases);
            }
            order.granted(account, &mut self.leases);
        }
    }

    /// The job's next task goes to its best slot; one that must wait for another worker lets those behind it
    /// pass. False if none of them finds a slot.
    fn grant(&mut self, number: usize, held_max: usize) -> bool {
        let job = &mut self.jobs[number];
        while let Some((task, at)) = job.open.pop_first() {
            let class = &mut job.classes[at];
            let engine = class.tasks.first().and_then(|task| task.engine);
            let wanted = Wanted { job: number, engine, avoid: class.avoid };
            let Some(slot) = self.room.best(wanted, held_max) else { continue };
            class.granted += 1;
            job.open.extend(class.next().map(|next| (next.task, at)));
            let ahead = self.room.take(slot, number);
            let SlotIn { worker, slot, .. } = *self.room.facts(slot);
            self.grants.push(Grant { task, job: job.waiting.id, worker, slot, ahead });
            return true;
        }
        false
    }
}

impl JobNow<'_> {
    fn reopen(&mut self) {
        let next = self.classes.iter().enumerate().filter_map(|(at, class)| Some((class.next()?.task, at)));
        self.open = next.collect();
    }
}

impl<'a> Class<'a> {
    fn next(&self) -> Option<&'a TaskIn> {
        self.tasks.get(self.granted).copied()
    }
}

/// A job's tasks as they come.
struct Tasks<'a> {
    /// One of them, for what they have in common.
    any: &'a TaskIn,
    fresh: Vec<&'a TaskIn>,
    failed: BTreeMap<&'a BTreeSet<WorkerId>, Vec<&'a TaskIn>>,
}

/// Numbers the jobs and sorts their tasks in.
fn by_job(tasks: &[TaskIn]) -> (BTreeMap<JobId, usize>, Vec<Tasks<'_>>) {
    let mut numbers: BTreeMap<JobId, usize> = BTreeMap::new();
    let mut jobs: Vec<Tasks<'_>> = Vec::new();
    // They come by job as a rule.
    let mut last = None;
    for task in tasks {
        let number = match last {
            Some((job, number)) if job == task.job => number,
            Some(_) | None => *numbers.entry(task.job).or_insert_with(|| {
                jobs.push(Tasks { any: task, fresh: Vec::new(), failed: BTreeMap::new() });
                jobs.len() - 1
            }),
        };
        last = Some((task.job, number));
        let of_job = &mut jobs[number];
        if task.failed_on.is_empty() {
            of_job.fresh.push(task);
        } else {
            of_job.failed.entry(&task.failed_on).or_default().push(task);
        }
    }
    (numbers, jobs)
}

impl<'a> Tasks<'a> {
    fn sorted(self, number: usize, account: usize, room: &Room<'_>) -> JobNow<'a> {
        let TaskIn { job: id, priority, job_created_at, engine, .. } = *self.any;
        let fresh = Class { tasks: self.fresh, granted: 0, avoid: None };
        let failed = self.failed.into_iter().map(|(workers, tasks)| {
            let avoid = Some(workers);
            let other_can = room.has_any(Wanted { job: number, engine, avoid });
            Class { tasks, granted: 0, avoid: avoid.filter(|_| other_can) }
        });
        let mut classes: Vec<_> = std::iter::once(fresh).chain(failed).collect();
        for class in &mut classes {
            class.tasks.sort_by_key(|task| task.task);
        }
        let waiting = Waiting { number, id, account, priority, created_at: job_created_at };
        JobNow { waiting, classes, open: BTreeSet::new() }
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
    let slots: BTreeMap<_, _> = problem.slots.iter().map(|slot| ((slot.worker, slot.slot), slot)).collect();
    let tasks: BTreeMap<_, _> = problem.tasks.iter().map(|task| (task.task, task)).collect();
    let mut granted: BTreeSet<TaskId> = BTreeSet::new();
    let mut held: BTreeMap<(WorkerId, u16), u8> = BTreeMap::new();
    for grant in &plan.grants {
        if !granted.insert(grant.task) {
            return Err(format!("{} is granted twice", grant.task));
        }
        let (slot, task) = (slots.get(&(grant.worker, grant.slot)), tasks.get(&grant.task));
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
        if usize::from(*now_held) > LEASES_PER_SLOT_MAX {
            return Err(format!("slot {} of {} holds {now_held} leases", grant.slot, grant.worker));
        }
    }
    Ok(())
}
