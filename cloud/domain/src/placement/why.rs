//! Why does a job wait? For each task that was not placed, the rule that dropped each slot, and the rules in
//! words.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{JobId, WorkerId};
use pictor_actors::protocol::assignment::RenderEngine;

use super::problem::{Plan, Problem, SlotIn, TaskIn};
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

/// A slot and the rule that dropped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dropped {
    /// The worker.
    pub worker: WorkerId,
    /// Its slot.
    pub slot: u16,
    /// The rule.
    pub rule: Rule,
}

/// For each job with a task that the plan leaves waiting: every slot with its rule, for the first such task.
/// A job with an empty list waits because there is no slot at all.
#[must_use]
pub fn why(problem: &Problem, plan: &Plan) -> BTreeMap<JobId, Vec<Dropped>> {
    let granted: BTreeSet<_> = plan.grants.iter().map(|grant| grant.task).collect();
    let mut first: BTreeMap<JobId, &TaskIn> = BTreeMap::new();
    for task in problem.tasks.iter().filter(|task| !granted.contains(&task.task)) {
        let chosen = first.entry(task.job).or_insert(task);
        if task.task < chosen.task {
            *chosen = task;
        }
    }
    let after = problem.clone().after(plan);
    first
        .into_iter()
        .map(|(job, task)| {
            let mut dropped: Vec<_> = after
                .slots
                .iter()
                .map(|slot| Dropped {
                    worker: slot.worker,
                    slot: slot.slot,
                    rule: rule_of(slot, task, &after),
                })
                .collect();
            dropped.sort_unstable();
            (job, dropped)
        })
        .collect()
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

/// The rules in words, one line each with the number of slots, and then whoever takes nothing; never empty,
/// because nothing waits without a reason. Where no slot takes work it is one line that begins with
/// "no worker".
#[must_use]
pub fn words(dropped: &[Dropped], absent: &[Absence]) -> Vec<String> {
    let slots = counted(dropped.iter().map(|slot| slot.rule));
    let away: Vec<String> =
        counted(absent.iter().copied()).into_iter().map(|(absence, count)| away(absence, count)).collect();
    match (slots.is_empty(), away.is_empty()) {
        (true, true) => vec!["no worker is online".to_owned()],
        (true, false) => vec![format!("no worker takes work now: {}", away.join("; "))],
        (false, _) => slots.into_iter().map(|(rule, count)| line(rule, count)).chain(away).collect(),
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
