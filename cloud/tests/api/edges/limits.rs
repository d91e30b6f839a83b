//! How much and how often.

use serde_json::json;

use crate::harness::TestApp;

#[tokio::test]
async fn a_caller_above_its_rate_is_told_to_wait() {
    let app = TestApp::start_with(|config| config.limits.requests_per_minute = 5).await;
    let program = app.token("read").await;
    for _ in 0..5 {
        assert_eq!(program.get("/api/v1/account").await.status, 200);
    }
    let refused = program.get("/api/v1/account").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"), "{refused}");
    assert!(refused.value()["retry_after_ms"].as_u64().unwrap() > 0);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    let other = app.token_of(&app.stranger().await, "read").await;
    assert_eq!(other.get("/api/v1/account").await.status, 200);
}

#[tokio::test]
async fn guessing_tokens_is_slow() {
    let app = TestApp::start_with(|config| config.limits.sign_ins_per_minute = 1).await;
    let guess = app.nobody().with("authorization", "Bearer pct_guess");
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(guess.get("/api/v1/account").await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 429]);
}

#[tokio::test]
async fn bodies_have_a_limit_and_must_be_json() {
    let app = TestApp::start().await;
    let program = app.token("all").await;
    let large = program.post("/api/v1/workers", &json!({"name": "x".repeat(300_000)})).await;
    assert_eq!((large.status, large.code().as_str()), (413, "too_large"), "{large}");
    let request = program.request("POST", "/api/v1/workers").header("content-type", "application/json");
    let broken = crate::harness::Reply::of(request.body("{")).await;
    assert_eq!((broken.status, broken.code().as_str()), (400, "malformed"), "{broken}");
}
