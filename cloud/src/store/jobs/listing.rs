//! Jobs made, found and changed by hand.

use pictor_actors::ids::{AccountId, JobId};
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::job::JobState;

use super::{JobPatch, JobRow, NewJobRow};
use crate::store::{PageOf, PageRequest, Result, Store};

impl Store {
    /// Makes a job without tasks. `Conflict(Exists)` if the id is taken.
    pub async fn create_job(&self, new: &NewJobRow, now: UnixMillis) -> Result<JobRow> {
        todo!()
    }

    /// The job.
    pub async fn job(&self, id: JobId) -> Result<JobRow> {
        todo!()
    }

    /// The account's job; `NotFound` if it is another's.
    pub async fn job_of(&self, account: AccountId, id: JobId) -> Result<JobRow> {
        todo!()
    }

    /// The account's jobs in these states (none named: all) whose name contains `search`, newest first.
    pub async fn list_jobs(
        &self,
        account: AccountId,
        states: &[JobState],
        search: Option<&str>,
        page: &PageRequest,
    ) -> Result<PageOf<JobRow>> {
        todo!()
    }

    /// Every job that has an actor: ready, running or paused.
    pub async fn live_jobs(&self) -> Result<Vec<JobRow>> {
        todo!()
    }

    /// Changes a job by hand. `Conflict(Version)` if it is no longer the version that was read.
    pub async fn update_job(
        &self,
        account: AccountId,
        id: JobId,
        patch: &JobPatch,
        if_version: Option<i64>,
        now: UnixMillis,
    ) -> Result<JobRow> {
        todo!()
    }

    /// Moves a job. `Conflict(State)` if it is in none of `from`. An ended state notes the end.
    pub async fn set_job_state(
        &self,
        id: JobId,
        from: &[JobState],
        to: JobState,
        reason: Option<&str>,
        now: UnixMillis,
    ) -> Result<JobRow> {
        todo!()
    }
}
