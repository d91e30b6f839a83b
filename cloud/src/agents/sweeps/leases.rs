//! Leases whose worker fell silent: their tasks go back to the queue, unless they keep silencing workers.

use pictor_actors::now::Mono;
use pictor_actors::protocol::{Cancel, CancelReason, FailureClass, LeaseRef};
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::task::{Verdict, judge_loss};

use crate::agents::dispatcher::Wake;
use crate::agents::fleet::CancelLease;
use crate::agents::jobs::{JobChanged, LeasesReleased, retried};
use crate::agents::ports::{ANSWER_WITHIN, Ask, Ports, WorkDoors};
use crate::store::{AttemptEnd, Failure, LeaseRow, StoreError, TaskGoes};

/// Leases of one pass; a whole hall that falls silent takes a few passes.
const LEASES_MAX: u32 = 200;

/// The sweep.
#[derive(Clone)]
pub struct ExpiredLeases {
    ports: Ports,
    doors: WorkDoors,
    started_at: Mono,
}

impl ExpiredLeases {
    /// The sweep of a cloud that starts now.
    #[must_use]
    pub fn new(ports: Ports, doors: WorkDoors) -> Self {
        let started_at = ports.clock.now().mono;
        Self { ports, doors, started_at }
    }

    /// One pass. Right after a start nothing is taken away: workers need the time to come back.
    pub async fn pass(self) {
        let now = self.ports.clock.now();
        if now.elapsed(self.started_at) < self.ports.lease_ttl {
            return;
        }
        match self.release(now.wall).await {
            Ok(0) => {}
            Ok(released) => tracing::info!(released, "leases of silent workers expired"),
            Err(error) => tracing::warn!(%error, "expired leases were not released"),
        }
    }

    async fn release(&self, now: pictor_actors::units::UnixMillis) -> Result<usize, StoreError> {
        let store = &self.ports.store;
        let expired = retried(|| store.expired_leases(now, LEASES_MAX)).await?;
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
        let released = retried(|| store.release_leases(&again, Outcome::Expired, now)).await?;
        let count = released.len() + given_up.len();
        for (lease, message) in given_up {
            self.give_up(&lease, message, now).await?;
            self.tell_worker(&lease).await;
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

    async fn give_up(
        &self,
        lease: &LeaseRow,
        message: String,
        now: pictor_actors::units::UnixMillis,
    ) -> Result<(), StoreError> {
        let class = FailureClass::WorkerError;
        let end = AttemptEnd {
            outcome: Outcome::Expired,
            failure: Some(Failure { class, message: message.clone() }),
            task_goes: TaskGoes::Failed { class, message },
            worker_fault: None,
        };
        match retried(|| self.ports.store.end_attempt(lease.id, lease.fence, &end, now)).await {
            // It was renewed or ended meanwhile.
            Ok(_) | Err(StoreError::StaleFence) => {}
            Err(error) => return Err(error),
        }
        let _ = self.doors.jobs.ask(JobChanged(lease.job_id), ANSWER_WITHIN).await;
        Ok(())
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
