//! What a worker's actor does outside itself: the store and the jobs.

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::prelude::{AsyncContext, Context};
use pictor_actors::backoff::Backoff;
use pictor_actors::ids::{LeaseId, LinkId};
use pictor_actors::protocol::{FromWorker, MachineChanged};
use pictor_actors::units::Millis;
use pictor_cloud_domain::lease::Outcome;
use tokio::time::sleep;

use super::actor::WorkerNode;
use crate::agents::jobs::{AttemptSaid, LeasesReleased};
use crate::store::{StoreError, between};

/// Tries of a write that is not worth more: what is not released here expires.
const TRIES: u32 = 5;
/// What the jobs could not take is said again after this.
pub(super) const SAY_AGAIN_AFTER: Millis = Millis(100);
/// Changes of a machine within this time cost one write.
const SAVE_MACHINE_AFTER: Millis = Millis(300);
/// Messages kept for jobs that are busy: each slot's few that must not be lost.
const UNSAID_MAX: usize = 256;

impl WorkerNode {
    /// Gives leases back in the store, and tells the jobs.
    pub(super) fn release(&self, leases: Vec<LeaseId>, outcome: Outcome, context: &mut Context<Self>) {
        if leases.is_empty() {
            return;
        }
        let (store, clock) = (self.wiring.store.clone(), self.wiring.clock.clone());
        let (jobs, metrics) = (self.wiring.work.jobs.clone(), self.wiring.metrics.clone());
        let releasing = async move {
            let release = || store.release_leases(&leases, outcome, clock.now().wall);
            match between("release.before", retried(release), "release.after").await {
                Ok(released) => {
                    released.iter().for_each(|_| metrics.lease_ended(outcome.as_str()));
                    if !released.is_empty() && jobs.try_send(LeasesReleased(released)).is_err() {
                        tracing::warn!(?leases, "jobs did not hear of released leases; their sweep will");
                    }
                }
                Err(error) => tracing::warn!(?leases, %error, "leases were not released; they expire"),
            }
        };
        context.spawn(releasing.into_actor(self));
    }

    /// The connection is over in the store too.
    pub(super) fn forget_link(&self, link: LinkId, context: &mut Context<Self>) {
        if self.wiring.shutdown.is_stopping() {
            return; // the next start ends all connections at once
        }
        let (store, clock, worker) = (self.wiring.store.clone(), self.wiring.clock.clone(), self.id);
        let forgetting = async move {
            let close = || store.close_link(worker, link, clock.now().wall);
            if let Err(error) = between("link_close.before", retried(close), "link_close.after").await {
                tracing::warn!(%worker, %link, %error, "end of a connection was not stored");
            }
        };
        context.spawn(forgetting.into_actor(self));
    }

    /// The worker said goodbye: in the store too its silence means nothing from now on.
    pub(super) fn leave_link(&self, link: LinkId, context: &mut Context<Self>) {
        let (store, clock, worker) = (self.wiring.store.clone(), self.wiring.clock.clone(), self.id);
        let leaving = async move {
            let leave = || store.leave_link(worker, link, clock.now().wall);
            if let Err(error) = retried(leave).await {
                tracing::warn!(%worker, %link, %error, "a goodbye was not stored");
            }
        };
        context.spawn(leaving.into_actor(self));
    }

    /// Writes down what the machine is now. A worker finds its programs one after the other: a few changes
    /// cost one write, and pages read what was written.
    pub(super) fn save_machine_soon(&mut self, context: &mut Context<Self>) {
        if self.is_machine_unsaved {
            return;
        }
        self.is_machine_unsaved = true;
        context.run_later(SAVE_MACHINE_AFTER.to_duration(), |node, context| {
            node.is_machine_unsaved = false;
            node.save_machine(context);
        });
    }

    fn save_machine(&self, context: &mut Context<Self>) {
        let (Some(link), Some(machine)) = (&self.link, &self.machine) else { return };
        let (worker, link) = (self.id, link.id);
        let changed = MachineChanged { machine: machine.clone(), slots: self.slots.clone() };
        let (store, clock) = (self.wiring.store.clone(), self.wiring.clock.clone());
        let saving = async move {
            let save = || store.save_machine(worker, link, &changed, clock.now().wall);
            if let Err(error) = retried(save).await {
                tracing::warn!(%worker, %error, "a machine is otherwise, which was not stored");
            }
        };
        context.spawn(saving.into_actor(self).map(|(), node, _| node.report(node.wiring.now())));
    }

    /// The dashboard's pause has come to its end.
    pub(super) fn forget_pause(&self, context: &mut Context<Self>) {
        let (store, clock, worker) = (self.wiring.store.clone(), self.wiring.clock.clone(), self.id);
        let forgetting = async move {
            let set: Result<_, StoreError> =
                retried(|| store.set_worker_pause(worker, None, clock.now().wall)).await;
            if let Err(error) = set {
                tracing::warn!(%worker, %error, "end of a pause was not stored");
            }
        };
        context.spawn(forgetting.into_actor(self));
    }

    /// Hands a worker's word on to its job, in order; what tells only of progress is dropped while jobs are
    /// busy.
    pub(super) fn hand_on(&mut self, said: AttemptSaid, _context: &mut Context<Self>) {
        self.hand_on_unsaid();
        if self.unsaid.is_empty() && self.wiring.work.jobs.try_send(said.clone()).is_ok() {
            return;
        }
        if is_droppable(&said.said) {
            return;
        }
        if self.unsaid.len() >= UNSAID_MAX {
            let lease = said.lease.lease;
            tracing::warn!(worker = %self.id, %lease, "jobs are too busy; a message is lost");
            self.unsaid.pop_front();
        }
        self.unsaid.push_back(said);
    }

    /// Says what could not be said before.
    pub(super) fn hand_on_unsaid(&mut self) {
        while let Some(said) = self.unsaid.front() {
            if self.wiring.work.jobs.try_send(said.clone()).is_err() {
                return;
            }
            self.unsaid.pop_front();
        }
    }
}

fn is_droppable(said: &FromWorker) -> bool {
    match said {
        FromWorker::FrameProgress(_) | FromWorker::LogLines(_) => true,
        FromWorker::Hello(_)
        | FromWorker::MachineChanged(_)
        | FromWorker::Heartbeat(_)
        | FromWorker::Accept(_)
        | FromWorker::Decline(_)
        | FromWorker::AttemptStarted(_)
        | FromWorker::Warning(_)
        | FromWorker::AttemptEnded(_)
        | FromWorker::Goodbye { .. } => false,
    }
}

/// Repeats what was certainly not done; all of these writes may also be done twice.
async fn retried<T, F, W>(mut write: F) -> Result<T, StoreError>
where
    F: FnMut() -> W,
    W: Future<Output = Result<T, StoreError>>,
{
    let mut backoff = Backoff::new(Millis(100), Millis(2_000));
    loop {
        match write().await {
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) if backoff.failures() + 1 < TRIES => {
                sleep(backoff.failed(random()).to_duration()).await;
            }
            done => return done,
        }
    }
}

/// For jitter only.
pub(super) fn random() -> u64 {
    getrandom::u64().unwrap_or(0)
}
