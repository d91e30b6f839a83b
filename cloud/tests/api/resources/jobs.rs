//! Jobs over the API.

use pictor_actors::units::BlobHash;
use pictor_cloud_domain::job::JobState;
use serde_json::json;

use crate::harness::TestApp;

#[tokio::test]
async fn a_job_is_shown_with_everything_unknown_as_null() {
    let app = TestApp::start().await;
    let job = app.job("1-24").await;
    let shown = app.token("read").await.get(&format!("/api/v1/jobs/{}", job.id)).await;
    assert_eq!(shown.status, 200, "{shown}");
    let value = shown.value();
    assert_eq!((&value["frames_total"], &value["frames_done"]), (&json!(24), &json!(0)));
    assert_eq!(value["progress"], 0.0);
    for unknown in ["eta", "frame_mean_ms", "started_at", "ended_at", "reason"] {
        assert_eq!(value[unknown], json!(null), "{unknown}");
    }
    assert_eq!(value["settings"]["frames"], "1-24");
    assert_eq!(value["settings"]["format"], "PNG");
}

#[tokio::test]
async fn jobs_are_filtered_by_state_and_name() {
    let app = TestApp::start().await;
    let job = app.job("1").await;
    let program = app.token("jobs").await;
    let count = async |query: &str| {
        let page = program.get(&format!("/api/v1/jobs{query}")).await;
        assert_eq!(page.status, 200, "{page}");
        page.value()["items"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 1);
    assert_eq!(count("?state=ready,running,completed,failed").await, 1);
    assert_eq!(count("?state=cancelled").await, 0);
    assert_eq!(count("?search=LAM").await, 1);
    assert_eq!(count("?search=cube").await, 0);
    assert_eq!(program.get("/api/v1/jobs?state=lost").await.status, 422);
    assert_eq!(
        app.token_of(&app.stranger().await, "all").await.get("/api/v1/jobs").await.value()["items"],
        json!([])
    );
    drop(job);
}

#[tokio::test]
async fn a_change_can_say_which_version_it_is_of() {
    let app = TestApp::start().await;
    let job = app.job("1").await;
    let program = app.token("jobs").await;
    let path = format!("/api/v1/jobs/{}", job.id);
    let tag = program.get(&path).await.header("etag").to_owned();
    let first = program.with("if-match", &tag).patch(&path, &json!({"priority": 90})).await;
    assert_eq!((first.status, &first.value()["priority"]), (200, &json!(90)), "{first}");
    let late = program.with("if-match", &tag).patch(&path, &json!({"priority": 10})).await;
    assert_eq!((late.status, late.code().as_str()), (412, "precondition_failed"), "{late}");
    let forced = program.patch(&path, &json!({"name": "lantern"})).await;
    assert_eq!((forced.status, &forced.value()["name"]), (200, &json!("lantern")), "{forced}");
    assert_eq!(program.patch(&path, &json!({"priority": 101})).await.status, 422);
}

#[tokio::test]
async fn actions_are_refused_where_the_state_does_not_allow_them() {
    let app = TestApp::start().await;
    let job = app.job("1-4").await;
    let program = app.token("jobs").await;
    let act = async |action: &str| {
        let reply = program.post(&format!("/api/v1/jobs/{}/{action}", job.id), &json!({})).await;
        (reply.status, reply.value()["state"].as_str().unwrap_or_default().to_owned(), reply.code())
    };
    assert_eq!(act("resume").await, (409, String::new(), "conflict".into()));
    assert_eq!(act("retry").await, (409, String::new(), "conflict".into()));
    assert_eq!(act("pause").await, (200, "paused".into(), String::new()));
    assert_eq!(act("pause").await, (409, String::new(), "conflict".into()));
    assert_eq!(act("resume").await.0, 200);
    assert_eq!(act("cancel").await, (200, "cancelled".into(), String::new()));
    assert_eq!(act("cancel").await, (409, String::new(), "conflict".into()));
    assert_eq!(app.store.job(job.id).await.unwrap().state, JobState::Cancelled);
}

#[tokio::test]
async fn a_job_needs_a_completed_upload_of_the_account() {
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let garbage = program.post("/api/v1/jobs", &json!({"blake3": "xyz"})).await;
    assert_eq!((garbage.status, garbage.code().as_str()), (422, "invalid_input"), "{garbage}");
    let hash = BlobHash::from_bytes([9; 32]).to_string();
    let unknown = program.post("/api/v1/jobs", &json!({"blake3": hash})).await;
    assert!(matches!(unknown.status, 404 | 422), "{unknown}");
}

#[tokio::test]
async fn tasks_and_log_are_pages() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1-3").await;
    let program = app.token("read").await;
    let tasks = program.get(&format!("/api/v1/jobs/{}/tasks", job.row.id)).await.value();
    assert_eq!(tasks["items"][0]["frames"], "1-3");
    assert_eq!(tasks["items"][0]["worker"], worker.row.id.to_string());
    let log = program.get(&format!("/api/v1/jobs/{}/log", job.row.id)).await;
    assert_eq!((log.status, &log.value()["items"]), (200, &json!([])), "{log}");
}

#[tokio::test]
async fn an_address_with_something_that_is_no_id_says_what_an_id_looks_like() {
    let app = TestApp::start().await;
    let shown = app.token("read").await.get("/api/v1/jobs/job_x").await;
    assert_eq!((shown.status, shown.code().as_str()), (404, "not_found"), "{shown}");
    let words = "there is nothing at this address: not an id of the form job_ and 32 hexadecimal digits";
    assert_eq!(shown.value()["detail"], words);
}
