//! What an open job page is sent: only what changes there.

use pictor_actors::protocol::{FailureClass, LeaseRef};
use pictor_actors::units::BlobHash;
use pictor_cloud::agents::broadcast::{LiveEvent, Topic};
use pictor_cloud::http::pages::live::{PartQuery, Shown, render};
use pictor_cloud::store::{AttemptEnd, Failure, NewFrame, TaskGoes};
use pictor_cloud_domain::lease::Outcome;

use crate::harness::TestApp;

fn shown(query: &str) -> Shown {
    Shown::new(actix_web::web::Query::<PartQuery>::from_query(query).unwrap().into_inner())
}

async fn store_frame(app: &TestApp, lease: LeaseRef, frame: i32) {
    let hash = BlobHash::from_bytes([9; 32]);
    let new = NewFrame { lease: lease.lease, fence: lease.fence, frame, hash, size: 9, render_ms: 1_200 };
    app.store.store_frame(&new, app.now()).await.unwrap();
}

#[tokio::test]
async fn a_page_of_a_long_grid_gets_its_own_cells_once_and_then_what_changed() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1-300").await;
    let (id, owner) = (job.row.id, app.owner.id);
    let mut grid = shown("topic=x&part=frames&from=200");
    let changed = LiveEvent::JobChanged(id);
    let first = render(&app.state, owner, Topic::Job(id), changed, &mut grid).await.unwrap();
    assert!(first.contains("id=\"frame-201\"") && first.contains("id=\"frame-300\""), "{first}");
    assert!(!first.contains("id=\"frame-200\""), "a cell of another page: {first}");

    store_frame(&app, job.lease, 205).await;
    let event = LiveEvent::FrameStored { job: id, frame: 205 };
    let cell = render(&app.state, owner, Topic::Job(id), event, &mut grid).await.unwrap();
    assert!(cell.contains("hx-target=\"#frame-205\"") && cell.contains("/frames/205/thumbnail"), "{cell}");

    store_frame(&app, job.lease, 206).await;
    let next = render(&app.state, owner, Topic::Job(id), changed, &mut grid).await.unwrap();
    assert!(next.contains("hx-target=\"#frame-206\""), "{next}");
    assert!(!next.contains("#frame-205") && !next.contains("#frame-207"), "unchanged cells again: {next}");
}

#[tokio::test]
async fn each_part_of_a_job_page_is_sent_only_what_it_shows() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1-4").await;
    let (id, owner) = (job.row.id, app.owner.id);
    let (changed, logged) = (LiveEvent::JobChanged(id), LiveEvent::LogAppended { job: id });
    for (query, grid, tasks, log) in [
        ("part=frames", true, false, false),
        ("part=tasks", false, true, false),
        ("part=log", false, false, true),
        ("part=settings", false, false, false),
    ] {
        let mut shown = shown(query);
        let change = render(&app.state, owner, Topic::Job(id), changed, &mut shown).await.unwrap();
        let line = render(&app.state, owner, Topic::Job(id), logged, &mut shown).await;
        let has = |target: &str| change.contains(&format!("hx-target=\"#{target}\""));
        assert_eq!(
            (has("frames"), has("job-tasks"), line.is_some()),
            (grid, tasks, log),
            "{query}: {change}"
        );
        assert!(has("job-progress"), "{query}: {change}");
    }
}

#[tokio::test]
async fn failed_frames_can_be_shown_alone_and_join_live() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1-9").await;
    let (id, owner) = (job.row.id, app.owner.id);
    let page = format!("/jobs/{id}");
    assert!(!browser.get(&page).await.text().contains("Failed only"), "nothing failed so far");
    let mut grid = shown("part=frames&show=failed");
    let changed = LiveEvent::JobChanged(id);
    let none = render(&app.state, owner, Topic::Job(id), changed, &mut grid).await.unwrap();
    assert!(!none.contains("frame--failed"), "{none}");

    store_frame(&app, job.lease, 3).await;
    let end = AttemptEnd {
        outcome: Outcome::Failed,
        failure: Some(Failure { class: FailureClass::Crash, message: "it ended".into() }),
        task_goes: TaskGoes::Failed { class: FailureClass::Crash, message: "it ended".into() },
        worker_fault: None,
    };
    app.store.end_attempt(job.lease.lease, job.lease.fence, &end, app.now()).await.unwrap();
    let whole = browser.get(&page).await.text();
    assert!(whole.contains("Failed only") && whole.contains("id=\"frame-3\""), "{whole}");
    let failed = browser.get(&format!("{page}?show=failed")).await.text();
    assert!(failed.contains("id=\"frame-4\"") && !failed.contains("id=\"frame-3\""), "{failed}");
    let joined = render(&app.state, owner, Topic::Job(id), changed, &mut grid).await.unwrap();
    assert_eq!(joined.matches("frame frame--failed").count(), 8, "{joined}");
}
