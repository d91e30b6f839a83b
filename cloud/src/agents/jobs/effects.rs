//! What a job's actor does outside itself: the store, the fleet, the dispatcher, live events.
//!
//! What was certainly not done is tried again a few times; what may have been done is told to the actor,
//! which then lets itself be rebuilt from the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use pictor_actors::backoff::Backoff;
use pictor_actors::ids::{JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::{Cancel, CancelReason, FailureClass, LeaseRef};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::job::FrameSet;
use pictor_cloud_domain::job::eta::FrameTimes;
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::task::{FailedAttempt, Record, Verdict, judge};
use pictor_cloud_domain::worker::standing::{Rest, Standing, rest_due};

use super::happened::{Happened, Rows};
use crate::agents::broadcast::{Announce, LiveEvent};
use crate::agents::dispatcher::Wake;
use crate::agents::fleet::{CancelLease, GetCapacity, LeasesEnded, RestWorker};
use crate::agents::ports::{Ask, Ports};
use crate::bus::Nudge;
use crate::store::{
    AttemptEnd, EndedAttempt, Failure, LeaseRow, LogRow, NewTaskRow, Store, StoreError, TaskGoes, WorkerRow,
    between,
};

/// Tries of a write that was certainly not done.
const TRIES: u32 = 4;
/// Tries of the reads that an actor is built from, two seconds apart at most: a database that is away for
/// minutes must not cost the process.
const BUILD_TRIES: u32 = 300;

/// A look at a job's rows takes so long at most.
const READ_WITHIN: Millis = Millis::from_secs(20);

/// Workers of other replicas that are asked for when a task has failed: more than may fail at it.
const ELSEWHERE_MAX: u32 = 64;

/// What the actors of jobs share.
pub(super) struct Reach {
    pub ports: Ports,
    pub dispatcher: Rc<dyn Ask<Wake>>,
}

impl Reach {
    pub fn now(&self) -> UnixMillis {
        self.ports.clock.now().wall
    }

    /// Tasks may be ready: says "look again" to every dispatcher; losing it costs its next round.
    pub fn wake(&self) {
        self.wake_here();
        self.ports.peers.tell(Nudge::Wake);
    }

    /// A slot of this replica may be free, which is nothing to the others.
    pub fn wake_here(&self) {
        actix_rt::spawn(drop_answer(self.dispatcher.ask(Wake)));
    }

    pub fn announce(&self, told: Announce) {
        actix_rt::spawn(drop_answer(self.ports.announce.ask(told)));
    }

    /// Tells a worker to stop; should it not hear it, its next heartbeat's answer says so.
    pub fn cancel(&self, worker: WorkerId, lease: LeaseRef, reason: CancelReason) {
        let cancel = CancelLease { worker, cancel: Cancel { lease, reason } };
        actix_rt::spawn(drop_answer(Ask::<CancelLease>::ask(&*self.ports.fleet, cancel)));
    }

    /// The slots of these leases are free.
    pub fn ended(&self, leases: Vec<(WorkerId, LeaseId)>) {
        actix_rt::spawn(drop_answer(Ask::<LeasesEnded>::ask(&*self.ports.fleet, LeasesEnded(leases))));
    }

    /// Lines that are left when the actor goes.
    pub fn keep_last_lines(&self, lines: Vec<LogRow>) {
        let store = self.ports.store.clone();
        actix_rt::spawn(async move {
            if let Err(error) = retried(|| store.append_log(&lines)).await {
                tracing::warn!(%error, "the last log lines of a job were not stored");
            }
        });
    }
}

async fn drop_answer<T, E: std::fmt::Display>(asking: impl Future<Output = Result<T, E>>) {
    if let Err(error) = asking.await {
        tracing::debug!(%error, "a message was not taken");
    }
}

/// Repeats what was certainly not done, a few times.
pub(in crate::agents) async fn retried<T, F, W>(write: F) -> Result<T, StoreError>
where
    F: FnMut() -> W,
    W: Future<Output = Result<T, StoreError>>,
{
    tried(TRIES, write).await
}

async fn tried<T, F, W>(tries: u32, mut write: F) -> Result<T, StoreError>
where
    F: FnMut() -> W,
    W: Future<Output = Result<T, StoreError>>,
{
    let mut backoff = Backoff::new(Millis(50), Millis(2_000));
    let mut tried = 1;
    loop {
        match write().await {
            Err(StoreError::Unavailable(_)) if tried < tries => {
                tried += 1;
                tokio::time::sleep(backoff.failed(getrandom::u64().unwrap_or(0)).to_duration()).await;
            }
            done => return done,
        }
    }
}

/// The job's row is read last: what it says about ends is then no older than the tasks.
pub(super) async fn read_rows(store: &Store, job: JobId) -> Result<Rows, StoreError> {
    let (open, leases) = retried(|| store.open_work_of(job)).await?;
    Ok(Rows { job: retried(|| store.job(job)).await?, open, leases })
}

/// The rows to build an actor from, and the render times of the frames that are there.
pub(super) async fn read_to_build(store: &Store, job: JobId) -> Result<(Rows, FrameTimes), StoreError> {
    let rows = tried(BUILD_TRIES, || read_rows(store, job)).await?;
    let (count, total) = (u64::from(rows.job.frames_done), Millis(rows.job.render_ms_total));
    Ok((rows, FrameTimes { count, total }))
}

pub(super) async fn reload(reach: Rc<Reach>, job: JobId) -> Happened {
    // A read that never ends would be the last one: they are made one at a time.
    let read = tokio::time::timeout(READ_WITHIN.to_duration(), read_rows(&reach.ports.store, job)).await;
    let late = |_| Err(StoreError::Unavailable("the rows of a job were not read in time".into()));
    Happened::Reloaded(Box::new(read.unwrap_or_else(late)))
}

pub(super) async fn cut(reach: Rc<Reach>, job: JobId, planned_before: u32, sets: Vec<FrameSet>) -> Happened {
    let tasks: Vec<_> = sets
        .iter()
        .map(|set| NewTaskRow { id: TaskId::generate(), frames: set.to_string(), frames_total: set.len() })
        .collect();
    let store = &reach.ports.store;
    let cutting = retried(|| store.cut_tasks(job, planned_before, &tasks, reach.now()));
    let row = between("cut.before", cutting, "cut.after").await;
    Happened::TasksCut(row, tasks)
}

pub(super) async fn give_back(reach: Rc<Reach>, lease: LeaseId, outcome: Outcome) -> Happened {
    let store = &reach.ports.store;
    let leases = [lease];
    let releasing = retried(|| store.release_leases(&leases, outcome, reach.now()));
    let released = between("give_back.before", releasing, "give_back.after").await;
    Happened::LeaseGivenBack(lease, released)
}

/// Stores that every frame of a lease is rendered: it stays live until they are delivered, and no longer
/// holds its slot, also after a reconnect or a restart.
pub(super) async fn keep_rendered(reach: Rc<Reach>, LeaseRef { lease, fence }: LeaseRef) -> Happened {
    let store = &reach.ports.store;
    let noting = retried(|| store.lease_rendered(lease, fence, reach.now()));
    Happened::LeaseMarked(between("rendered.before", noting, "rendered.after").await)
}

pub(super) async fn check_end(reach: Rc<Reach>, job: JobId) -> Happened {
    let store = &reach.ports.store;
    let ending = retried(|| store.end_job_if_done(job, reach.now()));
    Happened::EndChecked(between("job_end.before", ending, "job_end.after").await)
}

pub(super) async fn fail_at_once(reach: Rc<Reach>, job: JobId, reason: String) -> Happened {
    let store = &reach.ports.store;
    Happened::FailedAtOnce(retried(|| store.fail_job(job, &reason, reach.now())).await)
}

/// A failed attempt as the actor knows it.
pub(super) struct FailedLease {
    pub lease: LeaseRef,
    pub job: JobId,
    pub task: TaskId,
    pub worker: WorkerId,
    pub class: FailureClass,
    pub message: String,
    pub engine: Option<RenderEngine>,
    pub job_has_frames: bool,
    pub worker_failed_job_before: bool,
}

pub(super) async fn judge_failure(reach: Rc<Reach>, failed: FailedLease) -> Happened {
    let lease = failed.lease.lease;
    Happened::AttemptJudged(lease, Box::new(judged(&reach, failed).await))
}

async fn judged(reach: &Reach, failed: FailedLease) -> Result<(EndedAttempt, Verdict), StoreError> {
    let (store, now) = (&reach.ports.store, reach.now());
    let attempts = retried(|| store.attempts_of(failed.task)).await?;
    // By the row: frames may have come by another replica.
    let job_has_frames = failed.job_has_frames || retried(|| store.job(failed.job)).await?.frames_done > 0;
    let failures = failures_of(store, &attempts, &failed, now).await?;
    let able = able_workers(reach, failed.engine, failed.worker).await;
    let (verdict, counts) = judge(&Record {
        failures: &failures,
        message: &failed.message,
        able: &able,
        job_has_frames,
        worker_failed_job_before: failed.worker_failed_job_before,
    });
    let end = AttemptEnd {
        outcome: Outcome::Failed,
        failure: Some(Failure { class: failed.class, message: failed.message.clone() }),
        task_goes: goes(&verdict, failed.class, now),
        worker_fault: counts.then_some(true),
    };
    let LeaseRef { lease, fence } = failed.lease;
    let ending = retried(|| store.end_attempt(lease, fence, &end, now));
    let ended = between("judge.before", ending, "judge.after").await?;
    reach.ended(vec![(failed.worker, lease)]);
    if counts && let Some(rest) = rest_due(ended.worker_failures_in_row, failed.class, &failed.message, now) {
        rest_worker(reach, failed.worker, rest).await?;
    }
    Ok((ended, verdict))
}

async fn failures_of(
    store: &Store,
    attempts: &[LeaseRow],
    failed: &FailedLease,
    now: UnixMillis,
) -> Result<Vec<FailedAttempt>, StoreError> {
    let before = attempts.iter().filter(|attempt| attempt.id != failed.lease.lease);
    let mut all: Vec<_> = before
        .filter(|attempt| attempt.outcome == Some(Outcome::Failed))
        .filter_map(|attempt| attempt.failure_class.map(|class| (attempt.worker_id, class)))
        .collect();
    all.push((failed.worker, failed.class));
    let mut standings = BTreeMap::new();
    for (worker, _) in &all {
        if !standings.contains_key(worker) {
            let row = retried(|| store.worker(*worker)).await?;
            standings.insert(*worker, standing_of(&row).is_good(now));
        }
    }
    let good = |worker: WorkerId| standings.get(&worker).copied().unwrap_or(false);
    Ok(all
        .into_iter()
        .map(|(worker, class)| FailedAttempt { worker, class, in_good_standing: good(worker) })
        .collect())
}

fn standing_of(row: &WorkerRow) -> Standing {
    let reason = row.rest_reason.clone().unwrap_or_default();
    let rest = row.rested_until.map(|until| Rest { until, reason });
    Standing { failures_in_row: row.failures_in_row, rest }
}

/// Workers that could render it; the one that failed counts, whether or not it is there this moment.
async fn able_workers(reach: &Reach, engine: Option<RenderEngine>, failed: WorkerId) -> BTreeSet<WorkerId> {
    let capacity = Ask::<GetCapacity>::ask(&*reach.ports.fleet, GetCapacity).await.unwrap_or_default();
    let can_run =
        |engines: &[RenderEngine]| engine.map_or(!engines.is_empty(), |engine| engines.contains(&engine));
    let can = capacity.slots.into_iter().filter(|slot| !slot.rested && can_run(&slot.engines));
    let mut able: BTreeSet<_> = can.map(|slot| slot.worker).chain([failed]).collect();
    if reach.ports.peers.seen().others > 0 {
        let elsewhere = retried(|| reach.ports.store.workers_elsewhere(reach.now(), ELSEWHERE_MAX)).await;
        let can = elsewhere
            .unwrap_or_default()
            .into_iter()
            .filter(|row| row.slots.iter().flatten().any(|slot| slot.enabled && can_run(&slot.engines)));
        able.extend(can.map(|row| row.id));
    }
    able
}

fn goes(verdict: &Verdict, class: FailureClass, now: UnixMillis) -> TaskGoes {
    match verdict {
        Verdict::Again { after } => TaskGoes::Pending { not_before: now.plus(*after) },
        Verdict::JobFault { message } | Verdict::GivenUp { message } => {
            TaskGoes::Failed { class, message: message.clone() }
        }
    }
}

async fn rest_worker(reach: &Reach, worker: WorkerId, rest: Rest) -> Result<(), StoreError> {
    let (store, now) = (&reach.ports.store, reach.now());
    let row = retried(|| store.rest_worker(worker, Some((rest.until, &rest.reason)), now)).await?;
    reach.announce(Announce { account: row.account_id, event: LiveEvent::WorkerChanged(worker) });
    let told = RestWorker { worker, until: rest.until, reason: rest.reason };
    drop_answer(Ask::<RestWorker>::ask(&*reach.ports.fleet, told)).await;
    Ok(())
}
