//! Requests forged by other sites.

use pictor_cloud::http::guards::FORM_HEADER;
use serde_json::json;

use crate::harness::TestApp;

#[tokio::test]
async fn a_session_without_its_form_token_changes_nothing() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await;
    let body = json!({"name": "rig-01"});
    for forged in [
        browser.without(FORM_HEADER),
        browser.with(FORM_HEADER, "guess"),
        browser.with(FORM_HEADER, app.sign_in().await.header(FORM_HEADER).unwrap()),
        browser.with("origin", "https://evil.example"),
        browser.with("sec-fetch-site", "cross-site"),
        browser.with("sec-fetch-site", "same-site"),
    ] {
        let refused = forged.post("/api/v1/workers", &body).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "form_expired"), "{refused}");
    }
    assert_eq!(app.store.all_workers_of(app.owner.id).await.unwrap().len(), 0);
    let own = browser.with("origin", &app.base).with("sec-fetch-site", "same-origin");
    assert_eq!(own.post("/api/v1/workers", &body).await.status, 201);
}

#[tokio::test]
async fn reading_needs_no_form_token_and_programs_never_do() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await.without(FORM_HEADER);
    assert_eq!(browser.get("/api/v1/workers").await.status, 200);
    let program = app.token("workers").await.with("origin", "https://tool.example");
    assert_eq!(program.post("/api/v1/workers", &json!({"name": "rig-01"})).await.status, 201);
}
