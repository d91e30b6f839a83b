//! What the fleet has to do with other replicas: it writes down for their pages what its workers do, tells
//! them of leases whose workers are theirs, and notices what they changed about its own workers.

use std::collections::BTreeMap;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::prelude::{AsyncContext, Context};
use pictor_actors::ids::{AccountId, LeaseId, WorkerId};
use pictor_actors::protocol::{Cancel, CancelReason, LeaseRef};
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::job::JobState;

use super::actor::Fleet;
use super::writes::Batch;
use crate::agents::replicas::Peers;
use crate::agents::worker_live::WorkerLive;
use crate::agents::worker_node::{LookAtRow, TakeBack};
use crate::bus::{LiveEvent, Nudge};
use crate::store::{LeaseNews, StoreError, WorkerNews};

/// The fleet's share in it. Without other replicas it does nothing.
pub(super) struct Elsewhere {
    peers: Peers,
    of: BTreeMap<WorkerId, Known>,
}

struct Known {
    account: AccountId,
    /// The change of its row that its actor has seen.
    updated_at: Option<UnixMillis>,
}

impl Elsewhere {
    pub fn new(peers: Peers) -> Self {
        Self { peers, of: BTreeMap::new() }
    }

    /// What a worker does, to be kept in its row.
    pub fn row_of(&self, live: &WorkerLive) -> Option<serde_json::Value> {
        self.peers.me().and_then(|_| live.to_row())
    }

    pub fn note_account(&mut self, worker: WorkerId, account: AccountId) {
        if self.peers.me().is_some() {
            self.of.entry(worker).or_insert(Known { account, updated_at: None });
        }
    }

    pub fn forget(&mut self, worker: WorkerId) {
        self.of.remove(&worker);
    }

    /// Pages of other replicas are to look at the worker.
    pub fn tell_changed(&self, worker: WorkerId) {
        if let Some(known) = self.of.get(&worker) {
            let event = LiveEvent::WorkerChanged(worker);
            self.peers.tell(Nudge::Live { account: known.account, event });
        }
    }

    pub fn tell_cancel(&self, worker: WorkerId, cancel: &Cancel) {
        let LeaseRef { lease, fence } = cancel.lease;
        self.peers.tell(Nudge::Cancel { worker, lease, fence, reason: cancel.reason });
    }

    pub fn tell_ended(&self, worker: WorkerId, lease: LeaseId) {
        self.peers.tell(Nudge::Ended { worker, lease });
    }

    pub fn tell_row(&self, worker: WorkerId) {
        self.peers.tell(Nudge::Worker { worker });
    }

    /// Whether the row has changed since the worker's actor saw it.
    fn is_news(&mut self, news: &WorkerNews) -> bool {
        let Some(known) = self.of.get_mut(&news.id) else { return false };
        let before = known.updated_at.replace(news.updated_at);
        before != Some(news.updated_at)
    }
}

impl Fleet {
    /// After a write: the others' pages may look, and what they changed is noticed here.
    pub(super) fn look_elsewhere(&self, batch: &Batch, context: &mut Context<Self>) {
        if self.wiring.peers.me().is_none() {
            return;
        }
        batch.heartbeats.iter().for_each(|beat| self.elsewhere.tell_changed(beat.worker));
        let (store, beats) = (self.wiring.store.clone(), batch.heartbeats.clone());
        let leases: Vec<_> = batch.renewals.iter().map(|(lease, _)| *lease).collect();
        let looking = async move {
            let workers = store.worker_news(&beats).await?;
            let leases = store.lease_news(&leases).await?;
            Ok::<_, StoreError>((beats, workers, leases))
        };
        context.spawn(wrap_future::<_, Self>(looking).map(|found, fleet, _context| match found {
            Ok((beats, workers, leases)) => {
                let links: BTreeMap<_, _> = beats.iter().map(|beat| (beat.worker, beat.link_id)).collect();
                for news in workers {
                    let is_superseded = news.link_id.as_ref() != links.get(&news.id);
                    if fleet.elsewhere.is_news(&news) || is_superseded {
                        fleet.tell(news.id, LookAtRow);
                    }
                }
                leases.into_iter().for_each(|news| fleet.take_back(news));
            }
            // The next write looks again.
            Err(error) => tracing::debug!(%error, "changes by other replicas were not looked for"),
        }));
    }

    fn take_back(&self, news: LeaseNews) {
        let reason = match (news.ended_at, news.job_state) {
            (None, _) => CancelReason::JobPaused,
            (Some(_), JobState::Cancelled) => CancelReason::JobCancelled,
            (
                Some(_),
                JobState::Uploading
                | JobState::Ready
                | JobState::Running
                | JobState::Paused
                | JobState::Completed
                | JobState::Failed,
            ) => CancelReason::Superseded,
        };
        let lease = LeaseRef { lease: news.id, fence: news.fence };
        self.tell(news.worker_id, TakeBack(Cancel { lease, reason }));
    }
}
