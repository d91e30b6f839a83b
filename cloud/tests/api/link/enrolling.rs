//! Configuration files: each way one can be refused is told apart, on both sides.

use pictor_actors::limits::ENROLMENT_VALID_FOR;
use pictor_actors::protocol::RefusalCode;

use super::fake::{FakeWorker, configuration, enrol, fresh_configuration, key};
use crate::harness::TestApp;

#[tokio::test]
async fn the_same_machine_may_ask_again_and_another_may_not() {
    let app = TestApp::start().await;
    let file = configuration(&app, "rig-01").await;
    assert_eq!(enrol(&app, &file, &key(1), "one").await.status, 200);
    let again = enrol(&app, &file, &key(1), "one").await;
    assert_eq!((again.status, again.value()["name"].as_str()), (200, Some("rig-01")), "{again}");
    assert_eq!(app.store.enrolment_problem(file.worker).await.unwrap(), None);
    let second = enrol(&app, &file, &key(2), "two").await;
    assert_eq!((second.status, second.code().as_str()), (409, "key_mismatch"), "{second}");
    let reset = enrol(&app, &file, &key(3), "one").await;
    assert_eq!((reset.status, reset.code().as_str()), (409, "enrolment_used"), "{reset}");
    let noted = app.store.enrolment_problem(file.worker).await.unwrap().unwrap();
    assert_eq!((noted.code.as_str(), noted.hostname.as_str()), ("enrolment_used", "one"));
}

#[tokio::test]
async fn an_old_file_and_one_that_was_replaced_are_told_apart() {
    let app = TestApp::start().await;
    let replaced = configuration(&app, "rig-01").await;
    let file = fresh_configuration(&app, &replaced.worker.to_string()).await;
    let refused = enrol(&app, &replaced, &key(1), "one").await;
    assert_eq!((refused.status, refused.code().as_str()), (404, "enrolment_unknown"), "{refused}");
    app.clock.advance(ENROLMENT_VALID_FOR);
    let refused = enrol(&app, &file, &key(1), "one").await;
    assert_eq!((refused.status, refused.code().as_str()), (410, "enrolment_expired"), "{refused}");
    let noted = app.store.enrolment_problem(file.worker).await.unwrap().unwrap();
    assert_eq!(noted.code, "enrolment_expired");
    let fresh = fresh_configuration(&app, &file.worker.to_string()).await;
    assert_eq!(enrol(&app, &fresh, &key(1), "one").await.status, 200);
    assert_eq!(app.store.enrolment_problem(file.worker).await.unwrap(), None, "it is over");
}

#[tokio::test]
async fn files_of_another_cloud_and_nonsense_are_refused() {
    let (app, other) = (TestApp::start().await, TestApp::start().await);
    let foreign = configuration(&other, "rig-01").await;
    let refused = enrol(&app, &foreign, &key(1), "one").await;
    assert_eq!((refused.status, refused.code().as_str()), (404, "enrolment_unknown"), "{refused}");
    let mut long = configuration(&app, "rig-01").await;
    long.token = "x".repeat(10_000);
    assert_eq!(enrol(&app, &long, &key(1), "one").await.code(), "enrolment_unknown");
    let body = serde_json::json!({
        "worker": long.worker, "token": "t", "public_key": "AAAA", "hostname": "one"
    });
    let refused = app.nobody().post("/api/v1/workers/enrol", &body).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid_input"), "{refused}");
}

#[tokio::test]
async fn a_machine_that_is_set_up_anew_ends_the_connection_of_the_one_before() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let wire = worker.connect().await;
    let file = fresh_configuration(&app, &worker.id.to_string()).await;
    assert_eq!(enrol(&app, &file, &key(7), "new-rig").await.status, 200);
    assert_eq!(wire.refusal().await, RefusalCode::Replaced);
    let moved = FakeWorker { key: key(7), ..worker };
    moved.connect().await.beat(&[]).await;
}

#[tokio::test]
async fn no_file_is_made_with_an_address_that_stands_for_every_interface() {
    let app = TestApp::start().await;
    let file = configuration(&app, "rig-01").await;
    let program = app.token("workers").await;
    let path = format!("/api/v1/workers/{}/configuration", file.worker);
    for host in ["0.0.0.0:7420", "[::]:7420"] {
        let refused = program.with("host", host).post(&path, &serde_json::json!({})).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "malformed"), "{refused}");
        assert!(refused.text().contains("server.public_url"), "{refused}");
    }
    assert_eq!(enrol(&app, &file, &key(1), "one").await.status, 200, "the file before is good still");
}
