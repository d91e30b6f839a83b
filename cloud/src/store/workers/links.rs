//! Connections of workers and their signs of life.

use pictor_actors::ids::{LeaseId, LinkId, WorkerId};
use pictor_actors::protocol::{Hello, MetricSample};
use pictor_actors::units::UnixMillis;

use super::WorkerRow;
use crate::store::{LeaseRow, Result, Store};

/// A connection that was let in.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedLink {
    /// The worker, as it now is.
    pub row: WorkerRow,
    /// Leases that it holds by the store's word.
    pub live_leases: Vec<LeaseRow>,
}

/// A sign of life to keep.
#[derive(Debug, Clone, PartialEq)]
pub struct HeartbeatRow {
    /// Of this worker.
    pub worker: WorkerId,
    /// Over this connection; one that is no longer the newest counts for nothing.
    pub link_id: LinkId,
    /// When it came.
    pub at: UnixMillis,
    /// Newest values; nothing: leave those before.
    pub sample: Option<MetricSample>,
}

impl Store {
    /// Makes this the worker's connection; the one before, if any, is thereby superseded.
    pub async fn open_link(
        &self,
        worker: WorkerId,
        link_id: LinkId,
        bearer_hash: &str,
        hello: &Hello,
        now: UnixMillis,
    ) -> Result<OpenedLink> {
        todo!()
    }

    /// The worker whose live connection has that bearer.
    pub async fn worker_by_bearer(&self, bearer_hash: &str) -> Result<Option<WorkerRow>> {
        todo!()
    }

    /// Ends the connection, if it is still the worker's newest. Leases stay.
    pub async fn close_link(&self, worker: WorkerId, link_id: LinkId, now: UnixMillis) -> Result<()> {
        todo!()
    }

    /// Ends all connections: after a start none can be live.
    pub async fn close_all_links(&self, now: UnixMillis) -> Result<u64> {
        todo!()
    }

    /// Keeps many signs of life and renews these leases until `expires_at`, in one transaction. Ended leases are
    /// not revived.
    pub async fn save_heartbeats(
        &self,
        heartbeats: &[HeartbeatRow],
        renew: &[LeaseId],
        expires_at: UnixMillis,
    ) -> Result<()> {
        todo!()
    }
}
