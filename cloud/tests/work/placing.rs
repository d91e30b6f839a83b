//! Who gets what, and how soon.

use pictor_actors::ids::AccountId;
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::placement::Absence;

use crate::bench::Bench;

#[actix_rt::test]
async fn each_slot_gets_one_and_one_ahead_and_no_more() {
    let bench = Bench::with_workers(2).await;
    bench.job_with("1-100", |new| new.chunk = Some(10)).await;
    let mut offers = Vec::new();
    for _ in 0..4 {
        offers.push(bench.offer().await);
    }
    bench.wake().await;
    bench.wake().await;
    assert_eq!(bench.offers_waiting(), 0);
    let ahead: Vec<_> = offers.iter().map(|offer| offer.offer.ahead).collect();
    assert_eq!(ahead.iter().filter(|ahead| **ahead).count(), 2, "{ahead:?}");
    bench.end().await;
}

#[actix_rt::test]
async fn the_higher_priority_goes_first_and_a_change_counts_at_once() {
    let bench = Bench::with_workers(1).await;
    let low = bench.job_with("1-5", |new| new.chunk = Some(1)).await;
    let offers = [bench.offer().await, bench.offer().await];
    let high = bench.job_with("1", |new| new.priority = 90).await;
    bench.render(&offers[0]).await;
    let next = bench.offer().await;
    assert_eq!((next.offer.task.job, next.offer.ahead), (high, true));
    assert_ne!(low, high);
    bench.end().await;
}

#[actix_rt::test]
async fn two_accounts_share_the_slots() {
    let bench = Bench::with_workers(2).await;
    let first = bench.job_with("1-50", |new| new.chunk = Some(1)).await;
    let offers = [bench.offer().await, bench.offer().await, bench.offer().await, bench.offer().await];
    assert!(offers.iter().all(|offer| offer.offer.task.job == first));
    let other = AccountId::from_u128(2);
    bench.account(other).await;
    let second = bench
        .job_with("1-50", |new| {
            new.account_id = other;
            new.chunk = Some(1);
        })
        .await;
    let mut jobs = Vec::new();
    for offer in offers {
        bench.render(&offer).await;
        jobs.push(bench.offer().await.offer.task.job);
    }
    assert_eq!(jobs.iter().filter(|job| **job == second).count(), 2, "{jobs:?}");
    bench.end().await;
}

#[actix_rt::test]
async fn when_a_frame_ends_the_next_lease_is_there_already() {
    let bench = Bench::with_workers(1).await;
    let job = bench.job_with("1-12", |new| new.chunk = Some(1)).await;
    let mut next = bench.offer().await;
    for frame in 1..=12 {
        // While this one renders, the one ahead arrives: the slot never waits for the cloud.
        bench.start(&next).await;
        let ahead = if frame < 12 { Some(bench.offer().await) } else { None };
        bench.frame(&next, frame).await;
        bench.ended(&next, pictor_actors::protocol::AttemptOutcome::Rendered).await;
        let Some(ahead) = ahead else { break };
        next = ahead;
    }
    bench.job_in(job, JobState::Completed).await;
    bench.end().await;
}

#[actix_rt::test]
async fn a_job_that_waits_says_what_its_workers_are_at() {
    let bench = Bench::with_workers(0).await;
    let job = bench.job("1-3").await;
    bench.waits(job, &["no worker is online"]).await;
    bench.absent(vec![Absence::PausedByOwner, Absence::NoBlender, Absence::PausedByOwner]);
    let paused = "no worker takes work now: 2 workers are paused by their owners; \
                  1 worker is paused because no Blender was found there";
    bench.waits(job, &[paused]).await;
    let eevee = bench.job_with("1", |new| new.engine = Some(RenderEngine::Eevee)).await;
    bench.absent(vec![Absence::PausedByOwner]);
    bench.worker(1).await;
    bench.waits(eevee, &["1 slot cannot render with EEVEE", "1 worker is paused by its owner"]).await;
}

#[actix_rt::test]
async fn a_slot_that_declined_is_not_taken_for_a_worker_that_is_away() {
    let bench = Bench::with_workers(1).await;
    let job = bench.job_with("1", |new| new.chunk = Some(1)).await;
    let offer = bench.offer().await;
    bench.declined(&offer).await;
    let words = "no worker takes work now: 1 slot declined a task a moment ago and is asked again soon";
    bench.waits(job, &[words]).await;
}
