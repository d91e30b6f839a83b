//! Rows that only grow in number go when they are old.

use std::sync::Arc;

use pictor_actors::testing::ManualClock;
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud::agents::sweeps::Stale;
use pictor_cloud::config::BlobsConfig;
use pictor_cloud::store::{LeaseRow, LogRow, Store, WorkerMinuteRow};

use crate::farm::{Scene, T0, at, frame, granted, job, scene};

/// Later than all that is here.
const LATE: UnixMillis = UnixMillis(i64::MAX / 2);

async fn log(store: &Store, lease: &LeaseRow, lines: u64) {
    let line = |seq| LogRow {
        lease_id: lease.id,
        seq,
        job_id: lease.job_id,
        task_id: lease.task_id,
        worker_id: lease.worker_id,
        at: T0,
        text: "a line".to_owned(),
    };
    store.append_log(&(1..=lines).map(line).collect::<Vec<_>>()).await.unwrap();
}

/// Ten lines of a job that ended and five of one that did not; three configuration files of which two are
/// over; a set-up secret; this many minutes of a worker.
async fn rows(store: &Store, minutes: i64) -> Scene {
    let scene = scene(store, 1, 1).await;
    let ended = granted(store, &scene.tasks[0], scene.worker.id).await;
    let (_, tasks) = job(store, scene.account.id, 1, 1).await;
    let running = granted(store, &tasks[0], scene.worker.id).await;
    log(store, &ended, 10).await;
    log(store, &running, 5).await;
    store.store_frame(&frame(&ended, 1), at(10)).await.unwrap();
    let rig = scene.worker.id;
    store.put_enrolment(rig, "replaced", at(60), T0).await.unwrap();
    store.put_enrolment(rig, "used", at(60), at(5)).await.unwrap();
    store.enrol("used", rig, "key", "host", at(6)).await.unwrap();
    store.put_enrolment(rig, "good", LATE, at(7)).await.unwrap();
    store.put_setup_token("secret", at(60)).await.unwrap();
    let minute =
        |n: i64| WorkerMinuteRow { worker_id: rig, minute_at: at(n * 60), readings: serde_json::json!({}) };
    store.save_worker_minutes(&(0..minutes).map(minute).collect::<Vec<_>>()).await.unwrap();
    scene
}

pub async fn what_is_old_goes_a_few_rows_at_a_time(store: Store) {
    let scene = rows(&store, 3).await;
    assert_eq!(store.drop_old_logs(at(10), 100).await.unwrap(), 0, "not before the job's end is so long ago");
    assert_eq!(store.drop_old_logs(at(11), 7).await.unwrap(), 7);
    assert_eq!(store.drop_old_logs(LATE, 7).await.unwrap(), 3, "a job that goes on keeps its lines");
    assert_eq!(store.log_tail(scene.job.id, 100).await.unwrap(), []);
    assert_eq!(store.drop_old_enrolments(at(5), 10).await.unwrap(), 0);
    assert_eq!(store.drop_old_enrolments(at(6), 10).await.unwrap(), 1, "the replaced one");
    assert_eq!(store.drop_old_enrolments(at(61), 10).await.unwrap(), 1, "the used one");
    assert!(store.enrol("good", scene.worker.id, "key", "host", at(62)).await.is_ok());
    assert_eq!(store.drop_old_setup_tokens(at(60), 10).await.unwrap(), 0);
    assert_eq!(store.drop_old_setup_tokens(at(61), 10).await.unwrap(), 1);
}

pub async fn a_pass_drops_all_that_is_old(store: Store) {
    let scene = rows(&store, 1_100).await;
    let folder = tempfile::tempdir().unwrap();
    let config = BlobsConfig { dir: folder.path().to_owned(), ..BlobsConfig::in_folder(folder.path()) };
    let blobs = pictor_cloud::blobs::open(&config).await.unwrap();
    let clock = ManualClock::at(at(1_050 * 60).plus(Millis::from_secs(90 * 24 * 3_600)));
    Stale::new(store.clone(), blobs, Arc::new(clock)).pass().await;
    assert_eq!(store.drop_worker_minutes(LATE, 10_000).await.unwrap(), 50, "younger ones are kept");
    assert_eq!(store.log_tail(scene.job.id, 100).await.unwrap(), []);
    assert_eq!(store.drop_old_enrolments(at(61), 10).await.unwrap(), 0);
    assert_eq!(store.drop_old_setup_tokens(LATE, 10).await.unwrap(), 0);
}
