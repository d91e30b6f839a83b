//! The steps of a lease inside a transaction.
//!
//! Each first holds the task, then reads what is true, then changes task, lease and job together. Everybody
//! takes tasks, then leases, then jobs, then workers, each ascending and at once as strongly as it will need
//! them, so two of them cannot wait for each other (where two do, PostgreSQL undoes one, which then runs
//! again: `begin_write`). Two may be out of that order: a grant holds the job first, but waits for no task;
//! and what a person does to a whole job may meet a task that was cut while it waited for the job.
//!
//! A job is where all who work on it meet: what happens many times a second holds it as short as can be
//! (frames) or not at all (marks).

use pictor_actors::ids::{JobId, LeaseId, WorkerId};
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::lease::{self, Lease, LeaseEvent, LeaseState, Outcome};
use pictor_cloud_domain::task::TaskState;

use super::{AttemptEnd, Failure, LeaseRow, TaskGoes};
use crate::store::sql::{Number, Session, Template, args, items};
use crate::store::{JobRow, Result, StoreError, TaskRow};

static TASKS_OF_LEASES: Template = Template::new(
    "SELECT id FROM tasks WHERE id IN (
         SELECT leases.task_id FROM leases WHERE leases.id IN (SELECT item.value ->> 0 FROM {items})) {lock}",
);

static LIVE_LEASES: Template = Template::new(
    "SELECT id FROM leases WHERE ended_at IS NULL AND id IN (SELECT item.value ->> 0 FROM {items}) {lock}",
);

static LIVE: Template = Template::new(
    "SELECT COUNT(*) AS number FROM leases
     WHERE ended_at IS NULL AND id IN (SELECT item.value ->> 0 FROM {items})",
);

static JOBS_OF_LEASES: Template = Template::new(
    "SELECT id FROM jobs WHERE id IN (
         SELECT leases.job_id FROM leases WHERE leases.id IN (SELECT item.value ->> 0 FROM {items})) {lock}",
);

/// Takes turns with everybody else who changes the tasks of these leases.
pub(in crate::store) async fn hold_tasks_of(
    session: &mut Session,
    leases: impl Iterator<Item = LeaseId> + Send,
) -> Result<()> {
    session.hold(&TASKS_OF_LEASES, vec![items(leases.map(|lease| args![lease]))]).await
}

/// Takes turns with everybody else who changes those of these leases that are live.
pub(super) async fn hold_leases(
    session: &mut Session,
    leases: impl Iterator<Item = LeaseId> + Send,
) -> Result<()> {
    session.hold(&LIVE_LEASES, vec![items(leases.map(|lease| args![lease]))]).await
}

/// Takes turns on these leases, their tasks and their jobs, but for grants of other tasks. Nobody is held up
/// where none of them lives, which stays so.
async fn lock_all_of(session: &mut Session, leases: &[LeaseId]) -> Result<()> {
    let wanted = items(leases.iter().map(|lease| args![lease]));
    let live: Number = session.one(LIVE.text(session), vec![wanted]).await?;
    if live.number == 0 {
        return Ok(());
    }
    hold_tasks_of(session, leases.iter().copied()).await?;
    hold_leases(session, leases.iter().copied()).await?;
    session.hold(&JOBS_OF_LEASES, vec![items(leases.iter().map(|lease| args![lease]))]).await
}

/// The lease, if it is live under that fence; its task and job are then locked.
pub(super) async fn live_lease(session: &mut Session, id: LeaseId, fence: u64) -> Result<LeaseRow> {
    lock_all_of(session, &[id]).await?;
    let found: Option<LeaseRow> = session.optional("SELECT * FROM leases WHERE id = $1", args![id]).await?;
    let live = found.filter(|row| row.ended_at.is_none() && row.fence == fence);
    live.ok_or(StoreError::StaleFence)
}

/// Ends a live lease as its worker said.
pub(super) async fn end_live(
    session: &mut Session,
    lease: &LeaseRow,
    end: &AttemptEnd,
    now: UnixMillis,
) -> Result<()> {
    match &end.task_goes {
        TaskGoes::Pending { not_before } => {
            end_lease(session, lease, end.outcome, end.failure.as_ref(), now).await?;
            put_back(session, lease, end.failure.as_ref(), *not_before).await
        }
        TaskGoes::Failed { class, message } => {
            end_lease(session, lease, end.outcome, end.failure.as_ref(), now).await?;
            let task: TaskRow = session
                .one(
                    "UPDATE tasks SET state = 'failed', lease_id = NULL, failure_class = $2,
                        failure_message = $3,
                         ended_at = $4
                     WHERE id = $1 RETURNING *",
                    args![lease.task_id, class, message, now],
                )
                .await?;
            let lost = task.frames_total - task.frames_done;
            let sql = "UPDATE jobs SET frames_failed = frames_failed + $2, updated_at = $3 WHERE id = $1";
            session.run(sql, args![lease.job_id, lost, now]).await.map(|_| ())
        }
    }
}

async fn end_lease(
    session: &mut Session,
    lease: &LeaseRow,
    outcome: Outcome,
    failure: Option<&Failure>,
    now: UnixMillis,
) -> Result<()> {
    session
        .run(
            "UPDATE leases SET state = 'ended', outcome = $2, failure_class = $3, failure_message = $4,
                ended_at = $5
             WHERE id = $1",
            args![lease.id, outcome, failure.map(|f| f.class), failure.map(|f| f.message.clone()), now],
        )
        .await
        .map(|_| ())
}

/// The task of a lease that has just ended, whose job is held, goes back to the queue; of a paused job it
/// waits for the resume. The fence stays: frames that are on their way still count, until somebody else gets
/// the task.
async fn put_back(
    session: &mut Session,
    lease: &LeaseRow,
    failure: Option<&Failure>,
    not_before: UnixMillis,
) -> Result<()> {
    let job: JobRow = session.one("SELECT * FROM jobs WHERE id = $1", args![lease.job_id]).await?;
    let state = if job.state == JobState::Paused { TaskState::Paused } else { TaskState::Pending };
    let never_begun = u32::from(lease.started_at.is_none() && failure.is_none());
    session
        .run(
            "UPDATE tasks SET state = $2, lease_id = NULL, not_before = $3, attempts = attempts - $4,
                 failure_class = COALESCE($5, failure_class), failure_message = COALESCE($6, failure_message)
             WHERE id = $1 AND ended_at IS NULL",
            args![
                lease.task_id,
                state,
                not_before,
                never_begun,
                failure.map(|f| f.class),
                failure.map(|f| f.message.clone()),
            ],
        )
        .await
        .map(|_| ())
}

/// Ends a live lease of a locked job. Where the cloud takes it back the fence rises: what its worker still
/// sends is refused. Where the worker itself ended it, frames on their way count until the next grant.
pub(in crate::store) async fn end_and_put_back(
    session: &mut Session,
    lease: &LeaseRow,
    outcome: Outcome,
    now: UnixMillis,
) -> Result<LeaseRow> {
    end_lease(session, lease, outcome, None, now).await?;
    put_back(session, lease, None, UnixMillis(0)).await?;
    if !outcome.is_workers_word() {
        session.run("UPDATE tasks SET fence = fence + 1 WHERE id = $1", args![lease.task_id]).await?;
    }
    Ok(lease.clone().ended(outcome, now))
}

/// Whether the lease's machine knows such an end of it now: an accepted offer was answered, whoever says
/// that it was not.
fn can_end(row: &LeaseRow, outcome: Outcome, now: UnixMillis) -> bool {
    let LeaseRow { fence, state, outcome: so_far, expires_at, .. } = *row;
    let life = Lease { fence, state, outcome: so_far, expires_at };
    lease::step(&life, fence, LeaseEvent::of_end(outcome), now)
        .is_ok_and(|(next, _)| next.state == LeaseState::Ended)
}

/// Ends those of these leases that are live; see `Store::release_leases`.
pub(in crate::store) async fn release(
    session: &mut Session,
    leases: &[LeaseId],
    outcome: Outcome,
    now: UnixMillis,
) -> Result<Vec<LeaseRow>> {
    lock_all_of(session, leases).await?;
    let sql = "SELECT * FROM leases WHERE id = $1 AND ended_at IS NULL";
    let mut released = Vec::new();
    for lease in leases {
        let live: Option<LeaseRow> = session.optional(sql, args![lease]).await?;
        if let Some(row) = live.filter(|row| can_end(row, outcome, now)) {
            released.push(end_and_put_back(session, &row, outcome, now).await?);
        }
    }
    Ok(released)
}

/// Ends those of these leases that are live and past their time; see `Store::release_expired`.
pub(super) async fn release_expired(
    session: &mut Session,
    leases: &[LeaseId],
    now: UnixMillis,
) -> Result<Vec<LeaseRow>> {
    lock_all_of(session, leases).await?;
    let mut released = Vec::new();
    for lease in leases {
        if let Some(row) = expired_lease(session, *lease, now).await? {
            released.push(end_and_put_back(session, &row, Outcome::Expired, now).await?);
        }
    }
    Ok(released)
}

/// The lease, if it is live and past its time. Renewals take no turn on the job, so the row itself is held:
/// one that comes now waits, and then finds the lease ended.
pub(super) async fn expired_lease(
    session: &mut Session,
    id: LeaseId,
    now: UnixMillis,
) -> Result<Option<LeaseRow>> {
    let sql = "UPDATE leases SET expires_at = expires_at
               WHERE id = $1 AND ended_at IS NULL AND expires_at <= $2 RETURNING *";
    session.optional(sql, args![id, now]).await
}

/// The worker's failures since its last good attempt, after this one.
pub(super) async fn count_failure(
    session: &mut Session,
    lease: &LeaseRow,
    fault: Option<bool>,
) -> Result<u32> {
    let sql = match fault {
        Some(true) => "UPDATE workers SET failures_in_row = failures_in_row + 1 WHERE id = $1",
        Some(false) => "UPDATE workers SET failures_in_row = 0 WHERE id = $1",
        None => "",
    };
    if fault.is_some() {
        session.run(sql, args![lease.worker_id]).await?;
    }
    let sql = "SELECT failures_in_row AS number FROM workers WHERE id = $1";
    let count: Number = session.one(sql, args![lease.worker_id]).await?;
    Ok(u32::try_from(count.number).unwrap_or(u32::MAX))
}

pub(in crate::store) async fn live_of_worker(
    session: &mut Session,
    worker: WorkerId,
) -> Result<Vec<LeaseRow>> {
    let sql = "SELECT * FROM leases WHERE worker_id = $1 AND ended_at IS NULL ORDER BY id";
    session.all(sql, args![worker]).await
}

pub(in crate::store) async fn live_of_job(session: &mut Session, job: JobId) -> Result<Vec<LeaseRow>> {
    let sql = "SELECT * FROM leases WHERE job_id = $1 AND ended_at IS NULL ORDER BY id";
    session.all(sql, args![job]).await
}
