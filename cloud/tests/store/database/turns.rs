//! Two that wait for each other: PostgreSQL undoes one of them.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::engines::Engine;
use crate::farm::{at, granted, scene};

#[tokio::test]
async fn a_write_that_postgresql_undid_for_another_runs_again() {
    let engine = Engine::postgres().await;
    let scene = scene(&engine.store, 2, 1).await;
    let mut leases = Vec::new();
    for task in &scene.tasks {
        leases.push(granted(&engine.store, task, scene.worker.id).await.id);
    }
    leases.sort_unstable();
    let (mut other, mut watching) = (engine.raw_postgres().await, engine.raw_postgres().await);
    let touch = |lease| AssertSqlSafe(format!("UPDATE leases SET slot = slot WHERE id = '{lease}'"));
    // The other one never gives way: it would look for the reason of its wait after an hour.
    sqlx::raw_sql("SET deadlock_timeout = '1h'; BEGIN").execute(&mut other).await.unwrap();
    sqlx::raw_sql(touch(leases[1])).execute(&mut other).await.unwrap();
    let store = engine.store.clone();
    let renewed: Vec<_> = leases.iter().map(|lease| (*lease, at(500))).collect();
    let renewing = tokio::spawn(async move { store.save_heartbeats(&[], &renewed).await });
    wait_for_a_waiting_one(&mut watching).await;
    sqlx::raw_sql(touch(leases[0])).execute(&mut other).await.unwrap();
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    renewing.await.unwrap().unwrap();
    for lease in leases {
        assert_eq!(engine.store.lease(lease).await.unwrap().expires_at, at(500));
    }
    other.close().await.unwrap();
    watching.close().await.unwrap();
    engine.end().await;
}

/// Until somebody waits for a lock in this database.
async fn wait_for_a_waiting_one(watching: &mut PgConnection) {
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut every = tokio::time::interval(std::time::Duration::from_millis(10));
    for _ in 0..1_000 {
        if sqlx::query(waiting).fetch_one(&mut *watching).await.unwrap().get::<i64, _>(0) > 0 {
            return;
        }
        every.tick().await;
    }
    panic!("nobody waits");
}
