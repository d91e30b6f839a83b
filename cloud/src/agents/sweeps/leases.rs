//! Leases whose worker fell silent: their tasks go back to the queue, unless they keep silencing workers.
//! None is taken while the brake holds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pictor_actors::now::Now;
use pictor_actors::protocol::{Cancel, CancelReason, FailureClass, LeaseRef};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::liveness::{Brake, Census, Hold, STORM_MAX};
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
    brake: Rc<RefCell<Brake>>,
}

impl ExpiredLeases {
    /// The sweep of a cloud that starts now.
    #[must_use]
    pub fn new(ports: Ports, doors: WorkDoors) -> Self {
        let now = ports.clock.now();
        let brake = Brake::new(ports.timing.patience, now.mono);
        Self { ports, doors, last: Rc::new(Cell::new(now)), brake: Rc::new(RefCell::new(brake)) }
    }

    /// One pass. After a start, after a time in which renewals could not be stored, and while most workers
    /// fell silent together, nothing is taken away.
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
        self.brake.borrow_mut().was_away(why, self.ports.clock.now().mono);
    }

    /// Why nothing may be taken away now. Each change is logged once.
    async fn hold(&self, now: Now) -> Result<Option<Hold>, StoreError> {
        let since = UnixMillis(now.wall.0.saturating_sub_unsigned(STORM_MAX.0));
        let signs = self.ports.store.last_signs(since).await?;
        let timing = &self.ports.timing;
        let stale_after = timing.limits.for_interval(timing.policy.interval(signs.len())).stale_after;
        let census = Census::of(signs.iter().map(|sign| sign.until(now.wall)), stale_after);
        let hold = self.brake.borrow().holds(&census, now.mono);
        let before = self.ports.held_back.set(hold);
        match (before, hold) {
            (Some(Hold::Storm { .. }), Some(Hold::Storm { .. })) => {}
            (before, hold) if before == hold => {}
            (_, Some(hold)) => tracing::warn!("{hold}"),
            (_, None) => tracing::info!("silent workers lose their tasks again when their time is over"),
        }
        Ok(hold)
    }

    async fn release(&self, now: Now) -> Result<usize, StoreError> {
        let hold = self.hold(now).await?;
        let mut expired = self.ports.store.expired_leases(now.wall, LEASES_MAX).await?;
        if expired.is_empty() {
            return Ok(0);
        }
        let ids = expired.iter().map(|lease| lease.id).collect();
        let Ok(Some(renewing)) = Ask::<GetRenewals>::ask(&*self.ports.fleet, GetRenewals(ids)).await else {
            self.be_patient("signs of life could not be stored");
            return Ok(0);
        };
        if hold.is_some() {
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
