//! Why does a job wait? For the first task of each that was not placed, how many slots each rule dropped, and
//! the rules in words.
//!
//! Slots are counted once, by kind; each job then reads the counts, so that thousands of jobs may wait for
//! thousands of slots.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{JobId, WorkerId};
use pictor_actors::protocol::assignment::RenderEngine;

use super::problem::{Plan, Problem, SlotIn, TaskIn};
use super::room::{KINDS, can_run, kind_of};
use super::solve::another_can;

/// Why a slot does not take a task, first rule first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Its worker is rested.
    Rested,
    /// It lacks the engine.
    LacksEngine(Option<RenderEngine>),
    /// The task failed on its worker and another could take it.
    FailedThere,
    /// It runs one and has one ahead, of this job too.
    BusyWithThisJob,
    /// It runs one and has one ahead, all of other jobs.
    Busy,
    /// It could take it, but the bound of one turn was reached: the next turn is at hand.
    NextTurn,
}

/// Why whoever is connected takes nothing at all, and so stands in no plan. One a worker, but for a refusal,
/// which is a slot's. Without the owner's own words: whoever waits may be another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absence {
    /// Its owner paused it, at the machine or from the dashboard.
    PausedByOwner,
    /// It paused itself: its disk is nearly full.
    LowDisk,
    /// It paused itself: it found no Blender.
    NoBlender,
    /// It is paused for another cause.
    Paused,
    /// It finishes what it has.
    Finishing,
    /// It delivers what it has rendered, which takes longer than the rendering did.
    Delivering,
    /// It replaces its own program.
    Updating,
    /// It says that it cannot work.
    Faulty,
    /// Its heartbeat is overdue.
    Silent,
    /// None of its slots is switched on.
    NoSlot,
    /// One of its slots refused a task a moment ago.
    Declined,
}

/// How many slots each rule dropped; empty where there is no slot at all.
pub type Dropped = BTreeMap<Rule, usize>;

/// For each job with a task that the plan leaves waiting: what dropped the slots for the first such task.
#[must_use]
pub fn why(problem: &Problem, plan: &Plan) -> BTreeMap<JobId, Dropped> {
    let granted: BTreeSet<_> = plan.grants.iter().map(|grant| grant.task).collect();
    let mut first: BTreeMap<JobId, &TaskIn> = BTreeMap::new();
    for task in problem.tasks.iter().filter(|task| !granted.contains(&task.task)) {
        let chosen = first.entry(task.job).or_insert(task);
        if task.task < chosen.task {
            *chosen = task;
        }
    }
    let slots = problem.slots_after(plan);
    let counts = Counts::of(&slots);
    first.into_iter().map(|(job, task)| (job, counts.for_task(task, &slots))).collect()
}

/// Slots by all that the rules look at.
#[derive(Default)]
struct Counts {
    all: usize,
    rested: usize,
    free: [usize; KINDS],
    full: [usize; KINDS],
    /// Of the full ones, those with the scene of a job.
    full_with: BTreeMap<JobId, [usize; KINDS]>,
    of_worker: BTreeMap<WorkerId, Vec<usize>>,
}

impl Counts {
    fn of(slots: &[SlotIn]) -> Self {
        let mut counts = Self { all: slots.len(), ..Self::default() };
        for (at, slot) in slots.iter().enumerate() {
            counts.of_worker.entry(slot.worker).or_default().push(at);
            let kind = kind_of(&slot.engines);
            if slot.rested {
                counts.rested += 1;
            } else if slot.room() > 0 {
                counts.free[kind] += 1;
            } else {
                counts.full[kind] += 1;
                if let Some(job) = slot.warm_job {
                    counts.full_with.entry(job).or_default()[kind] += 1;
                }
            }
        }
        counts
    }

    fn for_task(&self, task: &TaskIn, slots: &[SlotIn]) -> Dropped {
        let able = |of_kind: &[usize; KINDS]| -> usize {
            (0..KINDS).filter(|kind| can_run(*kind, task.engine)).map(|kind| of_kind[kind]).sum()
        };
        let (free, full) = (able(&self.free), able(&self.full));
        let with_this = self.full_with.get(&task.job).map_or(0, able);
        let mut dropped = Dropped::from([
            (Rule::Rested, self.rested),
            (Rule::LacksEngine(task.engine), self.all - self.rested - free - full),
            (Rule::BusyWithThisJob, with_this),
            (Rule::Busy, full - with_this),
            (Rule::NextTurn, free),
        ]);
        if another_can(slots.iter(), task) {
            for at in task.failed_on.iter().filter_map(|worker| self.of_worker.get(worker)).flatten() {
                move_to_failed(&mut dropped, &slots[*at], task);
            }
        }
        dropped.retain(|_, count| *count > 0);
        dropped
    }
}

/// A slot where the task failed was counted under another rule.
fn move_to_failed(dropped: &mut Dropped, slot: &SlotIn, task: &TaskIn) {
    if !slot.can_run(task.engine) {
        return;
    }
    let counted = if slot.room() > 0 {
        Rule::NextTurn
    } else if slot.warm_job == Some(task.job) {
        Rule::BusyWithThisJob
    } else {
        Rule::Busy
    };
    if let Some(count) = dropped.get_mut(&counted) {
        *count -= 1;
    }
    *dropped.entry(Rule::FailedThere).or_default() += 1;
}

/// The rules in words, one line each with the number of slots, and then whoever takes nothing; never empty,
/// because nothing waits without a reason. Where no slot takes work it is one line that begins with
/// "no worker".
#[must_use]
pub fn words(dropped: &Dropped, absent: &[Absence]) -> Vec<String> {
    let away: Vec<String> =
        counted(absent.iter().copied()).into_iter().map(|(absence, count)| away(absence, count)).collect();
    match (dropped.is_empty(), away.is_empty()) {
        (true, true) => vec!["no worker is online".to_owned()],
        (true, false) => vec![format!("no worker takes work now: {}", away.join("; "))],
        (false, _) => dropped.iter().map(|(rule, count)| line(*rule, *count)).chain(away).collect(),
    }
}

fn counted<T: Ord>(all: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    counts
}

fn away(absence: Absence, count: usize) -> String {
    let several = count != 1;
    let (workers, is, has) = match several {
        false => ("1 worker".to_owned(), "is", "has"),
        true => (format!("{count} workers"), "are", "have"),
    };
    match absence {
        Absence::PausedByOwner if several => format!("{workers} are paused by their owners"),
        Absence::PausedByOwner => format!("{workers} is paused by its owner"),
        Absence::LowDisk => format!("{workers} {is} paused because the disk is nearly full"),
        Absence::NoBlender => format!("{workers} {is} paused because no Blender was found there"),
        Absence::Paused => format!("{workers} {is} paused"),
        Absence::Finishing => format!("{workers} {is} finishing and will take nothing new"),
        Absence::Delivering => {
            format!("{workers} {has} many rendered frames to upload before anything new")
        }
        Absence::Updating => format!("{workers} {is} updating"),
        Absence::Faulty => format!("{workers} {has} a fault and cannot work"),
        Absence::Silent => format!("{workers} {has} not been heard from for a while"),
        Absence::NoSlot => format!("{workers} {has} no slot switched on"),
        Absence::Declined => {
            let slots = if several { format!("{count} slots") } else { "1 slot".to_owned() };
            format!("{slots} declined a task a moment ago and {is} asked again soon")
        }
    }
}

fn line(rule: Rule, count: usize) -> String {
    let (slots, is, has) = if count == 1 {
        ("1 slot".to_owned(), "is", "has")
    } else {
        (format!("{count} slots"), "are", "have")
    };
    match rule {
        Rule::Rested => format!("{slots} {is} rested after failed attempts"),
        Rule::LacksEngine(Some(engine)) => format!("{slots} cannot render with {}", engine_words(engine)),
        Rule::LacksEngine(None) => format!("{slots} {has} no Blender that renders"),
        Rule::FailedThere => format!("{slots} already failed at it; it waits for another worker"),
        Rule::BusyWithThisJob => format!("{slots} {is} busy with other frames of this job"),
        Rule::Busy => format!("{slots} {is} busy with other jobs"),
        Rule::NextTurn => format!("{slots} {is} about to get it"),
    }
}

/// An engine as people write it.
#[must_use]
pub const fn engine_words(engine: RenderEngine) -> &'static str {
    match engine {
        RenderEngine::Cycles => "Cycles",
        RenderEngine::Eevee => "EEVEE",
        RenderEngine::Workbench => "Workbench",
        RenderEngine::Simulated => "the simulated engine",
    }
}
