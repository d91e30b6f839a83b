//! What every answer carries, whatever made it.

use serde_json::json;

use crate::harness::{Reply, TestApp};

const STRICT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn has_security_headers(reply: &Reply) {
    for (name, value) in [
        ("content-security-policy", STRICT),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(reply.header(name), value, "{reply}");
    }
    assert!(reply.header("permissions-policy").contains("camera=()"), "{reply}");
    assert!(!reply.header("x-request-id").is_empty(), "{reply}");
}

#[tokio::test]
async fn every_kind_of_answer_has_the_security_headers() {
    let app = TestApp::start().await;
    let (nobody, program) = (app.nobody(), app.token("all").await);
    let replies = [
        (200, program.get("/api/v1/account").await),
        (201, program.post("/api/v1/workers", &json!({"name": "rig"})).await),
        (401, nobody.get("/api/v1/account").await),
        (404, nobody.get("/api/v1/nothing").await),
        (404, nobody.get("/nothing").await),
        (404, program.get("/api/v1/workers/wrk_nonsense").await),
        (405, nobody.delete("/api/v1/account").await),
        (400, program.post("/api/v1/workers", &json!([])).await),
        (422, program.post("/api/v1/workers", &json!({"name": ""})).await),
        (403, app.token("read").await.post("/api/v1/workers", &json!({"name": "x"})).await),
    ];
    for (status, reply) in replies {
        assert_eq!(reply.status, status, "{reply}");
        has_security_headers(&reply);
        if status >= 400 {
            assert_eq!(reply.header("content-type"), "application/problem+json", "{reply}");
            assert_eq!(reply.value()["status"], status, "{reply}");
            assert_eq!(reply.value()["request_id"], reply.header("x-request-id"), "{reply}");
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let app = TestApp::start().await;
    let refused = app.nobody().delete("/api/v1/jobs").await;
    assert_eq!((refused.status, refused.code().as_str()), (405, "method_not_allowed"), "{refused}");
    assert_eq!(refused.header("allow"), "GET, POST");
}

#[tokio::test]
async fn a_browser_gets_problems_as_pages() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await.with("accept", "text/html,application/xhtml+xml");
    let missing = browser.get("/nothing").await;
    assert_eq!(missing.status, 404);
    assert!(missing.header("content-type").starts_with("text/html"), "{missing}");
    assert!(missing.text().contains("<html"), "{missing}");
    has_security_headers(&missing);
    let api = browser.get("/api/v1/nothing").await;
    assert_eq!(api.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn secure_clouds_ask_browsers_to_stay_secure() {
    let app = TestApp::start_with(|config| config.server.secure_cookies = true).await;
    let reply = app.nobody().get("/api/v1/account").await;
    assert!(reply.header("strict-transport-security").starts_with("max-age="), "{reply}");
    let plain = TestApp::start().await;
    assert_eq!(plain.nobody().get("/api/v1/account").await.header("strict-transport-security"), "");
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    let app = TestApp::start().await;
    let head = Reply::of(app.token("read").await.request("HEAD", "/api/v1/account")).await;
    assert_eq!((head.status, head.body.len()), (200, 0), "{head}");
}
