//! Several replicas that work on the same jobs at the same moment: whom they wait for, and whom not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use pictor_actors::ids::{JobId, TaskId, WorkerId};
use pictor_actors::protocol::FailureClass;
use pictor_cloud::store::{
    AttemptEnd, Failure, FrameStoredRow, Grant, GrantOutcome, LeaseRow, Store, StoreError, TaskGoes,
};
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::lease::{LeaseState, Outcome};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::time::timeout;

use crate::engines::Engine;
use crate::farm::{T0, a_grant, at, frame, granted, job, scene};

/// What waits for nobody is done far sooner.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn grants_and_marks_wait_for_nobody_who_counts_frames_of_the_job() {
    let engine = Engine::postgres().await;
    let store = &engine.store;
    let scene = scene(store, 3, 1).await;
    let first = granted(store, &scene.tasks[0], scene.worker.id).await;
    store.mark_lease(first.id, first.fence, LeaseState::Running, None, None, at(1)).await.unwrap();
    let second = granted(store, &scene.tasks[1], scene.worker.id).await;
    // As another replica does while it counts frames.
    let mut other = engine.raw_postgres().await;
    let hold = format!("BEGIN; SELECT id FROM jobs WHERE id = '{}' FOR NO KEY UPDATE", scene.job.id);
    sqlx::raw_sql(AssertSqlSafe(hold.clone())).execute(&mut other).await.unwrap();
    let marked = store.mark_lease(second.id, second.fence, LeaseState::Running, None, None, at(2));
    let marked = timeout(SOON, marked).await.expect("a mark does not wait for the job").unwrap();
    assert_eq!(marked.state, LeaseState::Running);
    let granting = timeout(SOON, granted(store, &scene.tasks[2], scene.worker.id));
    granting.await.expect("a grant does not wait for the job");
    // A frame does, and then counts.
    let delivered = frame(&first, 1);
    let mut storing = Box::pin(store.store_frame(&delivered, at(3)));
    assert!(timeout(Duration::from_millis(300), &mut storing).await.is_err(), "not counted yet");
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    assert!(storing.await.unwrap().task_completed);
    assert_eq!(store.job(scene.job.id).await.unwrap().frames_done, 1);
    // Whoever gives back what has ended meanwhile has nothing to wait for.
    sqlx::raw_sql(AssertSqlSafe(hold)).execute(&mut other).await.unwrap();
    let ended = [first.id];
    let releasing = timeout(SOON, store.release_leases(&ended, Outcome::Released, at(4)));
    assert_eq!(releasing.await.expect("it does not wait for the job").unwrap(), []);
    other.close().await.unwrap();
    engine.end().await;
}

#[tokio::test]
async fn a_late_last_frame_and_a_grant_of_its_task_end_with_one_winner() {
    let engine = Engine::postgres().await;
    let store = &engine.store;
    let scene = scene(store, 24, 1).await;
    for (task, number) in scene.tasks.iter().zip(1..) {
        let late = granted(store, task, scene.worker.id).await;
        store.release_leases(&[late.id], Outcome::Stopped, at(1)).await.unwrap();
        let fence = store.task(task.id).await.unwrap().fence;
        let grants = [Grant { expected_fence: fence, ..a_grant(task, scene.worker.id) }];
        let last = frame(&late, number);
        let (stored, outcomes) =
            join(store.store_frame(&last, at(2)), store.grant_leases(&grants, at(2))).await;
        let stored: FrameStoredRow = stored.unwrap();
        assert!(stored.task_completed, "late, but first");
        let lost: Vec<_> = stored.not_needed.iter().map(|lease| lease.id).collect();
        match &outcomes.unwrap()[0] {
            GrantOutcome::Granted(lease) => {
                assert_eq!(lost, [lease.id], "the other attempt is told that it is not needed");
            }
            GrantOutcome::Refused => assert!(lost.is_empty()),
        }
    }
    assert_eq!(store.job(scene.job.id).await.unwrap().state, JobState::Completed);
    assert!(store.live_leases_of_job(scene.job.id).await.unwrap().is_empty());
    engine.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_at_the_same_jobs_are_never_undone_for_each_other() {
    let engine = Engine::postgres().await;
    let stores = [engine.store.clone(), Store::open(&engine.config()).await.unwrap()];
    let scene = scene(&engine.store, 2, 2).await;
    let mut jobs = vec![(scene.job.id, scene.tasks)];
    for _ in 0..3 {
        let (row, tasks) = job(&engine.store, scene.account.id, 240, 2).await;
        jobs.push((row.id, tasks));
    }
    // Task by task of all jobs in turn: each group of each replica is about all of them.
    let mut work: Vec<TaskId> = Vec::new();
    for number in 0..120 {
        work.extend(jobs.iter().filter_map(|(_, tasks)| tasks.get(number)).map(|task| task.id));
    }
    let next = AtomicUsize::new(0);
    let slots = (0..24).map(|slot| {
        let (store, work, next) = (&stores[slot % 2], &work, &next);
        let worker = scene.worker.id;
        async move {
            while let Some(task) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                render(store, *task, worker, slot).await;
            }
        }
    });
    let rendering = join_all(slots);
    let ids: Vec<JobId> = jobs.iter().map(|(id, _)| *id).collect();
    let stirring = stir(&stores[1], &ids, &next, work.len());
    join(rendering, stirring).await;
    for id in ids {
        assert_eq!(engine.store.job(id).await.unwrap().state, JobState::Completed);
    }
    // A connection tells what it counted at its end.
    stores[0].close().await;
    stores[1].close().await;
    let mut raw = engine.raw_postgres().await;
    let undone = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let undone: i64 = sqlx::query(undone).fetch_one(&mut raw).await.unwrap().get(0);
    assert_eq!(undone, 0, "two waited for each other");
    raw.close().await.unwrap();
    engine.end().await;
}

/// One task until it is whole, with an attempt that ends otherwise now and then.
async fn render(store: &Store, id: TaskId, worker: WorkerId, slot: usize) {
    let mut again = tokio::time::interval(Duration::from_millis(5));
    for attempt in 0..2_000 {
        let task = store.task(id).await.unwrap();
        if task.ended_at.is_some() {
            return;
        }
        let grant = store.grant_leases(&[a_grant(&task, worker)], T0).await.unwrap().remove(0);
        let GrantOutcome::Granted(lease) = grant else {
            again.tick().await;
            continue;
        };
        match (slot + attempt) % 5 {
            0 if attempt < 2 => {
                drop(store.release_leases(&[lease.id], Outcome::Stopped, at(1)).await.unwrap())
            }
            1 if attempt < 2 => fail(store, &lease).await,
            _ => deliver(store, &lease, &task.frames).await,
        }
    }
    panic!("task {id} was never whole");
}

async fn fail(store: &Store, lease: &LeaseRow) {
    let failure = Failure { class: FailureClass::Crash, message: "boom".to_owned() };
    let end = AttemptEnd {
        outcome: Outcome::Failed,
        failure: Some(failure),
        task_goes: TaskGoes::Pending { not_before: T0 },
        worker_fault: Some(true),
    };
    unless_stale(store.end_attempt(lease.id, lease.fence, &end, at(1)).await);
}

/// All that is said of an attempt, and its frames, come at the same moment.
async fn deliver(store: &Store, lease: &LeaseRow, frames: &str) {
    let first: i32 = frames.split('-').next().unwrap().parse().unwrap();
    let running = store.mark_lease(lease.id, lease.fence, LeaseState::Running, None, None, at(1));
    let (one, two) = (frame(lease, first), frame(lease, first + 1));
    let frames = join(store.store_frame(&one, at(2)), store.store_frame(&two, at(2)));
    let marks = join(running, store.lease_rendered(lease.id, lease.fence, at(2)));
    let ((running, rendered), (one, two)) = join(marks, frames).await;
    unless_stale(running);
    unless_stale(rendered);
    unless_stale(one);
    unless_stale(two);
}

/// What persons and sweeps do meanwhile.
async fn stir(store: &Store, jobs: &[JobId], next: &AtomicUsize, all: usize) {
    let mut turn = 0;
    while next.load(Ordering::Relaxed) < all {
        let id = jobs[turn % jobs.len()];
        turn += 1;
        let live = store.live_leases_of_job(id).await.unwrap();
        let renewed: Vec<_> = live.iter().map(|lease| (lease.id, at(200))).collect();
        store.save_heartbeats(&[], &renewed).await.unwrap();
        if store.pause_job(id, at(3)).await.is_ok() {
            // Unless its last frame came meanwhile.
            let resumed = store.resume_job(id, at(3)).await;
            assert!(matches!(resumed, Ok(_) | Err(StoreError::Conflict(_))), "{resumed:?}");
        }
    }
}

/// Somebody else ended the attempt: what is said of it comes too late.
fn unless_stale<T>(result: Result<T, StoreError>) {
    match result {
        Ok(_) | Err(StoreError::StaleFence) => {}
        Err(error) => panic!("{error}"),
    }
}
