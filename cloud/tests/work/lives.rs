//! Whole lives of jobs: rendered, paused, cancelled, over a restart.

use pictor_actors::ids::LeaseId;
use pictor_actors::protocol::{AttemptOutcome, CancelReason, FromWorker, LogLines};
use pictor_actors::units::UnixMillis;
use pictor_cloud::agents::broadcast::LiveEvent;
use pictor_cloud::store::{PageRequest, StoreError};
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::task::TaskState;

use crate::bench::Bench;

#[actix_rt::test]
async fn every_frame_is_rendered_once_and_the_job_completes() {
    let bench = Bench::with_workers(2).await;
    let job = bench.job("1-24").await;
    let mut seen = Vec::new();
    while seen.len() < 24 {
        let offer = bench.offer().await;
        seen.extend(offer.offer.task.frames.iter().copied());
        assert_eq!((offer.offer.task.attempt, offer.offer.lease.fence), (1, 1));
        bench.render(&offer).await;
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=24).collect::<Vec<_>>());
    let row = bench.job_in(job, JobState::Completed).await;
    assert_eq!((row.frames_done, row.frames_failed, row.reason), (24, 0, None));
    bench.wait("end of the actor", || async { bench.live(job).await.is_none().then_some(()) }).await;
    let told: Vec<_> = bench.announced().into_iter().map(|told| told.event).collect();
    let frames = told.iter().filter(|event| matches!(event, LiveEvent::FrameStored { .. })).count();
    assert_eq!(frames, 24);
    assert!(told.contains(&LiveEvent::JobChanged(job)));
    bench.end().await;
}

#[actix_rt::test]
async fn the_first_tasks_have_one_frame_and_later_ones_go_by_time() {
    let bench = Bench::with_workers(1).await;
    bench.job("1-24").await;
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 24 {
        let offer = bench.offer().await;
        sizes.push(offer.offer.task.frames.len());
        bench.render(&offer).await;
    }
    assert_eq!(sizes.iter().filter(|size| **size == 1).count(), sizes.len() - 1, "{sizes:?}");
    assert!(sizes.last().is_some_and(|size| *size >= 18), "{sizes:?}");
    bench.end().await;
}

#[actix_rt::test]
async fn progress_and_end_are_known_once_a_frame_time_is() {
    let bench = Bench::with_workers(1).await;
    let job = bench.job_with("1-10", |new| new.chunk = Some(5)).await;
    let first = bench.offer().await;
    bench.start(&first).await;
    let live = bench.live(job).await.unwrap();
    assert_eq!((live.eta, live.in_hand.len()), (None, 0));
    bench.frame(&first, 1).await;
    let live =
        bench.wait("estimate", || async { bench.live(job).await.filter(|live| live.eta.is_some()) }).await;
    assert_eq!(live.eta, Some(UnixMillis(bench.now().0 + 9_000)));
    bench.end().await;
}

#[actix_rt::test]
async fn a_paused_job_gives_nothing_out_keeps_its_frame_in_hand_and_goes_on() {
    let bench = Bench::with_workers(1).await;
    let job = bench.job_with("1-10", |new| new.chunk = Some(5)).await;
    let running = bench.offer().await;
    let ahead = bench.offer().await;
    assert!(ahead.offer.ahead && !running.offer.ahead);
    bench.start(&running).await;
    bench.frame(&running, 1).await;
    bench.job_in(job, JobState::Running).await;
    bench.store.pause_job(job, bench.now()).await.unwrap();
    bench.changed(job).await;
    let mut told = [bench.cancel().await.1, bench.cancel().await.1];
    told.sort_by_key(|cancel| cancel.lease);
    let mut expected =
        vec![(running.offer.lease, CancelReason::JobPaused), (ahead.offer.lease, CancelReason::Superseded)];
    expected.sort_by_key(|(lease, _)| *lease);
    assert_eq!(told.iter().map(|cancel| (cancel.lease, cancel.reason)).collect::<Vec<_>>(), expected);
    bench.frame(&running, 2).await;
    bench.ended(&running, AttemptOutcome::Stopped).await;
    bench
        .wait("all tasks paused", || async {
            let tasks = bench.store.open_tasks_of(job).await.unwrap();
            tasks.iter().all(|task| task.state == TaskState::Paused && task.lease_id.is_none()).then_some(())
        })
        .await;
    bench.wake().await;
    assert_eq!(bench.offers_waiting(), 0);
    // It was rendered before the worker stopped, and comes a little later.
    assert_eq!(bench.frame(&running, 3).await.task, running.offer.task.task);
    bench.store.resume_job(job, bench.now()).await.unwrap();
    bench.changed(job).await;
    let again = bench.offer().await;
    assert_eq!(again.offer.task.frames, [4, 5]);
    bench.render(&again).await;
    bench.render(&bench.offer().await).await;
    bench.job_in(job, JobState::Completed).await;
    bench.end().await;
}

#[actix_rt::test]
async fn a_rendered_attempt_is_stored_as_such_until_its_frames_are_there() {
    let bench = Bench::with_workers(1).await;
    let job = bench.job_with("1-2", |new| new.chunk = Some(2)).await;
    let offer = bench.offer().await;
    bench.start(&offer).await;
    bench.frame(&offer, 1).await;
    bench.ended(&offer, AttemptOutcome::Rendered).await;
    let lease = || async { bench.store.lease(offer.offer.lease.lease).await.unwrap() };
    let row = bench.wait("outcome", || async { Some(lease().await).filter(|row| row.outcome.is_some()) });
    let row = row.await;
    assert_eq!((row.outcome, row.ended_at), (Some(Outcome::Rendered), None));
    bench.frame(&offer, 2).await;
    bench.job_in(job, JobState::Completed).await;
    assert_eq!(lease().await.outcome, Some(Outcome::Completed));
    bench.end().await;
}

#[actix_rt::test]
async fn a_cancelled_job_takes_its_leases_back_and_refuses_late_frames() {
    let bench = Bench::with_workers(1).await;
    let job = bench.job_with("1-10", |new| new.chunk = Some(10)).await;
    let offer = bench.offer().await;
    bench.start(&offer).await;
    bench.job_in(job, JobState::Running).await;
    bench.store.cancel_job(job, bench.now()).await.unwrap();
    bench.changed(job).await;
    let (worker, cancel) = bench.cancel().await;
    assert_eq!(
        (worker, cancel.lease, cancel.reason),
        (offer.worker, offer.offer.lease, CancelReason::JobCancelled)
    );
    assert!(matches!(bench.deliver(&offer.offer, 1).await, Err(StoreError::StaleFence)));
    bench.wait("end of the actor", || async { bench.live(job).await.is_none().then_some(()) }).await;
    bench.end().await;
}

#[actix_rt::test]
async fn a_restart_in_mid_job_loses_nothing_and_renders_nothing_twice() {
    let bench = Bench::with_workers(2).await;
    let job = bench.job_with("1-12", |new| new.chunk = Some(4)).await;
    let first = bench.offer().await;
    let (_, _) = (bench.offer().await, bench.offer().await);
    bench.start(&first).await;
    bench.frame(&first, first.offer.task.frames[0]).await;
    bench.job_in(job, JobState::Running).await;
    let bench = bench.restarted().await;
    // The worker works on under the lease it has, and knows nothing of the restart.
    for frame in &first.offer.task.frames[1..] {
        bench.frame(&first, *frame).await;
    }
    bench.ended(&first, AttemptOutcome::Rendered).await;
    let live = bench.store.live_leases_of_job(job).await.unwrap();
    let unheard: Vec<LeaseId> = live.iter().map(|lease| lease.id).collect();
    // The others were offered before the restart; their workers do not name them any more.
    let released = bench.store.release_leases(&unheard, Outcome::Released, bench.now()).await.unwrap();
    bench.doors.jobs.try_send(pictor_cloud::agents::jobs::LeasesReleased(released)).unwrap();
    let mut frames = Vec::new();
    while frames.len() < 8 {
        let offer = bench.offer().await;
        frames.extend(offer.offer.task.frames.iter().copied());
        bench.render(&offer).await;
    }
    frames.sort_unstable();
    let firsts = &first.offer.task.frames;
    assert_eq!(frames, (1..=12).filter(|frame| !firsts.contains(frame)).collect::<Vec<_>>());
    assert_eq!(bench.job_in(job, JobState::Completed).await.frames_done, 12);
    bench.end().await;
}

#[actix_rt::test]
async fn log_lines_and_warnings_are_kept() {
    let bench = Bench::with_workers(1).await;
    let job = bench.job("1-4").await;
    let offer = bench.offer().await;
    bench.start(&offer).await;
    let lines = LogLines { lease: offer.offer.lease, lines: vec!["a".into(), "b".into()], dropped: 3 };
    bench.said(&offer, FromWorker::LogLines(lines)).await;
    let text = bench
        .wait("log", || async {
            let page = bench.store.log_of(job, &PageRequest::default()).await.unwrap();
            (page.rows.len() == 3).then(|| page.rows.into_iter().map(|row| row.text).collect::<Vec<_>>())
        })
        .await;
    assert_eq!(text, ["… 3 lines left out …", "a", "b"]);
    bench.end().await;
}

#[actix_rt::test]
async fn a_job_of_many_frames_is_cut_as_it_goes() {
    let bench = Bench::with_workers(1).await;
    let job = bench.job("1-100000").await;
    for _ in 0..10 {
        let offer = bench.offer().await;
        bench.render(&offer).await;
    }
    let row = bench.store.job(job).await.unwrap();
    assert!(row.frames_planned < 4_000, "{}", row.frames_planned);
    assert!(bench.store.open_tasks_of(job).await.unwrap().len() <= 5);
    bench.end().await;
}
