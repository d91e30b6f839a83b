//! What becomes of failed attempts: retries, poison jobs, rested workers, silent workers.

use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::units::Millis;
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::task::TaskState;

use crate::bench::{Bench, LEASE_TTL};

#[actix_rt::test]
async fn a_scene_without_a_camera_fails_at_once_and_the_rest_is_not_rendered() {
    let bench = Bench::with_workers(2).await;
    let job = bench.job("1-24").await;
    let offer = bench.offer().await;
    bench.fail(&offer, FailureClass::NoCamera, "the scene has no camera; add one").await;
    let row = bench.job_in(job, JobState::Failed).await;
    assert_eq!(row.reason.as_deref(), Some("no camera: the scene has no camera; add one"));
    let worker = bench.store.worker(offer.worker).await.unwrap();
    assert_eq!((worker.failures_in_row, worker.rested_until), (0, None));
    bench.wait("end of the actor", || async { bench.live(job).await.is_none().then_some(()) }).await;
    bench.end().await;
}

#[actix_rt::test]
async fn a_crash_is_tried_on_the_other_worker_and_its_frames_are_kept() {
    let bench = Bench::with_workers(2).await;
    let job = bench.job_with("1-3", |new| new.chunk = Some(3)).await;
    let first = bench.offer().await;
    bench.start(&first).await;
    bench.frame(&first, 1).await;
    bench.fail(&first, FailureClass::Crash, "signal 11").await;
    let second = bench.offer().await;
    assert_ne!(second.worker, first.worker);
    assert_eq!((second.offer.task.attempt, &second.offer.task.frames[..]), (2, &[2, 3][..]));
    assert!(second.offer.lease.fence > first.offer.lease.fence);
    bench.render(&second).await;
    bench.job_in(job, JobState::Completed).await;
    bench.end().await;
}

#[actix_rt::test]
async fn a_poison_job_ends_as_the_jobs_fault_and_no_worker_is_rested() {
    let bench = Bench::with_workers(2).await;
    let job = bench.job_with("1-4", |new| new.chunk = Some(4)).await;
    for _ in 0..2 {
        let offer = bench.offer().await;
        bench.fail(&offer, FailureClass::Crash, "signal 11").await;
    }
    let row = bench.job_in(job, JobState::Failed).await;
    assert_eq!(
        row.reason.as_deref(),
        Some(
            "Blender crashed on 2 workers that render other work well, so the scene is the likely cause; \
             the last one said: signal 11"
        )
    );
    for worker in 1..=2 {
        let row = bench.store.worker(pictor_actors::ids::WorkerId::from_u128(worker)).await.unwrap();
        assert_eq!(row.rested_until, None);
    }
    bench.end().await;
}

#[actix_rt::test]
async fn with_one_worker_three_attempts_with_waits_between() {
    let bench = Bench::with_workers(1).await;
    let job = bench.job("7").await;
    for wait in [1_000, 2_000] {
        let offer = bench.offer().await;
        bench.fail(&offer, FailureClass::TimeLimit, "longer than 1 s").await;
        let judged = || async {
            let task = bench.store.open_tasks_of(job).await.unwrap().remove(0);
            task.failure_class.filter(|_| task.state == TaskState::Pending && task.lease_id.is_none())
        };
        bench.wait("verdict", judged).await;
        bench.wake().await;
        assert_eq!(bench.offers_waiting(), 0, "it waits {wait} ms");
        bench.pass_time(Millis(wait)).await;
    }
    bench.fail(&bench.offer().await, FailureClass::TimeLimit, "longer than 1 s").await;
    let reason = bench.job_in(job, JobState::Failed).await.reason.unwrap();
    assert!(reason.starts_with("time limit 3 times, and no other worker can render it"), "{reason}");
    bench.end().await;
}

#[actix_rt::test]
async fn a_worker_that_fails_three_times_in_a_row_is_rested_and_the_other_goes_on() {
    let bench = Bench::with_workers(2).await;
    let job = bench.job_with("1-40", |new| new.chunk = Some(1)).await;
    let mut failures = 0;
    loop {
        let offer = bench.offer().await;
        if offer.worker == pictor_actors::ids::WorkerId::from_u128(1) && failures < 3 {
            failures += 1;
            bench.fail(&offer, FailureClass::DiskFull, "no space").await;
        } else {
            bench.render(&offer).await;
        }
        if bench.store.job(job).await.unwrap().state == JobState::Completed {
            break;
        }
    }
    let rest = bench.rest().await;
    assert_eq!(rest.worker, pictor_actors::ids::WorkerId::from_u128(1));
    assert_eq!(
        rest.reason,
        "rested for 10 minutes after 3 failed attempts in a row; the last: disk full (no space)"
    );
    let row = bench.store.worker(rest.worker).await.unwrap();
    assert_eq!((row.rested_until, row.rest_reason), (Some(rest.until), Some(rest.reason)));
    assert_eq!(rest.until, bench.now().plus(Millis::from_secs(600)));
    bench.end().await;
}

#[actix_rt::test]
async fn other_tasks_go_on_when_one_is_given_up_and_the_job_fails_at_the_end() {
    let bench = Bench::with_workers(2).await;
    let job = bench.job_with("1-6", |new| new.chunk = Some(1)).await;
    let mut crashed = 0;
    loop {
        let offer = bench.offer().await;
        let is_poison = offer.offer.task.frames == [4];
        if is_poison {
            crashed += 1;
            bench.fail(&offer, FailureClass::Crash, "signal 11").await;
        } else {
            bench.render(&offer).await;
        }
        let row = bench.store.job(job).await.unwrap();
        if crashed == 2 && row.frames_done == 5 {
            break;
        }
    }
    let row = bench.job_in(job, JobState::Failed).await;
    assert_eq!((row.frames_done, row.frames_failed), (5, 1));
    // Tried again by hand it can still succeed.
    assert_eq!(bench.store.retry_failed(job, bench.now()).await.unwrap(), 1);
    bench.changed(job).await;
    let again = bench.offer().await;
    assert_eq!((&again.offer.task.frames[..], again.offer.task.attempt), (&[4][..], 1));
    bench.render(&again).await;
    bench.job_in(job, JobState::Completed).await;
    bench.end().await;
}

#[actix_rt::test]
async fn a_declined_offer_is_no_failure_and_goes_elsewhere() {
    let bench = Bench::with_workers(2).await;
    let job = bench.job("1").await;
    let offer = bench.offer().await;
    bench.declined(&offer).await;
    let again = bench.offer().await;
    assert_ne!(again.worker, offer.worker);
    assert_eq!(again.offer.task.attempt, 1);
    bench.render(&again).await;
    bench.job_in(job, JobState::Completed).await;
    bench.end().await;
}

#[actix_rt::test]
async fn a_job_that_waits_says_why() {
    let bench = Bench::with_workers(1).await;
    let job = bench.job_with("1", |new| new.engine = Some(RenderEngine::Eevee)).await;
    let waiting = bench
        .wait("reason", || async {
            bench.live(job).await.map(|live| live.waiting).filter(|waiting| !waiting.is_empty())
        })
        .await;
    assert_eq!(waiting, ["1 slot cannot render with EEVEE"]);
    bench.end().await;
}

#[actix_rt::test]
async fn a_silent_worker_loses_its_task_but_not_right_after_a_start() {
    let bench = Bench::with_workers(2).await;
    let job = bench.job_with("1-3", |new| new.chunk = Some(3)).await;
    let silent = bench.offer().await;
    bench.start(&silent).await;
    bench.frame(&silent, 1).await;
    bench.job_in(job, JobState::Running).await;
    bench.pass_time(LEASE_TTL).await;
    let just_started = bench.sweep();
    just_started.clone().pass().await;
    assert_eq!(
        bench.store.live_leases_of_job(job).await.unwrap().len(),
        1,
        "workers must be able to come back"
    );
    bench.deliver(&silent.offer, 2).await.unwrap();
    bench.expire(&just_started).await;
    let (worker, cancel) = bench.cancel().await;
    assert_eq!((worker, cancel.lease), (silent.worker, silent.offer.lease));
    let again = bench.offer().await;
    assert_eq!(again.offer.task.frames, [3], "what was delivered is kept");
    assert!(again.offer.lease.fence > silent.offer.lease.fence);
    bench.render(&again).await;
    bench.job_in(job, JobState::Completed).await;
    bench.end().await;
}

#[actix_rt::test]
async fn a_task_that_silences_its_workers_is_given_up() {
    let bench = Bench::with_workers(2).await;
    let job = bench.job("1").await;
    let sweep = bench.sweep();
    for _ in 0..6 {
        bench.start(&bench.offer().await).await;
        bench.expire(&sweep).await;
    }
    let row = bench.job_in(job, JobState::Failed).await;
    assert_eq!((row.frames_done, row.frames_failed), (0, 1));
    bench.end().await;
}

#[actix_rt::test]
async fn a_job_that_cannot_be_worked_on_fails_and_the_others_go_on() {
    let bench = Bench::with_workers(1).await;
    let broken = bench.job_with("1-4", |new| new.frames = "no frames".to_owned()).await;
    let row = bench.job_in(broken, JobState::Failed).await;
    let reason = row.reason.unwrap();
    assert!(reason.contains("its frames cannot be read") && reason.contains("try it again"), "{reason}");
    assert!(!bench.is_stopping(), "one job's faults are not the process's");
    let good = bench.job("1").await;
    bench.render(&bench.offer().await).await;
    bench.job_in(good, JobState::Completed).await;
    bench.end().await;
}
