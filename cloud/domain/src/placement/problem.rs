//! The question and the answer. Outside, ids; inside the solver, indices into these lists.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{AccountId, JobId, TaskId, WorkerId};
use pictor_actors::limits::LEASES_PER_SLOT_MAX;
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::units::UnixMillis;

use super::why::Absence;

/// A slot of a connected worker that is not paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotIn {
    /// The worker.
    pub worker: WorkerId,
    /// The slot's number within it.
    pub slot: u16,
    /// Engines it can run.
    pub engines: Vec<RenderEngine>,
    /// It is a GPU slot.
    pub has_gpu: bool,
    /// Leases it holds, 0 to [`LEASES_PER_SLOT_MAX`].
    pub leases_held: u8,
    /// The job whose scene it has loaded.
    pub warm_job: Option<JobId>,
    /// Its worker gets nothing for now.
    pub rested: bool,
}

impl SlotIn {
    /// Leases it can still take.
    #[must_use]
    pub fn room(&self) -> u8 {
        u8::try_from(LEASES_PER_SLOT_MAX).unwrap_or(u8::MAX).saturating_sub(self.leases_held)
    }

    /// Whether it could run work that needs this engine, busy or not.
    #[must_use]
    pub fn can_run(&self, engine: Option<RenderEngine>) -> bool {
        !self.rested && self.has_engine(engine)
    }

    /// Whether it has the engine; where none is known, any real one will do.
    #[must_use]
    pub fn has_engine(&self, engine: Option<RenderEngine>) -> bool {
        match engine {
            Some(engine) => self.engines.contains(&engine),
            None => self.engines.iter().any(|engine| *engine != RenderEngine::Simulated),
        }
    }
}

/// A pending task whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskIn {
    /// The task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// Its account.
    pub account: AccountId,
    /// 0 to 100, higher first.
    pub priority: u8,
    /// Age of its job.
    pub job_created_at: UnixMillis,
    /// Engine it needs, where known.
    pub engine: Option<RenderEngine>,
    /// Workers on which an attempt of it failed.
    pub failed_on: BTreeSet<WorkerId>,
    /// Live leases of its account, over all its jobs; the same for all tasks of an account.
    pub running_of_account: u32,
}

/// All slots and all ready tasks of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problem {
    /// Slots, in any order.
    pub slots: Vec<SlotIn>,
    /// Tasks, in any order.
    pub tasks: Vec<TaskIn>,
    /// Whoever is connected and takes nothing, each with its cause: says why a task waits, decides nothing.
    pub absent: Vec<Absence>,
    /// Bound of one turn.
    pub grants_max: usize,
}

/// One task to one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// The worker.
    pub worker: WorkerId,
    /// The slot.
    pub slot: u16,
    /// The slot runs something else first.
    pub ahead: bool,
}

/// What should be granted, in the order of importance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The grants.
    pub grants: Vec<Grant>,
}

impl Plan {
    /// The grants that are not on their way yet.
    #[must_use]
    pub fn without(self, in_flight: &BTreeSet<TaskId>) -> Self {
        Self { grants: self.grants.into_iter().filter(|grant| !in_flight.contains(&grant.task)).collect() }
    }
}

impl Problem {
    /// The problem once a plan is carried out.
    #[must_use]
    pub fn after(mut self, plan: &Plan) -> Self {
        let granted: BTreeSet<TaskId> = plan.grants.iter().map(|grant| grant.task).collect();
        let mut more: BTreeMap<AccountId, u32> = BTreeMap::new();
        self.tasks.retain(|task| {
            let waits = !granted.contains(&task.task);
            if !waits {
                *more.entry(task.account).or_default() += 1;
            }
            waits
        });
        for task in &mut self.tasks {
            task.running_of_account += more.get(&task.account).copied().unwrap_or_default();
        }
        self.slots = self.slots_after(plan);
        self
    }

    /// The slots once a plan is carried out.
    pub(super) fn slots_after(&self, plan: &Plan) -> Vec<SlotIn> {
        let mut slots = self.slots.clone();
        let places = slots.iter().enumerate().map(|(at, slot)| ((slot.worker, slot.slot), at));
        let places: BTreeMap<_, _> = places.collect();
        for grant in &plan.grants {
            if let Some(at) = places.get(&(grant.worker, grant.slot)) {
                let slot = &mut slots[*at];
                (slot.leases_held, slot.warm_job) = (slot.leases_held + 1, Some(grant.job));
            }
        }
        slots
    }
}
