//! The audit over a large farm: how long each promise takes. Run by `cargo ci bench audit`.
#![allow(clippy::print_stdout)] // a measurement: printing is what it is for

use std::sync::Arc;

use pictor_actors::now::{Clock, SystemClock};
use pictor_cloud::store::Store;

use crate::engines::Engine;

/// All promises together over a million tasks, in milliseconds.
const ALL_MS_MAX: u64 = 30_000;
/// Tasks of a job.
const OF_JOB: u64 = 2_000;

/// Statements that fill a database, one text for both: of 500 jobs 350 are completed, the others half way,
/// with some tasks at work; one task in ten was lost once. Hashes come in no order, ids in that of time.
fn filling(tasks: u64) -> Vec<String> {
    let last = tasks - 1;
    let series = format!(
        "WITH RECURSIVE n (i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {last})"
    );
    let few = |count: u64| series.replace(&format!("i < {last}"), &format!("i < {}", count - 1));
    let jobs = tasks / OF_JOB;
    let whole = jobs * 7 / 10;
    let id =
        |prefix: &str, number: &str| format!("'{prefix}_01a2092170067743' || (1000000000000000 + {number})");
    let (task, job, rig) = (
        id("tsk", "i"),
        id("job", &format!("i / {OF_JOB}")),
        id("wrk", &format!("(i / {OF_JOB} * 7 + i) % 1000")),
    );
    let (lease, lost) = (id("lse", "i"), id("lsa", "i"));
    let hash = "(1000000000000000 + (i * 2654435761) % 10000000000000) || \
                '0123456789abcdef0123456789abcdef0123456789abcdef'";
    let is_done = format!("(i / {OF_JOB} < {whole} OR i % {OF_JOB} < {})", OF_JOB / 2);
    let at_work = format!("(NOT {is_done} AND i % {OF_JOB} < {})", OF_JOB / 2 + 6);
    let was_lost = format!("({is_done} AND i % 10 = 3)");
    let fence = format!("CASE WHEN {was_lost} THEN 3 WHEN {is_done} OR {at_work} THEN 1 ELSE 0 END");
    vec![
        "INSERT INTO accounts (id, email, name, roles, created_at)
         VALUES ('acc_one', 'one@example.org', 'One', 'creator', 0)"
            .to_owned(),
        format!(
            "{} INSERT INTO workers (id, account_id, name, created_at, updated_at)
             SELECT {}, 'acc_one', 'rig-' || i, 0, 0 FROM n",
            few(1_000),
            id("wrk", "i")
        ),
        format!(
            "{series} INSERT INTO blobs (hash, size, created_at, brought_at)
             SELECT {hash}, 100, 0, 0 FROM n WHERE {is_done}"
        ),
        format!(
            "{} INSERT INTO jobs (id, account_id, name, state, priority, source_hash, main, settings,
                 frame_time_limit_ms, frames, frames_total, frames_planned, frames_done, created_at,
                 ended_at, updated_at)
             SELECT {}, 'acc_one', 'film', CASE WHEN i < {whole} THEN 'completed' ELSE 'running' END, 50, 'h',
                 'a.blend', '{{}}', 1, '1-{OF_JOB}', {OF_JOB}, {OF_JOB},
                 CASE WHEN i < {whole} THEN {OF_JOB} ELSE {OF_JOB} / 2 END, 0,
                 CASE WHEN i < {whole} THEN 1 END, 1 FROM n",
            few(jobs),
            id("job", "i")
        ),
        format!(
            "{series} INSERT INTO tasks (id, job_id, account_id, state, frames, frames_total, frames_done,
                 fence, lease_id, attempts, created_at, ended_at)
             SELECT {task}, {job}, 'acc_one',
                 CASE WHEN {is_done} THEN 'completed' WHEN {at_work} THEN 'running' ELSE 'pending' END,
                 '' || (i % {OF_JOB} + 1), 1, CASE WHEN {is_done} THEN 1 ELSE 0 END, {fence},
                 CASE WHEN {at_work} THEN {lease} END, {fence}, 0, CASE WHEN {is_done} THEN 1 END FROM n"
        ),
        format!(
            "{series} INSERT INTO leases (id, task_id, job_id, worker_id, slot, fence, state, outcome,
                 granted_at, expires_at, ended_at)
             SELECT {lost}, {task}, {job}, {rig}, 0, 1, 'ended', 'expired', 0, 1, 1 FROM n WHERE {was_lost}"
        ),
        format!(
            "{series} INSERT INTO leases (id, task_id, job_id, worker_id, slot, fence, state, outcome,
                 granted_at, expires_at, ended_at)
             SELECT {lease}, {task}, {job}, {rig}, i % 7, {fence},
                 CASE WHEN {is_done} THEN 'ended' ELSE 'running' END,
                 CASE WHEN {is_done} THEN 'completed' END, 0, 1, CASE WHEN {is_done} THEN 1 END FROM n
             WHERE {is_done} OR {at_work}"
        ),
        format!(
            "{series} INSERT INTO frames (job_id, frame, task_id, lease_id, worker_id, hash, size, render_ms,
                 stored_at)
             SELECT {job}, i % {OF_JOB} + 1, {task}, {lease}, {rig}, {hash}, 100, 1000, 1 FROM n
             WHERE {is_done}"
        ),
        "ANALYZE".to_owned(),
    ]
}

async fn measure(name: &str, engine: Engine) {
    let tasks = std::env::var("PICTOR_BENCH_TASKS").map_or(1_000_000, |text| text.parse().unwrap());
    let clock = SystemClock;
    let begun = clock.now();
    engine.store.close().await;
    for statement in filling(tasks) {
        engine.tamper(&statement).await;
    }
    println!("{name}: {tasks} tasks filled in, {} ms", clock.now().elapsed(begun.mono).0);
    let store = Store::open_to_read(&engine.config()).await.unwrap();
    let checked = store.audit(Arc::new(SystemClock)).await.unwrap();
    for one in &checked {
        println!("{name}: {:<7} {:>7} ms  {}", one.id, one.took.0, one.promise);
        assert_eq!((one.violations, &one.rows[..]), (0, &[][..]), "{}", one.id);
    }
    let all: u64 = checked.iter().map(|one| one.took.0).sum();
    println!("{name}: all     {all:>7} ms (aim: {ALL_MS_MAX} ms for 1000000 tasks)");
    store.close().await;
    engine.end().await;
    assert!(all <= ALL_MS_MAX, "the aim is missed");
}

#[tokio::test]
#[ignore = "makes a million tasks: run by `cargo ci bench audit`"]
async fn over_a_million_tasks_in_sqlite() {
    measure("sqlite", Engine::sqlite().await).await;
}

#[tokio::test]
#[ignore = "makes a million tasks: run by `cargo ci bench audit`"]
async fn over_a_million_tasks_in_postgres() {
    measure("postgres", Engine::postgres().await).await;
}
