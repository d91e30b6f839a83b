//! Liveness, readiness and counters.

use crate::harness::TestApp;

#[tokio::test]
async fn readiness_names_each_check_with_its_time() {
    let app = TestApp::start().await;
    assert_eq!(app.nobody().get("/livez").await.text(), "ok\n");
    let ready = app.nobody().get("/readyz").await;
    assert_eq!(ready.status, 200, "{ready}");
    let value = ready.value();
    assert_eq!(value["is_ready"], true);
    let names: Vec<_> =
        value["checks"].as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    assert_eq!(names, ["database", "blobs", "actors", "accepting"]);
    assert!(value["checks"].as_array().unwrap().iter().all(|check| check["took_ms"].is_u64()));
}

#[tokio::test]
async fn counters_are_shown_by_route_and_not_by_address() {
    let app = TestApp::start().await;
    let worker = app.worker().await.row.id;
    app.token("read").await.get(&format!("/api/v1/workers/{worker}")).await;
    let shown = app.nobody().get("/metrics").await;
    assert!(shown.header("content-type").starts_with("application/openmetrics-text"), "{shown}");
    let text = shown.text();
    let line = r#"pictor_http_requests_total{route="/api/v1/workers/{worker}",status="200"} 1"#;
    assert!(text.contains(line), "{text}");
    assert!(text.contains(r#"pictor_actor_restarts_total{actor="fleet",reason="panicked"} 0"#), "{text}");
    assert!(!text.contains(&worker.to_string()), "{text}");
}
