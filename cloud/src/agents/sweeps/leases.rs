//! Leases whose worker fell silent: their tasks go back to the queue, unless they keep silencing workers.

use std::cell::Cell;
use std::rc::Rc;

use pictor_actors::now::{Mono, Now};
use pictor_actors::protocol::{Cancel, CancelReason, FailureClass, LeaseRef};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::task::{Verdict, judge_loss};

use crate::agents::dispatcher::Wake;
use crate::agents::fleet::{CancelLease, GetRenewals};
use crate::agents::jobs::{JobChanged, LeasesReleased, retried};
use crate::agents::ports::{ANSWER_WITHIN, Ask, Ports, WorkDoors};
use crate::store::{AttemptEnd, Failure, LeaseRow, StoreError, TaskGoes, between};

/// Leases of one pass; a whole hall that falls silent takes a few passes.
const LEASES_MAX: u32 = 200;

/// Passes come every few seconds: after a longer pause, or where the time of day went on by so much more than
/// the steady clock, this process did not run, and no worker could renew anything.
const PAUSE_MAX: Millis = Millis::from_secs(30);

/// The sweep. Clones share what they remember.
#[derive(Clone)]
pub struct ExpiredLeases {
    ports: Ports,
    doors: WorkDoors,
    /// When the pass before began.
    last: Rc<Cell<Now>>,
    /// Nothing is taken away before: workers need the time to come back.
    patient_until: Rc<Cell<Mono>>,
}

impl ExpiredLeases {
    /// The sweep of a cloud that starts now.
    #[must_use]
    pub fn new(ports: Ports, doors: WorkDoors) -> Self {
        let now = ports.clock.now();
        let patient_until = now.mono.plus(ports.lease_ttl);
        Self { ports, doors, last: Rc::new(Cell::new(now)), patient_until: Rc::new(Cell::new(patient_until)) }
    }

    /// One pass. After a start, and after a time in which renewals could not be stored, nothing is taken away
    /// for as long as a lease lasts.
    pub async fn pass(self) {
        let now = self.ports.clock.now();
        if has_paused(self.last.replace(now), now) {
            self.be_patient("this process did not run for a while");
        }
        match self.release(now).await {
            Ok(0) => {}
            Ok(released) => tracing::info!(released, "leases of silent workers expired"),
            Err(error) => {
                tracing::warn!(%error, "expired leases were not released");
                self.be_patient("the database was away");
            }
        }
    }

    fn be_patient(&self, why: &'static str) {
        tracing::info!(why, "silent workers keep their leases a while longer");
        self.patient_until.set(self.ports.clock.now().mono.plus(self.ports.lease_ttl));
    }

    async fn release(&self, now: Now) -> Result<usize, StoreError> {
        let mut expired = self.ports.store.expired_leases(now.wall, LEASES_MAX).await?;
        if expired.is_empty() {
            return Ok(0);
        }
        let ids = expired.iter().map(|lease| lease.id).collect();
        let Ok(Some(renewing)) = Ask::<GetRenewals>::ask(&*self.ports.fleet, GetRenewals(ids)).await else {
            self.be_patient("signs of life could not be stored");
            return Ok(0);
        };
        if now.mono < self.patient_until.get() {
            return Ok(0);
        }
        expired.retain(|lease| !renewing.contains(&lease.id));
        self.release_these(expired, now.wall).await
    }

    async fn release_these(&self, expired: Vec<LeaseRow>, now: UnixMillis) -> Result<usize, StoreError> {
        let store = &self.ports.store;
        let (mut again, mut given_up) = (Vec::new(), Vec::new());
        for lease in expired {
            let attempts = retried(|| store.attempts_of(lease.task_id)).await?;
            let lost =
                attempts.iter().filter(|attempt| attempt.outcome == Some(Outcome::Expired)).count() + 1;
            match judge_loss(u32::try_from(lost).unwrap_or(u32::MAX)) {
                Verdict::Again { .. } => again.push(lease.id),
                Verdict::JobFault { message } | Verdict::GivenUp { message } => {
                    given_up.push((lease, message))
                }
            }
        }
        let releasing = retried(|| store.release_expired(&again, now));
        let released = between("expire.before", releasing, "expire.after").await?;
        let mut count = released.len();
        for (lease, message) in given_up {
            if self.give_up(&lease, message, now).await? {
                count += 1;
                self.tell_worker(&lease).await;
            }
        }
        for lease in &released {
            self.tell_worker(lease).await;
        }
        if !released.is_empty() {
            // A job that does not hear of it reads its rows again soon.
            let _ = self.doors.jobs.ask(LeasesReleased(released), ANSWER_WITHIN).await;
            let _ = self.doors.dispatcher.ask(Wake, ANSWER_WITHIN).await;
        }
        Ok(count)
    }

    /// Whether it was given up.
    async fn give_up(&self, lease: &LeaseRow, message: String, now: UnixMillis) -> Result<bool, StoreError> {
        let class = FailureClass::WorkerError;
        let end = AttemptEnd {
            outcome: Outcome::Expired,
            failure: Some(Failure { class, message: message.clone() }),
            task_goes: TaskGoes::Failed { class, message },
            worker_fault: None,
        };
        match retried(|| self.ports.store.end_expired_attempt(lease.id, lease.fence, &end, now)).await {
            Ok(_) => {}
            // It was renewed or ended meanwhile.
            Err(StoreError::StaleFence) => return Ok(false),
            Err(error) => return Err(error),
        }
        let _ = self.doors.jobs.ask(JobChanged(lease.job_id), ANSWER_WITHIN).await;
        Ok(true)
    }

    /// The worker may be there again by now, or come back: it must not work on.
    async fn tell_worker(&self, lease: &LeaseRow) {
        let lease_ref = LeaseRef { lease: lease.id, fence: lease.fence };
        let cancel = Cancel { lease: lease_ref, reason: CancelReason::Superseded };
        let told = CancelLease { worker: lease.worker_id, cancel };
        // Should it not hear of it, its next hello or heartbeat is answered with it.
        let _ = Ask::<CancelLease>::ask(&*self.ports.fleet, told).await;
    }
}

/// Whether this process stood still since the pass before, or the time of day was set forward. Pure.
fn has_paused(last: Now, now: Now) -> bool {
    let steady = now.elapsed(last.mono);
    let of_day = u64::try_from(now.wall.0.saturating_sub(last.wall.0)).unwrap_or(0);
    steady > PAUSE_MAX || of_day > steady.0.saturating_add(PAUSE_MAX.0)
}
