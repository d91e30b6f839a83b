//! What a worker does from its hello to its goodbye.

use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::protocol::outcome::FrameState;
use pictor_actors::protocol::{
    AttemptOutcome, Cancel, CancelReason, DeclineReason, FromWorker, LeaseRef, ToWorker, WorkerActivity,
};
use pictor_actors::units::Millis;
use pictor_worker::config::DataDir;
use pictor_worker::control::{Answer, InstanceLock, Request, ask};

use crate::cloud::{FakeCloud, Seen};
use crate::support::Worker;

fn ended(seen: &Seen, lease: LeaseRef, outcome: &AttemptOutcome) -> bool {
    seen.heard.iter().any(
        |said| matches!(said, FromWorker::AttemptEnded(end) if end.lease == lease && end.outcome == *outcome),
    )
}

fn begun(seen: &Seen, frame: i32) -> bool {
    seen.heard.iter().any(|said| match said {
        FromWorker::FrameProgress(step) => step.frame == frame && step.state == FrameState::Started,
        _ => false,
    })
}

#[actix_web::test]
async fn a_task_of_three_frames_is_rendered_and_delivered() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start(&cloud, folder.path(), Millis(20));
    cloud.connected().await;
    let lease = cloud.offer(1, &[1, 2, 3]);
    cloud.wait("three frames", |seen| seen.frames.len() == 3).await;
    cloud.wait("the end", |seen| ended(seen, lease, &AttemptOutcome::Rendered)).await;
    cloud
        .wait("an idle heartbeat", |seen| {
            let last = seen.heard.last();
            matches!(last, Some(FromWorker::Heartbeat(beat))
                if beat.activity == WorkerActivity::Idle
                    && beat.outbox_frames == 0
                    && beat.slots[0].phase == SlotPhase::Idle)
        })
        .await;
    assert_eq!(worker.spooled(), 0, "receipts have emptied the spool");
    worker.stop().await;
    let seen = cloud.seen.lock().unwrap();
    assert!(matches!(seen.heard[0], FromWorker::Hello(_)) && seen.heard.contains(&FromWorker::Accept(lease)));
    assert!(matches!(seen.heard.last(), Some(FromWorker::Goodbye { .. })), "{:?}", seen.heard.last());
}

#[actix_web::test]
async fn a_cloud_that_is_away_gets_its_frames_when_it_is_back() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start(&cloud, folder.path(), Millis(100));
    cloud.connected().await;
    let lease = cloud.offer(1, &[1, 2, 3, 4]);
    cloud.wait("a frame begun", |seen| begun(seen, 1)).await;
    cloud.go_away();
    // It goes on with what it holds: all four frames come to lie in the spool.
    let kept = async {
        while worker.spooled() < 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), kept).await.unwrap();
    cloud.come_back();
    cloud.wait("all frames", |seen| seen.frames.len() == 4).await;
    cloud.wait("the end, told late", |seen| ended(seen, lease, &AttemptOutcome::Rendered)).await;
    let hellos: Vec<_> = cloud.seen.lock().unwrap().heard.clone();
    let held = hellos.iter().rev().find_map(|said| match said {
        FromWorker::Hello(hello) => Some(hello.held.clone()),
        _ => None,
    });
    assert_eq!(held.unwrap(), [lease], "the second hello names what it still holds");
    worker.stop().await;
}

#[actix_web::test]
async fn an_end_said_into_a_dead_line_is_said_again_and_once_it_is_heard_no_more() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start(&cloud, folder.path(), Millis(20));
    cloud.connected().await;
    cloud.change(|seen| seen.is_line_dead = true);
    let lease = cloud.offer(1, &[1]);
    let is_end = |said: &FromWorker| matches!(said, FromWorker::AttemptEnded(end) if end.lease == lease);
    cloud.wait("the end, lost", |seen| seen.lost.iter().any(is_end)).await;
    cloud.go_away();
    cloud.come_back();
    cloud.wait("the end, again", |seen| ended(seen, lease, &AttemptOutcome::Rendered)).await;
    let beats =
        |seen: &Seen| seen.heard.iter().filter(|said| matches!(said, FromWorker::Heartbeat(_))).count();
    let before = beats(&cloud.seen.lock().unwrap());
    cloud.wait("answers to heartbeats", |seen| beats(seen) >= before + 3).await;
    cloud.go_away();
    cloud.come_back();
    let hellos = |seen: &Seen| seen.heard.iter().filter(|said| matches!(said, FromWorker::Hello(_))).count();
    cloud.wait("a third hello", |seen| hellos(seen) == 3).await;
    worker.stop().await;
    let seen = cloud.seen.lock().unwrap();
    assert_eq!(seen.heard.iter().filter(|said| is_end(said)).count(), 1);
}

#[actix_web::test]
async fn frames_that_nobody_wants_are_dropped_and_others_kept() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start(&cloud, folder.path(), Millis(10));
    cloud.connected().await;
    cloud.change(|seen| seen.refuse = Some(409));
    let lease = cloud.offer(1, &[1]);
    cloud.wait("the end", |seen| ended(seen, lease, &AttemptOutcome::Rendered) && seen.puts == 1).await;
    cloud.change(|seen| seen.refuse = Some(413));
    cloud.offer(2, &[1]);
    cloud
        .wait("a frame that stays", |seen| {
            seen.puts == 2
                && matches!(seen.heard.last(), Some(FromWorker::Heartbeat(beat)) if beat.outbox_frames == 1)
        })
        .await;
    assert_eq!(worker.spooled(), 1, "refused for another reason: kept");
    worker.stop().await;
}

#[actix_web::test]
async fn a_cancel_stops_the_frame_in_hand() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start(&cloud, folder.path(), Millis::from_secs(600));
    cloud.connected().await;
    let lease = cloud.offer(1, &[1]);
    cloud.wait("a frame begun", |seen| begun(seen, 1)).await;
    cloud.say(ToWorker::Cancel(Cancel { lease, reason: CancelReason::JobCancelled }));
    cloud.wait("the end", |seen| ended(seen, lease, &AttemptOutcome::Stopped)).await;
    worker.stop().await;
}

#[actix_web::test]
async fn a_pause_declines_work_and_outlives_a_restart() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start(&cloud, folder.path(), Millis(10));
    cloud.connected().await;
    assert_eq!(ask(&worker.data, &Request::Pause { until: None }).await.unwrap(), Answer::Done);
    let lease = cloud.offer(1, &[1]);
    let declined = |seen: &Seen| {
        seen.heard.iter().any(|said| {
            matches!(said, FromWorker::Decline(decline)
                if decline.lease == lease && decline.reason == DeclineReason::NotAccepting)
        })
    };
    cloud.wait("a decline", declined).await;
    worker.stop().await;
    cloud.change(|seen| seen.heard.clear());
    let worker = Worker::start(&cloud, folder.path(), Millis(10));
    cloud
        .wait(
            "a paused hello",
            |seen| matches!(seen.heard.first(), Some(FromWorker::Hello(hello)) if hello.pause.is_some()),
        )
        .await;
    assert_eq!(ask(&worker.data, &Request::Resume).await.unwrap(), Answer::Resumed { still: None });
    worker.stop().await;
}

#[actix_web::test]
async fn a_disk_that_hangs_holds_up_no_pause() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start(&cloud, folder.path(), Millis(10));
    cloud.connected().await;
    // Opened for writing, it waits for a reader.
    let file = folder.path().join("pause.toml.tmp");
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    assert_eq!(ask(&worker.data, &Request::Pause { until: None }).await.unwrap(), Answer::Done);
    let is_paused = |said: &FromWorker| match said {
        FromWorker::Heartbeat(beat) => matches!(beat.activity, WorkerActivity::Paused(_)),
        _ => false,
    };
    cloud.wait("a paused heartbeat", |seen| seen.heard.last().is_some_and(is_paused)).await;
    tokio::task::spawn_blocking(move || std::fs::File::open(file)).await.unwrap().unwrap();
    worker.stop().await;
}

#[actix_web::test]
async fn what_earlier_lives_left_in_the_work_folder_is_removed() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let work = DataDir::open(Some(folder.path().to_owned())).unwrap().work();
    let left = ["slot-0/out-1", "slot-0-old/1/out-1"].map(|left| work.join(left));
    for folder in &left {
        std::fs::create_dir_all(folder).unwrap();
    }
    let worker = Worker::start(&cloud, folder.path(), Millis(10));
    cloud.connected().await;
    let is_left = || left.iter().any(|left| left.exists());
    let removed = async {
        while is_left() || std::fs::read_dir(work.join("slot-0-old")).unwrap().count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), removed).await.unwrap();
    cloud.offer(1, &[1]);
    cloud.wait("the frame", |seen| seen.frames.len() == 1).await;
    worker.stop().await;
}

#[actix_web::test]
async fn a_restart_delivers_what_the_spool_holds() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start(&cloud, folder.path(), Millis(10));
    cloud.connected().await;
    cloud.change(|seen| seen.refuse = Some(503));
    let lease = cloud.offer(1, &[1, 2]);
    cloud.wait("the end", |seen| ended(seen, lease, &AttemptOutcome::Rendered)).await;
    assert_eq!(worker.spooled(), 2);
    worker.stop().await;
    cloud.change(|seen| {
        seen.refuse = None;
        seen.heard.clear();
    });
    let worker = Worker::start(&cloud, folder.path(), Millis(10));
    cloud.wait("both frames", |seen| seen.frames.len() == 2).await;
    let held = cloud.seen.lock().unwrap().heard.first().cloned();
    assert!(matches!(held, Some(FromWorker::Hello(hello)) if hello.held == [lease]));
    worker.stop().await;
}

#[actix_web::test]
async fn a_second_start_finds_the_first() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start(&cloud, folder.path(), Millis(10));
    cloud.connected().await;
    assert!(InstanceLock::take(&worker.data).unwrap().is_none());
    let Answer::Status(status) = ask(&worker.data, &Request::Status).await.unwrap() else { panic!() };
    assert_eq!((status.pid, status.slots.len()), (std::process::id(), 1));
    worker.stop().await;
}
