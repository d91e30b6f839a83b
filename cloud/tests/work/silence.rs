//! Workers that seem silent because the cloud did not hear them: they keep their leases.

use pictor_actors::units::Millis;
use pictor_cloud::agents::fleet::OfferTask;
use pictor_cloud::agents::sweeps::ExpiredLeases;

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
    }
}
