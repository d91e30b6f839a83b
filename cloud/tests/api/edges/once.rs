//! `Idempotency-Key`: done once, answered the same.

use pictor_actors::units::Millis;
use serde_json::json;

use crate::harness::TestApp;

#[tokio::test]
async fn the_same_request_is_done_once_and_answered_the_same() {
    let app = TestApp::start().await;
    let program = app.token("all").await.with("idempotency-key", "k-1");
    let first = program.post("/api/v1/workers", &json!({"name": "rig-01"})).await;
    let again = program.post("/api/v1/workers", &json!({"name": "rig-01"})).await;
    assert_eq!((first.status, again.status), (201, 201), "{again}");
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(app.store.all_workers_of(app.owner.id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_command_whose_answer_was_lost_is_answered_the_same() {
    let app = TestApp::start().await;
    let job = app.job("1-4").await;
    let program = app.token("all").await.with("idempotency-key", "k-1");
    let path = format!("/api/v1/jobs/{}/cancel", job.id);
    let first = program.post(&path, &json!({})).await;
    let again = program.post(&path, &json!({})).await;
    assert_eq!((first.status, again.status), (200, 200), "{again}");
    assert_eq!(first.body, again.body);
    let anew = program.with("idempotency-key", "k-2").post(&path, &json!({})).await;
    assert_eq!(anew.status, 409, "it has ended: {anew}");
}

#[tokio::test]
async fn the_key_of_another_request_is_refused() {
    let app = TestApp::start().await;
    let program = app.token("all").await.with("idempotency-key", "k-1");
    program.post("/api/v1/workers", &json!({"name": "rig-01"})).await;
    let other = program.post("/api/v1/workers", &json!({"name": "rig-02"})).await;
    assert_eq!((other.status, other.code().as_str()), (409, "idempotency_mismatch"), "{other}");
    let stranger = app.token_of(&app.stranger().await, "all").await.with("idempotency-key", "k-1");
    assert_eq!(stranger.post("/api/v1/workers", &json!({"name": "rig-02"})).await.status, 201);
}

#[tokio::test]
async fn a_refused_request_frees_its_key() {
    let app = TestApp::start().await;
    let program = app.token("all").await;
    program.post("/api/v1/workers", &json!({"name": "rig-01"})).await;
    let keyed = program.with("idempotency-key", "k-1");
    assert_eq!(keyed.post("/api/v1/workers", &json!({"name": "rig-01"})).await.status, 409);
    assert_eq!(keyed.post("/api/v1/workers", &json!({"name": "rig-02"})).await.status, 201);
}

#[tokio::test]
async fn a_secret_is_not_kept_to_be_shown_again() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await.with("idempotency-key", "k-1");
    let body = json!({"name": "ci", "scopes": ["jobs"]});
    assert_eq!(browser.post("/api/v1/tokens", &body).await.status, 201);
    let again = browser.post("/api/v1/tokens", &body).await;
    assert_eq!((again.status, again.code().as_str()), (409, "conflict"), "{again}");
    assert!(!again.text().contains("pct_"), "{again}");
    assert_eq!(app.store.list_tokens(app.owner.id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_holds_for_a_day() {
    let app = TestApp::start().await;
    let program = app.token("all").await.with("idempotency-key", "k-1");
    let first = program.post("/api/v1/workers", &json!({"name": "rig-01"})).await;
    app.clock.advance(Millis::from_secs(24 * 3600));
    let again = program.post("/api/v1/workers", &json!({"name": "rig-01"})).await;
    assert_eq!((again.status, &again.body), (201, &first.body), "{again}");
    let long = program.with("idempotency-key", "x".repeat(129));
    assert_eq!(long.post("/api/v1/workers", &json!({"name": "rig-03"})).await.status, 400);
}
