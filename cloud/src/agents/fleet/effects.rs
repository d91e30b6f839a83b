//! What the fleet does outside itself: writes, leases that could not be offered, new actors.

use std::rc::Rc;

use actix::Message;
use actix::prelude::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use pictor_actors::ids::LeaseId;
use pictor_actors::supervise::{Door, Keeping, Phase, RestartBudget, keep};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::lease::Outcome;

use super::actor::Fleet;
use super::messages::NodeBeginsAnew;
use super::writes::Batch;
use crate::agents::jobs::LeasesReleased;
use crate::agents::wiring::Wiring;
use crate::agents::worker_node::WorkerNode;
use crate::store::{Store, StoreError, WorkerRow, between};

/// Messages that may wait for one worker's actor: a flood is held back at its socket.
const NODE_MAILBOX: usize = 64;
/// A worker whose words make its actor panic must not be able to end the process, so its budget is far above
/// what a connection can spend (each panic costs it a reconnect).
const NODE_BUDGET: RestartBudget = RestartBudget { restarts: 10_000, within: Millis::from_secs(60) };

/// The fleet's answer is waited for no longer than this.
const FLEET_WITHIN: Millis = Millis::from_secs(2);

/// A stop was asked for.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct StopBegan;

impl Fleet {
    /// Writes what was gathered, one write at a time.
    pub(super) fn write(&mut self, context: &mut Context<Self>) {
        self.wiring.metrics.queue_length("heartbeat_rows", self.writes.len());
        if self.is_writing {
            return;
        }
        let batch = self.writes.take();
        if batch.is_empty() {
            return;
        }
        self.is_writing = true;
        let (store, clock) = (self.wiring.store.clone(), self.wiring.clock.clone());
        let metrics = self.wiring.metrics.clone();
        // The last rows of a stop are waited for.
        let held = self.wiring.shutdown.hold(Phase::Draining, "heartbeats");
        let writing = async move {
            let begun = clock.now();
            let written = store_batch(&store, &batch, begun.wall).await;
            metrics.store_took("save_heartbeats", clock.now().elapsed(begun.mono).to_duration());
            drop(held);
            (batch, written)
        };
        context.spawn(writing.into_actor(self).map(|(batch, written), fleet, context| {
            fleet.on_written(batch, written, context);
        }));
    }

    fn on_written(&mut self, batch: Batch, written: Result<(), StoreError>, context: &mut Context<Self>) {
        self.is_writing = false;
        if written.is_ok() {
            self.writes.stored();
            self.look_elsewhere(&batch, context);
        }
        match written {
            Ok(()) if self.writes.len() > 0 && self.is_stopping => self.write(context),
            Ok(()) => {}
            Err(error) => {
                let rows = batch.heartbeats.len();
                tracing::warn!(%error, rows, "heartbeats were not stored; tried again");
                self.writes.put_back(batch);
            }
        }
    }

    /// Stored leases that their worker will not hear of go back.
    pub(super) fn release_unsent(&self, leases: Vec<LeaseId>, context: &mut Context<Self>) {
        if leases.is_empty() {
            return;
        }
        let (store, clock) = (self.wiring.store.clone(), self.wiring.clock.clone());
        let (jobs, metrics) = (self.wiring.work.jobs.clone(), self.wiring.metrics.clone());
        let releasing = async move {
            match store.release_leases(&leases, Outcome::NotAnswered, clock.now().wall).await {
                Ok(released) => {
                    released.iter().for_each(|_| metrics.lease_ended(Outcome::NotAnswered.as_str()));
                    let _ = jobs.try_send(LeasesReleased(released)); // else the sweeps find the task
                }
                Err(error) => tracing::warn!(?leases, %error, "leases were not released; they expire"),
            }
        };
        context.spawn(releasing.into_actor(self));
    }

    /// Hears of a stop, once.
    pub(super) fn watch_stop(&self, context: &mut Context<Self>) {
        let (shutdown, own) = (self.wiring.shutdown.clone(), context.address());
        let watching = async move {
            shutdown.cancelled().await;
            let _ = own.send(StopBegan).await; // an error: the actor has ended already
        };
        context.spawn(watching.into_actor(self));
    }
}

async fn store_batch(store: &Store, batch: &Batch, now: UnixMillis) -> Result<(), StoreError> {
    if !batch.heartbeats.is_empty() || !batch.renewals.is_empty() {
        // Counted from now, not from when each was heard: never too short.
        let renew: Vec<_> = batch.renewals.iter().map(|(lease, after)| (*lease, now.plus(*after))).collect();
        let saving = store.save_heartbeats(&batch.heartbeats, &renew);
        between("heartbeats.before", saving, "heartbeats.after").await?;
    }
    if !batch.minutes.is_empty() {
        store.save_worker_minutes(&batch.minutes).await?;
    }
    Ok(())
}

/// Starts a worker's actor. When it must be built anew its row is read again, after the fleet has heard of
/// it: no offer gets to the new actor before that.
pub(super) fn start_node(wiring: &Rc<Wiring>, row: WorkerRow) -> Door<WorkerNode> {
    let keeping =
        Keeping { name: "worker_node", budget: NODE_BUDGET, mailbox: NODE_MAILBOX, stuck_after: None };
    let (wiring, worker, mut first) = (Rc::clone(wiring), row.id, Some(row));
    let shutdown = wiring.shutdown.clone();
    keep(keeping, &shutdown, move || {
        let (wiring, row) = (Rc::clone(&wiring), first.take());
        async move {
            let is_rebuilt = row.is_none();
            let row = match row {
                Some(row) => row,
                None => {
                    wiring.metrics.actor_restarted("worker_node", "ended");
                    if let Some(fleet) = wiring.fleet.get() {
                        // Not taken: the fleet itself is being built anew and remembers no offer.
                        let _ = fleet.ask(NodeBeginsAnew(worker), FLEET_WITHIN).await;
                    }
                    wiring.store.worker(worker).await?
                }
            };
            Ok(WorkerNode::of_row(wiring, row, is_rebuilt))
        }
    })
}
