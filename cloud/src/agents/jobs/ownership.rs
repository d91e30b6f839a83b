//! Which jobs are this replica's own. On SQLite all of them; else those whose row names it as their owner,
//! which it becomes where there is none, or one that is dead.

use actix::fut::{ActorFutureExt, wrap_future};
use actix::prelude::{AsyncContext, Context, Handler};
use pictor_actors::ids::{JobId, ReplicaId};
use pictor_actors::now::Mono;
use pictor_actors::units::Millis;

use super::effects::retried;
use super::messages::{JobChanged, JobLook, LookForJobs};
use super::registry::Jobs;
use crate::bus::Nudge;
use crate::store::{Store, StoreError};

/// Jobs claimed in one statement; others that look at the same moment get their part.
const CLAIM: u32 = 100;
/// Statements of one look: what is left waits for the next one, two seconds later.
const CLAIMS_MAX: u32 = 50;
/// A job that is another's and that nothing here concerned for so long is no longer attended.
const ATTENDED_FOR: Millis = Millis::from_secs(600);

impl Jobs {
    /// Whether other replicas may own jobs.
    pub(super) fn is_shared(&self) -> bool {
        self.parts.reach.ports.peers.me().is_some()
    }

    /// Starts what is this replica's own, attends the rest, and forgets what has closed.
    pub(super) fn look_for_jobs(&mut self, context: &mut Context<Self>) {
        self.forget_closed();
        self.note_slots();
        if std::mem::replace(&mut self.is_looking, true) {
            return;
        }
        let ports = &self.parts.reach.ports;
        let (store, me, shutdown) = (ports.store.clone(), ports.peers.me(), ports.shutdown.clone());
        let began = ports.clock.now().mono;
        let looking = async move {
            match me {
                None => {
                    let jobs = retried(|| store.live_jobs()).await?;
                    Ok(jobs.into_iter().map(|job| job.id).collect())
                }
                Some(_) if shutdown.is_stopping() => Ok(Vec::new()),
                Some(me) => own_jobs(&store, me).await,
            }
        };
        let told = wrap_future::<_, Self>(looking).map(move |jobs, registry, _context| {
            registry.is_looking = false;
            match jobs {
                Ok(jobs) => registry.take_jobs(&jobs, began),
                Err(error) => tracing::warn!(%error, "live jobs were not read"),
            }
        });
        context.spawn(told);
    }

    /// These are its own, as it was when the look began.
    fn take_jobs(&mut self, own: &[JobId], began: Mono) {
        for id in own {
            let was_attended = self.open.get(id).is_some_and(|open| !open.owns.replace(true));
            let door = self.open(*id, true);
            if was_attended {
                tracing::info!(job = %id, "job taken over");
                self.hand_on(&door, JobLook { job: *id, at_once: true });
            }
        }
        if !self.is_shared() {
            return;
        }
        let now = self.parts.reach.ports.clock.now().mono;
        self.open.retain(|id, open| {
            if own.binary_search(id).is_ok() || open.claimed_at > Some(began) {
                return true;
            }
            open.owns.set(false);
            let is_needed = open.used_at.until(now) < ATTENDED_FOR;
            if !is_needed {
                open.door.close();
            }
            is_needed
        });
    }

    /// A job changed by hand here: this replica's own from now on, unless it is another's.
    pub(super) fn claim_changed(&mut self, changed: JobChanged, context: &mut Context<Self>) {
        let JobChanged(id) = changed;
        let ports = &self.parts.reach.ports;
        let Some(me) = ports.peers.me() else { return };
        if self.open.get(&id).is_some_and(|open| open.owns.get()) {
            self.hand_on_known(id, changed);
            return;
        }
        if ports.shutdown.is_stopping() {
            ports.peers.tell(Nudge::JobsFree);
            return;
        }
        let store = ports.store.clone();
        let claiming = async move { retried(|| store.claim_job(me, id)).await };
        let told = wrap_future::<_, Self>(claiming).map(move |claimed, registry, _context| match claimed {
            Ok(is_own) => registry.on_claimed(changed, is_own),
            Err(error) => tracing::warn!(job = %id, %error, "a job was not claimed; the next look does"),
        });
        context.spawn(told);
    }

    fn on_claimed(&mut self, changed: JobChanged, is_own: bool) {
        let JobChanged(id) = changed;
        let is_new = !self.open.contains_key(&id);
        if is_new && is_own {
            // A new actor reads the rows as they are now.
            self.open(id, true);
        }
        let now = self.parts.reach.ports.clock.now().mono;
        if let Some(open) = self.open.get_mut(&id) {
            open.owns.set(is_own);
            open.claimed_at = is_own.then_some(now);
        }
        if !is_new {
            self.hand_on_known(id, changed);
        }
    }
}

/// Claims what has no owner, and reads what the replica owns, by id.
async fn own_jobs(store: &Store, me: ReplicaId) -> Result<Vec<JobId>, StoreError> {
    for _ in 0..CLAIMS_MAX {
        let claimed = retried(|| store.claim_jobs(me, CLAIM)).await?;
        if claimed > 0 {
            tracing::info!(claimed, "jobs without an owner are this replica's now");
        }
        if claimed < u64::from(CLAIM) {
            break;
        }
    }
    retried(|| store.jobs_of_replica(me)).await
}

impl Handler<LookForJobs> for Jobs {
    type Result = ();

    fn handle(&mut self, _look: LookForJobs, context: &mut Context<Self>) {
        self.look_for_jobs(context);
    }
}
