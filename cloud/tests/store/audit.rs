//! The audit: silent over a sound farm, and for each promise that is broken by hand it tells of exactly that.

use std::sync::Arc;

use pictor_actors::testing::ManualClock;
use pictor_actors::units::UnixMillis;
use pictor_cloud::store::{Begin, Checked, Store, StoreError};
use pictor_cloud_domain::lease::{LeaseState, Outcome};

use crate::engines::Engine;
use crate::farm::{Scene, T0, account, at, frame, granted, scene, worker};

/// What is broken, the statements that break it, and what is told.
struct Plant {
    id: &'static str,
    sqlite: String,
    postgres: String,
    told: &'static str,
}

fn plant(id: &'static str, sql: &str, told: &'static str) -> Plant {
    Plant { id, sqlite: sql.to_owned(), postgres: sql.to_owned(), told }
}

fn plants() -> Vec<Plant> {
    let live = "(SELECT id FROM leases WHERE ended_at IS NULL)";
    vec![
        plant(
            "INV-1",
            "DROP INDEX leases_live;
             UPDATE tasks SET fence = fence + 1 WHERE lease_id IS NOT NULL;
             INSERT INTO leases (id, task_id, job_id, worker_id, slot, fence, state, granted_at, expires_at)
             SELECT 'lse_second', task_id, job_id, worker_id, 7, fence + 1, 'running', granted_at, expires_at
             FROM leases WHERE ended_at IS NULL",
            "has 2 live leases",
        ),
        plant("INV-2", &format!("UPDATE leases SET fence = 9 WHERE id = {live}"), "has fence 9"),
        plant("INV-2", "UPDATE frames SET lease_id = 'lse_none' WHERE frame = 1", "frame 1 of job"),
        plant(
            "INV-3",
            "UPDATE frames SET worker_id = (SELECT id FROM workers WHERE name = 'other') WHERE frame = 1",
            "came from worker",
        ),
        plant("INV-4", "UPDATE workers SET removed_at = 1 WHERE name = 'rig'", "was removed and holds lease"),
        plant(
            "INV-4",
            "UPDATE jobs SET frames_total = frames_total + 2, frames_planned = frames_planned + 2
             WHERE frames_done = 3;
             INSERT INTO tasks (id, job_id, account_id, state, frames, frames_total, fence, lease_id,
                 created_at)
             SELECT 'tsk_' || v.n, job_id, account_id, 'pending', '1', 1, 1, 'lse_' || v.n, 0
             FROM tasks, (SELECT 1 AS n UNION ALL SELECT 2) AS v WHERE lease_id IS NOT NULL;
             INSERT INTO leases (id, task_id, job_id, worker_id, slot, fence, state, granted_at, expires_at)
             SELECT 'lse_' || v.n, 'tsk_' || v.n, job_id, worker_id, slot, 1, 'running', granted_at,
                 expires_at
             FROM leases, (SELECT 1 AS n UNION ALL SELECT 2) AS v WHERE ended_at IS NULL AND outcome IS NULL",
            "holds 3 leases",
        ),
        plant(
            "INV-4",
            "UPDATE jobs SET state = 'paused' WHERE frames_done = 3;
             UPDATE leases SET started_at = NULL WHERE ended_at IS NULL;
             UPDATE tasks SET state = 'paused' WHERE frames = '5-6'",
            "is paused and lease",
        ),
        plant(
            "INV-4",
            &format!("UPDATE workers SET rested_until = {} WHERE name = 'rig'", at(1).0 + 300_000),
            "rests and got lease",
        ),
        plant(
            "INV-4",
            &format!(
                "UPDATE workers SET updated_at = {}, pause = \
                 '{{\"reason\":{{\"kind\":\"dashboard\"}},\"until\":null}}' WHERE name = 'rig'",
                T0.0 - 60_000
            ),
            "is paused and got lease",
        ),
        plant("INV-5", "UPDATE tasks SET state = 'running' WHERE frames = '5-6'", "runs without a lease"),
        plant("INV-5", "UPDATE tasks SET lease_id = 'lse_none' WHERE frames = '5-6'", "which is not live"),
        plant("INV-5", "UPDATE tasks SET lease_id = NULL WHERE frames = '3-4'", "names none"),
        plant("INV-6", "UPDATE tasks SET attempts = 70 WHERE frames = '5-6'", "70 attempts"),
        plant(
            "INV-6",
            "UPDATE leases SET outcome = 'expired' WHERE outcome = 'declined'",
            "was lost 7 times",
        ),
        Plant {
            id: "INV-7",
            sqlite: "CREATE TABLE loose AS SELECT * FROM frames; DROP TABLE frames;
                     ALTER TABLE loose RENAME TO frames; UPDATE frames SET frame = 1 WHERE frame = 3"
                .to_owned(),
            postgres: "ALTER TABLE frames DROP CONSTRAINT frames_pkey;
                       UPDATE frames SET frame = 1 WHERE frame = 3"
                .to_owned(),
            told: "was accepted 2 times",
        },
        plant(
            "INV-8",
            "UPDATE blobs SET size = 7 WHERE hash = (SELECT hash FROM frames WHERE frame = 1)",
            "has 7",
        ),
        plant(
            "INV-8",
            "UPDATE tasks SET frames_done = 0 WHERE frames = '3-4';
             UPDATE jobs SET frames_done = frames_done - 1 WHERE frames_done = 3",
            "with 0 of 2 frames, and 1 are stored",
        ),
        plant("INV-17", "UPDATE idempotency_keys SET body = NULL", "has half an answer"),
        plant("INV-18", "UPDATE jobs SET frames_failed = 1 WHERE frames_done = 3", "1 failed of 6"),
    ]
}

/// A farm with a bit of everything: a completed task, one at work with a frame, one that waits and was lost
/// before, a cancelled job, an answered request.
async fn farm(store: &Store) -> Scene {
    let scene = scene(store, 6, 2).await;
    let other = worker(store, scene.account.id, "other").await;
    let first = granted(store, &scene.tasks[0], scene.worker.id).await;
    store.mark_lease(first.id, first.fence, LeaseState::Running, None, None, T0).await.unwrap();
    for number in [1, 2] {
        store.store_frame(&frame(&first, number), at(1)).await.unwrap();
    }
    let second = granted(store, &scene.tasks[1], scene.worker.id).await;
    store.store_frame(&frame(&second, 3), at(2)).await.unwrap();
    for _ in 0..7 {
        let task = store.task(scene.tasks[2].id).await.unwrap();
        let tried = granted(store, &task, other.id).await;
        store.release_leases(&[tried.id], Outcome::Declined, at(3)).await.unwrap();
    }
    let (cancelled, _) = crate::farm::job(store, scene.account.id, 4, 2).await;
    store.cancel_job(cancelled.id, at(4)).await.unwrap();
    assert_eq!(store.idempotency_begin(scene.account.id, "k", "h", T0).await.unwrap(), Begin::New);
    store.idempotency_end(scene.account.id, "k", Some((201, "{}")), T0).await.unwrap();
    scene
}

async fn audited(store: &Store) -> Vec<Checked> {
    let clock = ManualClock::default();
    clock.set_wall(UnixMillis(at(100).0));
    store.audit(Arc::new(clock)).await.unwrap()
}

/// Every broken promise with what is told of it.
async fn broken(engine: &Engine) -> Vec<(&'static str, u64, Vec<String>)> {
    let store = Store::open_to_read(&engine.config()).await.unwrap();
    let checked = audited(&store).await;
    store.close().await;
    let broken = checked.into_iter().filter(|one| one.violations > 0);
    broken.map(|one| (one.id, one.violations, one.rows)).collect()
}

async fn each_is_told(engine: impl AsyncFn() -> Engine, statements: fn(&Plant) -> &str) {
    for plant in plants() {
        let engine = engine().await;
        farm(&engine.store).await;
        assert_eq!(broken(&engine).await, [], "a sound farm");
        engine.tamper(statements(&plant)).await;
        let found = broken(&engine).await;
        engine.end().await;
        let [(id, count, rows)] = &found[..] else { panic!("planted {}, found {found:#?}", plant.id) };
        assert_eq!((*id, *count, rows.len()), (plant.id, 1, 1), "{rows:?}");
        assert!(rows[0].contains(plant.told), "{} should be told of: {rows:?}", plant.told);
    }
}

#[tokio::test]
async fn a_broken_promise_is_told_of_alone_in_sqlite() {
    each_is_told(Engine::sqlite, |plant| &plant.sqlite).await;
}

#[tokio::test]
async fn a_broken_promise_is_told_of_alone_in_postgres() {
    each_is_told(Engine::postgres, |plant| &plant.postgres).await;
}

/// Many breaks are counted, and a few told.
pub async fn a_large_damage_is_counted_and_told_in_part(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let rig = worker(&store, one, "rig").await.id;
    let (_, tasks) = crate::farm::job(&store, one, 50, 1).await;
    for task in &tasks {
        granted(&store, task, rig).await;
    }
    let checked = audited(&store).await;
    let slots = checked.iter().find(|one| one.id == "INV-4").unwrap();
    assert_eq!((slots.violations, slots.rows.len()), (1, 1), "one slot holds them all");
    store.remove_worker(one, rig, at(1)).await.unwrap();
    assert!(audited(&store).await.iter().all(|one| one.violations == 0));
}

#[tokio::test]
async fn it_changes_nothing_and_makes_no_database() {
    let engine = Engine::sqlite().await;
    let reading = Store::open_to_read(&engine.config()).await.unwrap();
    let written = reading.put_setup_token("hash", at(1)).await;
    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    reading.close().await;
    engine
        .tamper("DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)")
        .await;
    let Err(StoreError::Unavailable(why)) = Store::open_to_read(&engine.config()).await else {
        panic!("an older schema was opened")
    };
    assert!(why.to_string().contains("older version"), "{why}");
    engine.end().await;
    let empty = tempfile::tempdir().unwrap();
    let config = pictor_cloud::config::DatabaseConfig::in_folder(empty.path());
    assert!(Store::open_to_read(&config).await.is_err());
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}
