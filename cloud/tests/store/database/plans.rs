//! How the databases find the rows of the queries that run all the time: by an index, however many rows there
//! are. The statements are taken from the databases' own log, so that none is written down twice.

use pictor_actors::ids::JobId;
use pictor_cloud::config::{DatabaseConfig, Secret};
use pictor_cloud::store::{PageRequest, Store, WorkerSort};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use super::statements;
use crate::engines::Engine;
use crate::farm::{T0, at, granted, scene};

/// Tables that grow with every frame rendered.
const GROWING: [&str; 4] = ["tasks", "frames", "leases", "log_lines"];

/// Tables that are large too, but have indexes over the few rows that are live.
const LARGE: [&str; 4] = ["jobs", "workers", "blobs", "uploads"];

/// The statements of the queries that run all the time, each once.
async fn hot_statements(store: &Store) -> Vec<String> {
    let scene = scene(store, 4, 2).await;
    let lease = granted(store, &scene.tasks[0], scene.worker.id).await;
    let (job, account, page) = (scene.job.id, scene.job.account_id, PageRequest::default());
    statements::listen();
    store.ready_tasks(at(9), 16, 100).await.unwrap();
    store.expired_leases(at(9), 10).await.unwrap();
    store.live_leases_of_worker(scene.worker.id).await.unwrap();
    store.live_leases_of_job(job).await.unwrap();
    store.attempts_of(scene.tasks[0].id).await.unwrap();
    store.open_tasks_of(job).await.unwrap();
    store.open_work_of(job).await.unwrap();
    store.job_of_worker(scene.worker.id, job).await.unwrap();
    store.inputs_of_worker(scene.worker.id).await.unwrap();
    store.tasks_of(job, &page).await.unwrap();
    store.lease_for_upload(lease.id, lease.fence, 1).await.unwrap();
    store.frames_of(job).await.unwrap();
    store.frame(job, 1).await.unwrap();
    store.frames_between(job, 1, 2).await.unwrap();
    store.frames_of_failed_tasks(job).await.unwrap();
    store.frames_beside(job, 1).await.unwrap();
    let jobs = [job, JobId::generate(), JobId::generate()];
    store.newest_frames(&jobs).await.unwrap();
    store.job_warnings(&jobs).await.unwrap();
    store.log_of(job, &page).await.unwrap();
    store.job_failures(&jobs).await.unwrap();
    store.live_jobs().await.unwrap();
    store.list_jobs(account, &[], None, &page).await.unwrap();
    store.list_workers(account, WorkerSort::Name, None, &page).await.unwrap();
    store.worker_standings(account).await.unwrap();
    store.unused_blobs(1, T0).await.unwrap();
    let mut said = statements::heard();
    said.sort();
    said.dedup();
    said.retain(|text| text.starts_with("SELECT"));
    assert!(said.len() >= 18, "the log holds the statements: {said:#?}");
    said
}

#[tokio::test]
async fn sqlite_finds_the_rows_of_hot_queries_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let config = DatabaseConfig::in_folder(folder.path());
    let store = Store::open(&config).await.unwrap();
    let statements = hot_statements(&store).await;
    let mut raw = SqliteConnection::connect(config.url.expose()).await.unwrap();
    let mut found = Vec::new();
    for text in statements {
        let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
        for row in sqlx::query(plan).fetch_all(&mut raw).await.unwrap() {
            let step: String = row.get("detail");
            let is_slow = match step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next()) {
                // Over an index of few rows (`jobs_live`), or over what a part of the statement has found.
                Some(table) => {
                    GROWING.contains(&table) || (LARGE.contains(&table) && !step.contains("USING"))
                }
                None => false,
            };
            if is_slow {
                found.push(format!("{step}\n  in {text}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn postgresql_can_find_the_rows_of_hot_queries_by_an_index() {
    let engine = Engine::postgres().await;
    let mut raw = engine.raw_postgres().await;
    engine.store.close().await;
    // With a handful of rows it would read them all: so only what has no other way is found so.
    let only_by_index = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database());
        END $$; SELECT pg_stat_reset()";
    sqlx::raw_sql(only_by_index).execute(&mut raw).await.unwrap();
    let config = DatabaseConfig { url: Secret::new(engine.url()), connections: 2 };
    let store = Store::open(&config).await.unwrap();
    hot_statements(&store).await;
    store.close().await;
    // A connection tells what it has counted when it ends.
    let others = "SELECT COUNT(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut every = tokio::time::interval(std::time::Duration::from_millis(50));
    while sqlx::query(others).fetch_one(&mut raw).await.unwrap().get::<i64, _>(0) > 0 {
        every.tick().await;
    }
    let counts = "SELECT relname::text, seq_scan, idx_scan FROM pg_stat_user_tables
                  WHERE relname IN ('tasks', 'frames', 'leases', 'log_lines') ORDER BY relname";
    let rows = sqlx::query(counts).fetch_all(&mut raw).await.unwrap();
    let counts: Vec<(String, i64, i64)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    drop(raw);
    engine.end().await;
    assert_eq!(counts.len(), GROWING.len(), "{counts:?}");
    assert!(counts.iter().all(|(_, whole, by_index)| *whole == 0 && *by_index > 0), "{counts:?}");
}
