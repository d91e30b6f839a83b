//! Frames: rendered, delivered, kept. The first delivery of a frame wins, also one that comes late: after its
//! lease ended, and while another worker is at the task.

use pictor_actors::ids::{AccountId, JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::upload::FrameReceipt;
use pictor_actors::units::{BlobHash, UnixMillis};
use pictor_cloud_domain::job::{FrameSet, JobState};
use pictor_cloud_domain::lease::Outcome;

use super::jobs::{locked_job, move_job};
use super::sql::{Number, Session, args, row};
use super::uploads::blobs::keep_blob;
use super::{LeaseRow, Result, Store, StoreError, TaskRow};

row! {
    /// A stored frame.
    pub struct FrameRow {
        /// Its job.
        pub job_id: JobId,
        /// Its number.
        pub frame: i32,
        /// The task it belongs to.
        pub task_id: TaskId,
        /// The lease it was rendered under.
        pub lease_id: LeaseId,
        /// Who rendered it.
        pub worker_id: WorkerId,
        /// Its bytes.
        pub hash: BlobHash,
        /// Their number.
        pub size: u64,
        /// Wall time of its render.
        pub render_ms: u64,
        /// Stored.
        pub stored_at: UnixMillis,
    }
}

/// Whether the bytes of a frame are wanted.
#[derive(Debug, Clone, PartialEq)]
pub enum UploadVerdict {
    /// Send them.
    Wanted {
        /// The frame's job.
        job: JobId,
        /// Its task.
        task: TaskId,
        /// The job's account, which will own the bytes.
        account: AccountId,
        /// Who holds the lease: the caller must be this worker.
        worker: WorkerId,
    },
    /// The frame is stored.
    Already(FrameRow),
    /// The frame is not wanted: its task has ended, its creator took the lease back, its worker was removed,
    /// or it is not of the lease's task.
    Superseded,
}

/// A delivered frame whose blob is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFrame {
    /// The lease it was rendered under.
    pub lease: LeaseId,
    /// The lease's fence.
    pub fence: u64,
    /// Its number.
    pub frame: i32,
    /// Its bytes.
    pub hash: BlobHash,
    /// Their number.
    pub size: u64,
    /// Wall time of its render.
    pub render_ms: u64,
}

/// What storing a frame did.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameStoredRow {
    /// The word the worker gets.
    pub receipt: FrameReceipt,
    /// The frame's job.
    pub job: JobId,
    /// Its task.
    pub task: TaskId,
    /// Who rendered it.
    pub worker: WorkerId,
    /// The job's account.
    pub account: AccountId,
    /// It was stored before; the receipt is of that.
    pub already: bool,
    /// Its task is now complete (and the lease ended).
    pub task_completed: bool,
    /// Its job is now complete.
    pub job_completed: bool,
    /// Leases of others on the task that it completed: they are not needed any more.
    pub not_needed: Vec<LeaseRow>,
}

impl Store {
    /// Whether a frame of that lease is wanted: asked before its bytes are taken. It is as long as it is the
    /// first and its task has not ended, whatever became of the lease, unless its creator's wish ended it or
    /// its worker was removed.
    pub async fn lease_for_upload(&self, lease: LeaseId, fence: u64, frame: i32) -> Result<UploadVerdict> {
        let mut session = self.reader().await?;
        let found: Option<LeaseRow> =
            session.optional("SELECT * FROM leases WHERE id = $1", args![lease]).await?;
        let Some(row) = found else { return Ok(UploadVerdict::Superseded) };
        let task: TaskRow = session.one("SELECT * FROM tasks WHERE id = $1", args![row.task_id]).await?;
        if row.fence != fence || !is_of(&task, frame) {
            return Ok(UploadVerdict::Superseded);
        }
        if let Some(stored) = stored_frame(&mut session, task.job_id, frame).await? {
            return Ok(UploadVerdict::Already(stored));
        }
        Ok(if may_deliver(&mut session, &row, &task).await? {
            UploadVerdict::Wanted {
                job: task.job_id,
                task: task.id,
                account: task.account_id,
                worker: row.worker_id,
            }
        } else {
            UploadVerdict::Superseded
        })
    }

    /// Stores a delivered frame in one transaction: the last one completes its task, ends the lease and
    /// clears the worker's failures; the job's last one completes the job. A frame that is stored already
    /// answers with the receipt of the first. `StaleFence` if it is not wanted, as for `lease_for_upload`.
    /// Where the database does not say whether it was kept, it is stored again, which is harmless and then
    /// says so.
    pub async fn store_frame(&self, new: &NewFrame, now: UnixMillis) -> Result<FrameStoredRow> {
        match self.store_frame_once(new.clone(), now).await {
            Err(StoreError::Unknown(source)) => {
                tracing::warn!(%source, "a frame may have been stored: trying again");
                self.store_frame_once(new.clone(), now).await
            }
            certain => certain,
        }
    }

    async fn store_frame_once(&self, new: NewFrame, now: UnixMillis) -> Result<FrameStoredRow> {
        self.begin_write(move |session| Box::pin(async move { store(session, &new, now).await })).await
    }

    /// The job's stored frames, ascending.
    pub async fn frames_of(&self, job: JobId) -> Result<Vec<FrameRow>> {
        self.all("SELECT * FROM frames WHERE job_id = $1 ORDER BY frame", args![job]).await
    }

    /// The job's stored frames from `first` to `last`, both included, ascending.
    pub async fn frames_between(&self, job: JobId, first: i32, last: i32) -> Result<Vec<FrameRow>> {
        let sql = "SELECT * FROM frames WHERE job_id = $1 AND frame BETWEEN $2 AND $3 ORDER BY frame";
        self.all(sql, args![job, first, last]).await
    }

    /// The stored frames of the job's tasks that were given up, ascending.
    pub async fn frames_of_failed_tasks(&self, job: JobId) -> Result<Vec<FrameRow>> {
        self.all(
            "SELECT frames.* FROM tasks JOIN frames ON frames.task_id = tasks.id
             WHERE tasks.job_id = $1 AND tasks.state = 'failed' ORDER BY frames.frame",
            args![job],
        )
        .await
    }

    /// The numbers of the job's stored frames next to this one, below and above.
    pub async fn frames_beside(&self, job: JobId, frame: i32) -> Result<(Option<i32>, Option<i32>)> {
        let below = "SELECT frame AS number FROM frames WHERE job_id = $1 AND frame < $2
                     ORDER BY frame DESC LIMIT 1";
        let above = "SELECT frame AS number FROM frames WHERE job_id = $1 AND frame > $2
                     ORDER BY frame LIMIT 1";
        let mut session = self.reader().await?;
        let below: Option<Number> = session.optional(below, args![job, frame]).await?;
        let above: Option<Number> = session.optional(above, args![job, frame]).await?;
        let number = |found: Option<Number>| found.and_then(|found| i32::try_from(found.number).ok());
        Ok((number(below), number(above)))
    }

    /// One stored frame.
    pub async fn frame(&self, job: JobId, frame: i32) -> Result<Option<FrameRow>> {
        stored_frame(&mut self.reader().await?, job, frame).await
    }
}

async fn stored_frame(session: &mut Session, job: JobId, frame: i32) -> Result<Option<FrameRow>> {
    session.optional("SELECT * FROM frames WHERE job_id = $1 AND frame = $2", args![job, frame]).await
}

fn is_of(task: &TaskRow, frame: i32) -> bool {
    task.frames.parse::<FrameSet>().is_ok_and(|frames| frames.contains(frame))
}

/// Late but first wins: neither the lease's end nor another grant of the task takes the right away. Its
/// creator's wish does, the end of the task, and the removal of the worker, which ends its leases.
async fn may_deliver(session: &mut Session, lease: &LeaseRow, task: &TaskRow) -> Result<bool> {
    if task.ended_at.is_some() {
        return Ok(false);
    }
    if lease.ended_at.is_none() {
        return Ok(true);
    }
    let sql = "SELECT COUNT(*) AS number FROM workers WHERE id = $1 AND removed_at IS NULL";
    let there: Number = session.one(sql, args![lease.worker_id]).await?;
    Ok(there.number > 0 && lease.outcome.is_none_or(Outcome::may_deliver_late))
}

async fn store(session: &mut Session, new: &NewFrame, now: UnixMillis) -> Result<FrameStoredRow> {
    let sql = "SELECT * FROM leases WHERE id = $1 AND fence = $2";
    let found: Option<LeaseRow> = session.optional(sql, args![new.lease, new.fence]).await?;
    let Some(lease) = found else { return Err(StoreError::StaleFence) };
    session.lock_job(lease.job_id).await?;
    // As it is once this one's turn has come.
    let lease: LeaseRow = session.one(sql, args![new.lease, new.fence]).await?;
    let task: TaskRow = session.one("SELECT * FROM tasks WHERE id = $1", args![lease.task_id]).await?;
    if !is_of(&task, new.frame) {
        return Err(StoreError::StaleFence);
    }
    if let Some(stored) = stored_frame(session, task.job_id, new.frame).await? {
        return Ok(answer(&stored, &task, Completed::default(), true));
    }
    if !may_deliver(session, &lease, &task).await? {
        return Err(StoreError::StaleFence);
    }
    keep_blob(session, new.hash, new.size, Some(task.account_id), now).await?;
    let stored: FrameRow = session
        .one(
            "INSERT INTO frames (job_id, frame, task_id, lease_id, worker_id, hash, size, render_ms,
                stored_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *",
            args![
                task.job_id,
                new.frame,
                task.id,
                lease.id,
                lease.worker_id,
                new.hash,
                new.size,
                new.render_ms,
                now,
            ],
        )
        .await?;
    let completed = count(session, &lease, &task, new.render_ms, now).await?;
    Ok(answer(&stored, &task, completed, false))
}

/// What a frame brought to its end.
#[derive(Default)]
struct Completed {
    task: bool,
    job: bool,
    not_needed: Vec<LeaseRow>,
}

/// Counts a stored frame in its task and job, and ends what is complete.
async fn count(
    session: &mut Session,
    lease: &LeaseRow,
    task: &TaskRow,
    render_ms: u64,
    now: UnixMillis,
) -> Result<Completed> {
    let is_task_whole = task.frames_done + 1 == task.frames_total;
    let not_needed = if is_task_whole {
        complete_task(session, lease, now).await?
    } else {
        session.run("UPDATE tasks SET frames_done = frames_done + 1 WHERE id = $1", args![task.id]).await?;
        Vec::new()
    };
    let sql = "UPDATE jobs SET frames_done = frames_done + 1, render_ms_total = render_ms_total + $3,
                   updated_at = $2
               WHERE id = $1";
    session.run(sql, args![task.job_id, now, render_ms]).await?;
    let job = locked_job(session, task.job_id).await?;
    let is_job_whole = job.frames_done == job.frames_total && !job.state.is_ended();
    if is_job_whole {
        move_job(session, job.id, JobState::Completed, None, now).await?;
    }
    Ok(Completed { task: is_task_whole, job: is_job_whole, not_needed })
}

/// The task's last frame is stored under this lease; returns the leases of others that are over thereby.
async fn complete_task(session: &mut Session, lease: &LeaseRow, now: UnixMillis) -> Result<Vec<LeaseRow>> {
    let sql = "UPDATE tasks SET frames_done = frames_total, state = 'completed', lease_id = NULL,
                   ended_at = $2, failure_class = NULL, failure_message = NULL
               WHERE id = $1";
    session.run(sql, args![lease.task_id, now]).await?;
    let sql = "UPDATE leases SET state = 'ended', outcome = $3, ended_at = $2
               WHERE id = $1 AND ended_at IS NULL";
    session.run(sql, args![lease.id, now, Outcome::Completed]).await?;
    let sql = "UPDATE leases SET state = 'ended', outcome = $3, ended_at = $2
               WHERE task_id = $1 AND ended_at IS NULL RETURNING *";
    let not_needed = session.all(sql, args![lease.task_id, now, Outcome::NotNeeded]).await?;
    let sql = "UPDATE workers SET failures_in_row = 0 WHERE id = $1 AND failures_in_row > 0";
    session.run(sql, args![lease.worker_id]).await?;
    Ok(not_needed)
}

fn answer(stored: &FrameRow, task: &TaskRow, completed: Completed, already: bool) -> FrameStoredRow {
    FrameStoredRow {
        receipt: FrameReceipt {
            lease: stored.lease_id,
            frame: stored.frame,
            hash: stored.hash,
            size: stored.size,
            stored_at: stored.stored_at,
        },
        job: task.job_id,
        task: task.id,
        worker: stored.worker_id,
        account: task.account_id,
        already,
        task_completed: completed.task,
        job_completed: completed.job,
        not_needed: completed.not_needed,
    }
}
