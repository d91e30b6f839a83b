//! Workers as their owners keep them: made, listed, renamed, paused, rested, removed.

use pictor_actors::ids::{AccountId, LeaseId, WorkerId};
use pictor_actors::protocol::Pause;
use pictor_actors::units::UnixMillis;

use super::WorkerRow;
use crate::store::{LeaseRow, PageOf, PageRequest, Result, Store};

/// A worker to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkerRow {
    /// Its id.
    pub id: WorkerId,
    /// Whose.
    pub account_id: AccountId,
    /// Its name.
    pub name: String,
}

/// How a list of workers is ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WorkerSort {
    /// By name.
    #[default]
    Name,
    /// Newest first.
    Created,
    /// Last changed first.
    Updated,
    /// Connected ones first, then by name.
    Status,
}

impl Store {
    /// Makes a worker. `Conflict(NameTaken)` if the account has one of that name.
    pub async fn create_worker(&self, new: &NewWorkerRow, now: UnixMillis) -> Result<WorkerRow> {
        todo!()
    }

    /// The worker, also a removed one.
    pub async fn worker(&self, id: WorkerId) -> Result<WorkerRow> {
        todo!()
    }

    /// The account's worker; `NotFound` if it is another's or was removed.
    pub async fn worker_of(&self, account: AccountId, id: WorkerId) -> Result<WorkerRow> {
        todo!()
    }

    /// The account's workers whose name contains `search`, in whatever case.
    pub async fn list_workers(
        &self,
        account: AccountId,
        sort: WorkerSort,
        search: Option<&str>,
        page: &PageRequest,
    ) -> Result<PageOf<WorkerRow>> {
        todo!()
    }

    /// All workers of the account, by name.
    pub async fn all_workers_of(&self, account: AccountId) -> Result<Vec<WorkerRow>> {
        todo!()
    }

    /// Renames a worker. `Conflict(NameTaken)` if the account has another of that name.
    pub async fn rename_worker(
        &self,
        account: AccountId,
        id: WorkerId,
        name: &str,
        now: UnixMillis,
    ) -> Result<WorkerRow> {
        todo!()
    }

    /// Removes a worker: its connection, key and enrolments count for nothing, its leases are released and returned.
    pub async fn remove_worker(
        &self,
        account: AccountId,
        id: WorkerId,
        now: UnixMillis,
    ) -> Result<Vec<LeaseRow>> {
        todo!()
    }

    /// Keeps or lifts the pause set from the dashboard.
    pub async fn set_worker_pause(
        &self,
        worker: WorkerId,
        pause: Option<&Pause>,
        now: UnixMillis,
    ) -> Result<WorkerRow> {
        todo!()
    }

    /// Rests a worker until then and begins its count of failures anew; `None` ends a rest.
    pub async fn rest_worker(
        &self,
        worker: WorkerId,
        rest: Option<(UnixMillis, &str)>,
        now: UnixMillis,
    ) -> Result<WorkerRow> {
        todo!()
    }
}
