//! What happens to a job together with its tasks and leases, each in one transaction.

use pictor_actors::ids::JobId;
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::task::TaskState;

use super::{JobRow, held_job, locked_whole_job, move_job};
use crate::store::leases::{end_and_put_back, live_of_job};
use crate::store::sql::{Number, Template, args, items};
use crate::store::{ConflictKind, LeaseRow, NewTaskRow, Result, Store, StoreError};

static CUT: Template = Template::new(
    "INSERT INTO tasks (id, job_id, account_id, state, frames, frames_total, created_at)
     SELECT item.value ->> 0, item.value ->> 1, item.value ->> 2, item.value ->> 3, item.value ->> 4,
         CAST(item.value ->> 5 AS BIGINT), CAST(item.value ->> 6 AS BIGINT)
     FROM {items}",
);

impl Store {
    /// Cuts the next tasks. `Conflict(State)` if `frames_planned` is not `planned_before` any more (somebody
    /// else cut them) or the job has ended.
    pub async fn cut_tasks(
        &self,
        job: JobId,
        planned_before: u32,
        tasks: &[NewTaskRow],
        now: UnixMillis,
    ) -> Result<JobRow> {
        let tasks = tasks.to_vec();
        self.begin_write(move |session| {
            Box::pin(async move {
                // Grants of what was cut before go on meanwhile.
                let row = held_job(session, job).await?;
                if row.frames_planned != planned_before || row.state.is_ended() {
                    return Err(StoreError::Conflict(ConflictKind::State));
                }
                let state =
                    if row.state == JobState::Paused { TaskState::Paused } else { TaskState::Pending };
                let rows = tasks.iter().map(|task| {
                    args![task.id, job, row.account_id, state, task.frames, task.frames_total, now]
                });
                session.run(CUT.text(session), vec![items(rows)]).await?;
                let cut: u32 = tasks.iter().map(|task| task.frames_total).sum();
                let sql = "UPDATE jobs SET frames_planned = frames_planned + $2, updated_at = $3
                           WHERE id = $1 RETURNING *";
                session.one(sql, args![job, cut, now]).await
            })
        })
        .await
    }

    /// Cancels a job: open tasks are cancelled, live leases ended, fences raised. Returns the leases that
    /// were live. `Conflict(State)` if it had ended.
    pub async fn cancel_job(&self, id: JobId, now: UnixMillis) -> Result<Vec<LeaseRow>> {
        self.stop_job(id, JobState::Cancelled, None, now).await
    }

    /// Pauses a job: pending tasks without a lease are paused, offers nobody has begun are taken back.
    /// Returns the leases that were live; of these the running ones still are, so that the frame in hand can
    /// be delivered. `Conflict(State)` unless it was ready or running.
    pub async fn pause_job(&self, id: JobId, now: UnixMillis) -> Result<Vec<LeaseRow>> {
        self.begin_write(move |session| {
            Box::pin(async move {
                let row = locked_whole_job(session, id).await?;
                if !matches!(row.state, JobState::Ready | JobState::Running) {
                    return Err(StoreError::Conflict(ConflictKind::State));
                }
                move_job(session, id, JobState::Paused, None, now).await?;
                let mut live = live_of_job(session, id).await?;
                for lease in &mut live {
                    if lease.started_at.is_none() {
                        *lease = end_and_put_back(session, lease, Outcome::Cancelled, now).await?;
                    }
                }
                let sql = "UPDATE tasks SET state = 'paused'
                           WHERE job_id = $1 AND state = 'pending' AND lease_id IS NULL";
                session.run(sql, args![id]).await?;
                Ok(live)
            })
        })
        .await
    }

    /// Resumes a paused job. `Conflict(State)` unless it was paused.
    pub async fn resume_job(&self, id: JobId, now: UnixMillis) -> Result<JobRow> {
        self.begin_write(move |session| {
            Box::pin(async move {
                let row = locked_whole_job(session, id).await?;
                if row.state != JobState::Paused {
                    return Err(StoreError::Conflict(ConflictKind::State));
                }
                let sql = "UPDATE tasks SET state = 'pending' WHERE job_id = $1 AND state = 'paused'";
                session.run(sql, args![id]).await?;
                let to = if row.started_at.is_some() { JobState::Running } else { JobState::Ready };
                move_job(session, id, to, None, now).await
            })
        })
        .await
    }

    /// Puts failed tasks back to pending with their attempts forgotten, and an ended job back to work;
    /// returns how many tasks. `Conflict(State)` if the job was cancelled or has no failed task.
    pub async fn retry_failed(&self, id: JobId, now: UnixMillis) -> Result<u32> {
        self.begin_write(move |session| {
            Box::pin(async move {
                let row = locked_whole_job(session, id).await?;
                if matches!(row.state, JobState::Cancelled | JobState::Completed | JobState::Uploading) {
                    return Err(StoreError::Conflict(ConflictKind::State));
                }
                let to = if row.state == JobState::Paused { TaskState::Paused } else { TaskState::Pending };
                let retried = session
                    .run(
                        "UPDATE tasks SET state = $2, fence = fence + 1, attempts = 0, not_before = 0,
                             failure_class = NULL, failure_message = NULL, ended_at = NULL, retried_at = $3
                         WHERE job_id = $1 AND state IN ('failed', 'cancelled')",
                        args![id, to, now],
                    )
                    .await?;
                if retried == 0 && row.state != JobState::Failed {
                    return Err(StoreError::Conflict(ConflictKind::State));
                }
                session.run("UPDATE jobs SET frames_failed = 0 WHERE id = $1", args![id]).await?;
                let again = match row.state {
                    JobState::Failed if row.started_at.is_none() => JobState::Ready,
                    JobState::Failed => JobState::Running,
                    state @ (JobState::Uploading
                    | JobState::Ready
                    | JobState::Running
                    | JobState::Completed
                    | JobState::Cancelled
                    | JobState::Paused) => state,
                };
                move_job(session, id, again, None, now).await?;
                Ok(u32::try_from(retried).unwrap_or(u32::MAX))
            })
        })
        .await
    }

    /// Fails a job at once: open tasks are cancelled, live leases ended and returned. `Conflict(State)` if it
    /// had ended.
    pub async fn fail_job(&self, id: JobId, reason: &str, now: UnixMillis) -> Result<Vec<LeaseRow>> {
        self.stop_job(id, JobState::Failed, Some(reason), now).await
    }

    /// Ends a job whose frames are all planned and whose tasks have all ended: completed, or failed if one
    /// failed. Nothing if it is not done or had ended.
    pub async fn end_job_if_done(&self, id: JobId, now: UnixMillis) -> Result<Option<JobRow>> {
        self.begin_write(move |session| {
            Box::pin(async move {
                let row = held_job(session, id).await?;
                if row.state.is_ended() || row.frames_planned < row.frames_total {
                    return Ok(None);
                }
                let sql = "SELECT COUNT(*) AS number FROM tasks WHERE job_id = $1 AND ended_at IS NULL";
                let open: Number = session.one(sql, args![id]).await?;
                if open.number > 0 {
                    return Ok(None);
                }
                let is_whole = row.frames_done == row.frames_total;
                let to = if is_whole { JobState::Completed } else { JobState::Failed };
                let reason = (!is_whole).then(|| lost_words(&row));
                move_job(session, id, to, reason.as_deref(), now).await.map(Some)
            })
        })
        .await
    }

    async fn stop_job(
        &self,
        id: JobId,
        to: JobState,
        reason: Option<&str>,
        now: UnixMillis,
    ) -> Result<Vec<LeaseRow>> {
        let reason = reason.map(str::to_owned);
        self.begin_write(move |session| {
            Box::pin(async move {
                let row = locked_whole_job(session, id).await?;
                if row.state.is_ended() {
                    return Err(StoreError::Conflict(ConflictKind::State));
                }
                let live = live_of_job(session, id).await?;
                let sql = "UPDATE leases SET state = 'ended', outcome = 'cancelled', ended_at = $2
                           WHERE job_id = $1 AND ended_at IS NULL";
                session.run(sql, args![id, now]).await?;
                let sql =
                    "UPDATE tasks SET state = 'cancelled', fence = fence + 1, lease_id = NULL, ended_at = $2
                           WHERE job_id = $1 AND ended_at IS NULL";
                session.run(sql, args![id, now]).await?;
                move_job(session, id, to, reason.as_deref(), now).await?;
                Ok(live.into_iter().map(|lease| lease.ended(Outcome::Cancelled, now)).collect())
            })
        })
        .await
    }
}

fn lost_words(job: &JobRow) -> String {
    let lost = job.frames_total.saturating_sub(job.frames_done);
    let frames = if lost == 1 { "frame" } else { "frames" };
    format!("{lost} {frames} could not be rendered")
}
