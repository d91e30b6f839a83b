//! Frames: rendered, delivered, kept. The first delivery of a frame wins, also one that comes late: after its
//! lease ended, and while another worker is at the task.

mod deliver;

use pictor_actors::ids::{AccountId, JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::upload::FrameReceipt;
use pictor_actors::units::{BlobHash, UnixMillis};

use super::sql::{Number, Session, args, row};
use super::{LeaseRow, Result, Store, StoreError};

pub(super) use deliver::{Delivery, store_all, verdicts};

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
        self.groups.verdicts.ask((lease, fence, frame)).await
    }

    /// Stores a delivered frame, together with others that come at the same time, in one transaction: its
    /// task's last one completes it, ends the lease and clears the worker's failures; the job's last one
    /// completes the job. A frame that is stored already answers with the receipt of the first. `StaleFence`
    /// if it is not wanted, as for `lease_for_upload`. Where the database does not say whether it was kept,
    /// it is stored again, which is harmless and then says so.
    pub async fn store_frame(&self, new: &NewFrame, now: UnixMillis) -> Result<FrameStoredRow> {
        let delivery = Delivery { frame: new.clone(), at: now };
        match self.groups.frames.ask(delivery.clone()).await {
            Err(StoreError::Unknown(source)) => {
                tracing::warn!(%source, "a frame may have been stored: trying again");
                self.groups.frames.ask(delivery).await
            }
            certain => certain,
        }
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
