//! What happens to a job together with its tasks and leases, each in one transaction.

use pictor_actors::ids::JobId;
use pictor_actors::units::UnixMillis;

use super::JobRow;
use crate::store::{LeaseRow, NewTaskRow, Result, Store};

impl Store {
    /// Cuts the next tasks. `Conflict(State)` if `frames_planned` is not `planned_before` any more (somebody else cut
    /// them) or the job has ended.
    pub async fn cut_tasks(
        &self,
        job: JobId,
        planned_before: u32,
        tasks: &[NewTaskRow],
        now: UnixMillis,
    ) -> Result<JobRow> {
        todo!()
    }

    /// Cancels a job: open tasks are cancelled, live leases ended, fences raised. Returns the leases that were live.
    /// `Conflict(State)` if it had ended.
    pub async fn cancel_job(&self, id: JobId, now: UnixMillis) -> Result<Vec<LeaseRow>> {
        todo!()
    }

    /// Pauses a job: pending tasks without a lease are paused, offers nobody has begun are taken back. Returns the
    /// leases that were live; of these the running ones still are, so that the frame in hand can be delivered.
    /// `Conflict(State)` unless it was ready or running.
    pub async fn pause_job(&self, id: JobId, now: UnixMillis) -> Result<Vec<LeaseRow>> {
        todo!()
    }

    /// Resumes a paused job. `Conflict(State)` unless it was paused.
    pub async fn resume_job(&self, id: JobId, now: UnixMillis) -> Result<JobRow> {
        todo!()
    }

    /// Puts failed tasks back to pending with their attempts forgotten, and an ended job back to work; returns how
    /// many tasks. `Conflict(State)` if the job was cancelled or has no failed task.
    pub async fn retry_failed(&self, id: JobId, now: UnixMillis) -> Result<u32> {
        todo!()
    }

    /// Fails a job at once: open tasks are cancelled, live leases ended and returned. `Conflict(State)` if it had
    /// ended.
    pub async fn fail_job(&self, id: JobId, reason: &str, now: UnixMillis) -> Result<Vec<LeaseRow>> {
        todo!()
    }

    /// Ends a job whose frames are all planned and whose tasks have all ended: completed, or failed if one failed.
    /// Nothing if it is not done or had ended.
    pub async fn end_job_if_done(&self, id: JobId, now: UnixMillis) -> Result<Option<JobRow>> {
        todo!()
    }
}
