//! Frames: rendered, delivered, kept. The first delivery of a frame wins.

use pictor_actors::ids::{AccountId, JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::upload::FrameReceipt;
use pictor_actors::units::{BlobHash, UnixMillis};

use super::sql::row;
use super::{Result, Store};

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
    /// The lease has lost its right, or the frame is not of its task.
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

impl Store {
    /// Whether a frame of that lease is wanted: asked before its bytes are taken.
    pub async fn lease_for_upload(&self, lease: LeaseId, fence: u64, frame: i32) -> Result<UploadVerdict> {
        todo!()
    }

    /// Stores a delivered frame in one transaction: the last one completes its task, ends the lease and clears the
    /// worker's failures; the job's last one completes the job. A frame that is stored already answers with the
    /// receipt of the first. `StaleFence` if the lease has lost its right.
    pub async fn store_frame(&self, new: &NewFrame, now: UnixMillis) -> Result<FrameStoredRow> {
        todo!()
    }

    /// The job's stored frames, ascending.
    pub async fn frames_of(&self, job: JobId) -> Result<Vec<FrameRow>> {
        todo!()
    }

    /// One stored frame.
    pub async fn frame(&self, job: JobId, frame: i32) -> Result<Option<FrameRow>> {
        todo!()
    }

    /// Numbers of the task's stored frames, ascending.
    pub async fn frame_numbers_done(&self, task: TaskId) -> Result<Vec<i32>> {
        todo!()
    }
}
