//! One turn: capacity and ready tasks in, stored and offered leases out.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use pictor_actors::faults;
use pictor_actors::ids::{JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::limits::{FRAMES_PER_TASK_MAX, LEASES_PER_SLOT_MAX};
use pictor_actors::protocol::assignment::{RenderEngine, TaskLimits};
use pictor_actors::protocol::{LeaseRef, Offer, TaskSpec};
use pictor_actors::supervise::Door;
use pictor_actors::units::Millis;
use pictor_cloud_domain::job::chunking::PENDING_MAX;
use pictor_cloud_domain::liveness::lost_after;
use pictor_cloud_domain::placement::{self, Absence, Dropped, Plan, Problem, SlotIn, TaskIn};

use crate::agents::fleet::{Capacity, GetCapacity, OfferTask, OfferTasks, SlotCapacity};
use crate::agents::jobs::{Jobs, LeasesGranted, SlotsSeen, retried};
use crate::agents::ports::{ANSWER_WITHIN, Ask, Ports};
use crate::agents::replicas::Share;
use crate::store::{Grant, GrantOutcome, JobRow, LeaseRow, ReadyTask, StoreError, between};

/// Ready tasks looked at in one turn.
const READY_MAX: u32 = 1_000;
/// Ready tasks of each job that are read beyond what the free slots could take: some may not suit them.
const TASKS_TO_SPARE: u32 = 8;
/// Leases granted in one turn: bounds its transaction.
const GRANTS_MAX: usize = 256;

/// Whom a turn speaks with.
pub(super) struct Reach {
    pub ports: Ports,
    pub jobs: Door<Jobs>,
}

/// What a turn saw and left behind.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The slots there are; unknown if the fleet did not answer.
    pub seen: Option<SlotsSeen>,
    /// Why tasks wait, in words.
    pub waiting: BTreeMap<JobId, Vec<String>>,
    /// More could have been granted: another turn is due.
    pub is_cut_short: bool,
}

/// Takes a turn. `avoid`: slots that declined lately.
pub(super) async fn take(reach: Rc<Reach>, avoid: BTreeSet<(WorkerId, u16)>) -> Result<Taken, StoreError> {
    let Ok(capacity) = Ask::<GetCapacity>::ask(&*reach.ports.fleet, GetCapacity).await else {
        return Ok(Taken::default());
    };
    let store = &reach.ports.store;
    let now = reach.ports.clock.now().wall;
    let others = reach.ports.peers.seen();
    let room = room_of(&capacity, &avoid);
    let mut per_job = room.saturating_add(TASKS_TO_SPARE).min(PENDING_MAX);
    let (ready, problem, plan) = loop {
        let ready = retried(|| store.ready_tasks(now, per_job, READY_MAX)).await?;
        let problem = problem_of(&capacity, &ready, &avoid);
        let plan = plan_of(&problem, others.share);
        // What was read may not suit the slots that are free: another task of the same job may.
        if per_job == PENDING_MAX || plan.grants.len() >= (room as usize).min(GRANTS_MAX) {
            break (ready, problem, plan);
        }
        per_job = PENDING_MAX;
    };
    let refused = if plan.grants.is_empty() { 0 } else { grant(&reach, &plan, ready).await? };
    // Where another replica has slots for it, this one does not know why it waits.
    let engines: BTreeMap<_, _> = problem.tasks.iter().map(|task| (task.job, task.engine)).collect();
    let is_known = |job: &JobId| engines.get(job).is_none_or(|engine| others.slots.able(*engine) == 0);
    let known = placement::why(&problem, &plan).into_iter().filter(|(job, _)| is_known(job));
    let in_words = |(job, dropped): (_, Dropped)| (job, placement::words(&dropped, &problem.absent));
    let waiting = known.map(in_words).collect();
    let is_cut_short = refused > 0 || plan.grants.len() >= GRANTS_MAX;
    Ok(Taken { seen: Some(seen_of(&capacity.slots)), waiting, is_cut_short })
}

/// How many leases the slots could take.
fn room_of(capacity: &Capacity, avoid: &BTreeSet<(WorkerId, u16)>) -> u32 {
    let slots =
        capacity.slots.iter().filter(|slot| !slot.rested && !avoid.contains(&(slot.worker, slot.slot)));
    let room = slots.map(|slot| LEASES_PER_SLOT_MAX.saturating_sub(usize::from(slot.leases_held)));
    u32::try_from(room.sum::<usize>()).unwrap_or(u32::MAX)
}

fn problem_of(capacity: &Capacity, ready: &[ReadyTask], avoid: &BTreeSet<(WorkerId, u16)>) -> Problem {
    let (avoided, slots): (Vec<_>, Vec<_>) =
        capacity.slots.iter().partition(|slot| avoid.contains(&(slot.worker, slot.slot)));
    let declined = avoided.iter().map(|_| Absence::Declined);
    Problem {
        slots: slots.into_iter().map(slot_in).collect(),
        tasks: ready.iter().map(task_in).collect(),
        absent: capacity.absent.iter().copied().chain(declined).collect(),
        grants_max: GRANTS_MAX,
    }
}

/// First what is of this replica's share: others reach for theirs at the same moment. What that leaves free
/// may take any task.
fn plan_of(problem: &Problem, share: Share) -> Plan {
    if share.of <= 1 {
        return placement::solve(problem);
    }
    let is_own = |task: &&TaskIn| share.has(task.task);
    let own = Problem {
        slots: problem.slots.clone(),
        tasks: problem.tasks.iter().filter(is_own).cloned().collect(),
        absent: problem.absent.clone(),
        grants_max: problem.grants_max,
    };
    let plan = placement::solve(&own);
    let idle = problem.slots.iter().filter(|slot| slot.leases_held == 0).count();
    if plan.grants.len() >= idle.max(1) { plan } else { placement::solve(problem) }
}

fn slot_in(slot: &SlotCapacity) -> SlotIn {
    SlotIn {
        worker: slot.worker,
        slot: slot.slot,
        engines: slot.engines.clone(),
        has_gpu: slot.gpu_memory.is_some(),
        leases_held: slot.leases_held,
        warm_job: slot.warm_job,
        rested: slot.rested,
    }
}

fn task_in(ready: &ReadyTask) -> TaskIn {
    TaskIn {
        task: ready.task,
        job: ready.job,
        account: ready.account,
        priority: ready.priority,
        job_created_at: ready.job_created_at,
        engine: ready.engine,
        failed_on: ready.failed_on.iter().copied().collect(),
        running_of_account: ready.running_of_account,
    }
}

fn seen_of(capacity: &[SlotCapacity]) -> SlotsSeen {
    let count = |engine: RenderEngine| {
        let able = capacity.iter().filter(|slot| !slot.rested && slot.engines.contains(&engine));
        u32::try_from(able.count()).unwrap_or(u32::MAX)
    };
    let is_real = |slot: &&SlotCapacity| slot.engines.iter().any(|engine| *engine != RenderEngine::Simulated);
    let any = capacity.iter().filter(|slot| !slot.rested).filter(is_real).count();
    SlotsSeen {
        any: u32::try_from(any).unwrap_or(u32::MAX),
        cycles: count(RenderEngine::Cycles),
        eevee: count(RenderEngine::Eevee),
        workbench: count(RenderEngine::Workbench),
        simulated: count(RenderEngine::Simulated),
    }
}

/// Stores the plan's leases, then tells jobs and workers. Returns how many were refused because rows had
/// changed.
async fn grant(reach: &Reach, plan: &Plan, ready: Vec<ReadyTask>) -> Result<usize, StoreError> {
    let store = &reach.ports.store;
    let now = reach.ports.clock.now().wall;
    let mut ready: BTreeMap<TaskId, ReadyTask> = ready.into_iter().map(|task| (task.task, task)).collect();
    let wanted: BTreeSet<JobId> = plan.grants.iter().map(|grant| grant.job).collect();
    let jobs = retried(|| store.jobs_by_id(wanted.iter().copied())).await?;
    let jobs: BTreeMap<JobId, JobRow> = jobs.into_iter().map(|job| (job.id, job)).collect();
    let grants: Vec<_> = plan
        .grants
        .iter()
        .filter_map(|grant| {
            let expected_fence = ready.get(&grant.task)?.fence;
            let least = reach.ports.timing.lease_ttl;
            let mean = jobs.get(&grant.job).and_then(JobRow::frame_mean);
            let lost_after = mean.map(|mean| lost_after(Some(mean), least));
            let (lease, expires_at) = (LeaseId::generate(), now.plus(lost_after.unwrap_or(least)));
            let (task, worker, slot) = (grant.task, grant.worker, grant.slot);
            Some(Grant { lease, task, worker, slot, expected_fence, expires_at, lost_after })
        })
        .collect();
    let ahead: BTreeSet<_> = plan.grants.iter().filter(|grant| grant.ahead).map(|grant| grant.task).collect();
    let granting = retried(|| store.grant_leases(&grants, now));
    let outcomes = between("grant.before", granting, "grant.after").await?;
    let (mut leases, mut offers) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        let GrantOutcome::Granted(lease) = outcome else { continue };
        let (Some(task), Some(job)) = (ready.remove(&lease.task_id), jobs.get(&lease.job_id)) else {
            continue;
        };
        offers.extend(offer_of(&lease, task, job, ahead.contains(&lease.task_id)));
        leases.push(lease);
    }
    let refused = grants.len() - leases.len();
    tell(reach, leases, offers).await;
    faults::pass("grant.told").await?;
    Ok(refused)
}

/// The jobs first, so that a worker's answer finds a job that knows the lease.
async fn tell(reach: &Reach, leases: Vec<LeaseRow>, offers: Vec<OfferTask>) {
    for lease in &leases {
        let (task, worker) = (lease.task_id, lease.worker_id);
        tracing::debug!(lease = %lease.id, %task, %worker, slot = lease.slot, fence = lease.fence, "granted");
    }
    if let Err(error) = reach.jobs.ask(LeasesGranted(leases), ANSWER_WITHIN).await {
        tracing::debug!(%error, "jobs did not hear of granted leases");
    }
    if let Err(error) = Ask::<OfferTasks>::ask(&*reach.ports.fleet, OfferTasks(offers)).await {
        tracing::warn!(%error, "the fleet did not take offers; their leases expire");
    }
}

fn offer_of(lease: &LeaseRow, ready: ReadyTask, job: &JobRow, ahead: bool) -> Option<OfferTask> {
    let mut frames = ready.frames_left;
    frames.truncate(FRAMES_PER_TASK_MAX);
    let task = TaskSpec {
        task: ready.task,
        job: job.id,
        job_name: job.name.clone(),
        attempt: ready.attempts + 1,
        frames,
        inputs: job.inputs_hash?,
        render: job.settings.clone(),
        limits: TaskLimits { frame_time_ms: job.frame_time_limit_ms, memory_bytes: None },
    };
    let lease_ref = LeaseRef { lease: lease.id, fence: lease.fence };
    let offer = Offer { lease: lease_ref, slot: lease.slot, ahead, task };
    Some(OfferTask { worker: lease.worker_id, offer, lost_after: lease.lost_after_ms.map(Millis) })
}
