//! Silent workers: those that only seem so keep their leases, and what the others have finished counts.

use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::{AttemptOutcome, CancelReason};
use pictor_actors::units::Millis;
use pictor_cloud::agents::fleet::OfferTask;
use pictor_cloud::agents::sweeps::ExpiredLeases;
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::liveness::{Hold, STORM_MAX};

use crate::bench::{Bench, LEASE_TTL};

/// A lease past its time, under a sweep that would take it at its next pass.
async fn overdue() -> (Bench, OfferTask, ExpiredLeases) {
    let bench = Bench::with_workers(1).await;
    let sweep = bench.sweep();
    for _ in 0..6 {
        bench.pass_time(Millis(LEASE_TTL.0 / 6)).await;
        sweep.clone().pass().await;
    }
    bench.job("1").await;
    let offer = bench.offer().await;
    bench.start(&offer).await;
    for _ in 0..5 {
        bench.pass_time(Millis(LEASE_TTL.0 / 6)).await;
        sweep.clone().pass().await;
    }
    (bench, offer, sweep)
}

async fn is_held(bench: &Bench, offer: &OfferTask) -> bool {
    bench.store.lease(offer.offer.lease.lease).await.unwrap().ended_at.is_none()
}

#[actix_rt::test]
async fn a_lease_whose_renewal_is_not_stored_yet_is_not_taken() {
    let (bench, offer, sweep) = overdue().await;
    bench.renewing(vec![offer.offer.lease.lease]);
    bench.pass_time(Millis(LEASE_TTL.0 / 6)).await;
    sweep.clone().pass().await;
    assert!(is_held(&bench, &offer).await);
    bench.renewing(vec![]);
    bench.pass_time(Millis(5_000)).await;
    sweep.pass().await;
    assert!(!is_held(&bench, &offer).await);
    bench.end().await;
}

#[actix_rt::test]
async fn while_renewals_cannot_be_stored_and_for_a_leases_time_after_nothing_is_taken() {
    let (bench, offer, sweep) = overdue().await;
    bench.cannot_renew(true);
    bench.pass_time(Millis(LEASE_TTL.0 / 6)).await;
    sweep.clone().pass().await;
    bench.cannot_renew(false);
    for _ in 0..5 {
        bench.pass_time(Millis(LEASE_TTL.0 / 6)).await;
        sweep.clone().pass().await;
        assert!(is_held(&bench, &offer).await);
    }
    bench.pass_time(Millis(LEASE_TTL.0 / 6)).await;
    sweep.pass().await;
    assert!(!is_held(&bench, &offer).await);
    bench.end().await;
}

#[actix_rt::test]
async fn after_a_sleep_of_the_host_workers_get_the_time_to_come_back() {
    for is_steady_clock_asleep in [true, false] {
        let (bench, offer, sweep) = overdue().await;
        if is_steady_clock_asleep {
            bench.clock.set_wall(bench.now().plus(Millis::from_secs(3_600)));
        } else {
            bench.clock.advance(Millis::from_secs(3_600));
        }
        sweep.clone().pass().await;
        assert!(is_held(&bench, &offer).await);
        bench.expire(&sweep).await;
        assert!(!is_held(&bench, &offer).await);
        bench.end().await;
    }
}

/// A farm past its start, of which every worker has connected and falls silent now; one of them renders.
async fn all_silent() -> (Bench, OfferTask, ExpiredLeases) {
    let bench = Bench::with_workers(2).await;
    let sweep = bench.sweep();
    bench.expire(&sweep).await;
    for worker in [1, 2] {
        bench.connect(WorkerId::from_u128(worker)).await;
    }
    bench.job("1").await;
    let offer = bench.offer().await;
    bench.start(&offer).await;
    (bench, offer, sweep)
}

#[actix_rt::test]
async fn in_a_storm_of_silence_nothing_is_taken_until_workers_are_heard_again() {
    let (bench, offer, sweep) = all_silent().await;
    assert_eq!(bench.held_back(), None);
    bench.expire(&sweep).await;
    bench.expire(&sweep).await;
    assert!(is_held(&bench, &offer).await);
    assert_eq!(bench.held_back(), Some(Hold::Storm { silent: 2, of: 2 }));
    let other = WorkerId::from_u128(if offer.worker == WorkerId::from_u128(1) { 2 } else { 1 });
    bench.connect(other).await;
    sweep.clone().pass().await;
    assert!(!is_held(&bench, &offer).await);
    assert_eq!(bench.held_back(), None);
    bench.end().await;
}

#[actix_rt::test]
async fn a_hall_that_went_for_good_holds_nothing_up_for_ever() {
    let (bench, offer, sweep) = all_silent().await;
    for _ in 0..STORM_MAX.0 / LEASE_TTL.0 {
        assert!(is_held(&bench, &offer).await);
        bench.expire(&sweep).await;
    }
    assert!(!is_held(&bench, &offer).await);
    bench.end().await;
}

#[actix_rt::test]
async fn a_finished_frame_that_comes_late_is_first_and_the_other_is_not_needed() {
    let bench = Bench::with_workers(2).await;
    let job = bench.job_with("1-2", |new| new.chunk = Some(2)).await;
    let sweep = bench.sweep();
    bench.expire(&sweep).await;
    let lost = bench.offer().await;
    bench.start(&lost).await;
    bench.expire(&sweep).await;
    assert_eq!(bench.cancel().await.1.lease, lost.offer.lease);
    let other = bench.offer().await;
    bench.start(&other).await;
    bench.frame(&lost, 1).await;
    assert!(is_held(&bench, &other).await, "a frame is left for it");
    bench.frame(&lost, 2).await;
    bench.job_in(job, JobState::Completed).await;
    let (worker, cancel) = bench.cancel().await;
    assert_eq!(
        (worker, cancel.lease, cancel.reason),
        (other.worker, other.offer.lease, CancelReason::Superseded)
    );
    let ended = bench.store.lease(other.offer.lease.lease).await.unwrap();
    assert_eq!(ended.outcome, Some(Outcome::NotNeeded));
    bench.end().await;
}

#[actix_rt::test]
async fn a_lease_on_long_frames_outlives_a_longer_silence() {
    let bench = Bench::with_workers(1).await;
    bench.job_with("1-3", |new| new.chunk = Some(1)).await;
    let (first, ahead) = (bench.offer().await, bench.offer().await);
    assert_eq!((first.lost_after, ahead.lost_after), (None, None), "not known before the first frame");
    bench.start(&first).await;
    bench.frame_that_took(&first, 1, Millis::from_secs(600)).await;
    bench.ended(&first, AttemptOutcome::Rendered).await;
    let third = bench.offer().await;
    assert_eq!(third.lost_after, Some(Millis::from_secs(300)));
    let lease = bench.store.lease(third.offer.lease.lease).await.unwrap();
    assert_eq!(lease.granted_at.until(lease.expires_at), Millis::from_secs(300));
    bench.end().await;
}
