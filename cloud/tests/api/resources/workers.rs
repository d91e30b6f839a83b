//! Workers over the API.

use pictor_actors::protocol::enrolment::ConfigurationFile;
use serde_json::json;

use crate::harness::TestApp;

#[tokio::test]
async fn a_worker_is_named_listed_renamed_and_removed() {
    let app = TestApp::start().await;
    let program = app.token("workers").await;
    let made = program.post("/api/v1/workers", &json!({"name": "rig-01"})).await;
    assert_eq!(made.status, 201, "{made}");
    let worker = made.value();
    assert_eq!(worker["connection"], "never");
    assert_eq!(worker["last_heartbeat_at"], json!(null));
    assert_eq!(worker["machine"], json!(null));
    let path = made.header("location").to_owned();
    assert_eq!(program.get(&path).await.value()["name"], "rig-01");
    let taken = program.post("/api/v1/workers", &json!({"name": "rig-01"})).await;
    assert_eq!((taken.status, taken.code().as_str()), (409, "name_taken"), "{taken}");
    let renamed = program.patch(&path, &json!({"name": "rig-02"})).await;
    assert_eq!(renamed.value()["name"], "rig-02", "{renamed}");
    assert_eq!(program.delete(&path).await.status, 204);
    assert_eq!(program.get(&path).await.status, 404);
    assert_eq!(program.get("/api/v1/workers").await.value()["items"], json!([]));
}

#[tokio::test]
async fn lists_are_sorted_searched_and_paged() {
    let app = TestApp::start().await;
    let program = app.token("all").await;
    for name in ["cube", "alpha", "bravo", "ball"] {
        assert_eq!(program.post("/api/v1/workers", &json!({"name": name})).await.status, 201);
    }
    let names = |value: serde_json::Value| -> Vec<String> {
        let items = value["items"].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(program.get("/api/v1/workers").await.value()), ["alpha", "ball", "bravo", "cube"]);
    let newest = program.get("/api/v1/workers?sort=created").await.value();
    assert_eq!(names(newest), ["ball", "bravo", "alpha", "cube"]);
    assert_eq!(names(program.get("/api/v1/workers?search=BA").await.value()), ["ball"]);
    let mut seen = Vec::new();
    let mut path = "/api/v1/workers?limit=3".to_owned();
    loop {
        let page = program.get(&path).await.value();
        seen.extend(names(page.clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/workers?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, ["alpha", "ball", "bravo", "cube"]);
    for bad in ["limit=0", "limit=201", "sort=size", "cursor=nonsense"] {
        let refused = program.get(&format!("/api/v1/workers?{bad}")).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid_input"), "{bad}: {refused}");
    }
}

#[tokio::test]
async fn a_configuration_file_holds_what_a_worker_needs() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let program = app.token("workers").await;
    let made = program.post(&format!("/api/v1/workers/{}/configuration", worker.row.id), &json!({})).await;
    assert_eq!(made.status, 201, "{made}");
    assert_eq!(made.value()["file_name"], "rig-01.pictor");
    let file: ConfigurationFile = toml::from_str(made.value()["content"].as_str().unwrap()).unwrap();
    assert_eq!((file.worker, file.name.as_str()), (worker.row.id, "rig-01"));
    assert_eq!(file.cloud.trim_end_matches('/'), app.base);
    assert!(file.token.len() >= 43);
}

#[tokio::test]
async fn a_pause_is_kept_until_it_is_lifted() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let program = app.token("workers").await;
    let path = format!("/api/v1/workers/{}/pause", worker.row.id);
    let paused = program.put(&path, &json!({"for_ms": 7_200_000})).await;
    assert_eq!(paused.status, 200, "{paused}");
    let row = app.store.worker(worker.row.id).await.unwrap();
    assert!(row.pause.unwrap().until.unwrap() > app.now());
    assert_eq!(program.put(&path, &json!({"for_ms": 0})).await.status, 422);
    assert_eq!(program.delete(&path).await.status, 200);
    assert_eq!(app.store.worker(worker.row.id).await.unwrap().pause, None);
}

#[tokio::test]
async fn an_unchanged_worker_is_not_sent_again() {
    let app = TestApp::start().await;
    let program = app.token("read").await;
    let made = app.token("all").await.post("/api/v1/workers", &json!({"name": "rig-01"})).await;
    let path = made.header("location").to_owned();
    let first = program.get(&path).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"'), "{first}");
    let again = program.with("if-none-match", &tag).get(&path).await;
    assert_eq!((again.status, again.body.len()), (304, 0), "{again}");
    app.token("all").await.patch(&path, &json!({"name": "other"})).await;
    assert_eq!(program.with("if-none-match", &tag).get(&path).await.status, 200);
}
