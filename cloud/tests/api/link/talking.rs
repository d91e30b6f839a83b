//! What is said over an open socket.

use std::time::Duration;

use pictor_actors::limits::WIRE_FRAME_BYTES_MAX;
use pictor_actors::protocol::{FromWorker, Pause, PauseReason, RefusalCode, ToWorker};
use pictor_cloud::agents::LinkOpened;
use pictor_cloud_domain::liveness::Connection;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::fake::{Ended, FakeWorker, eventually, heartbeat};
use crate::harness::TestApp;

#[tokio::test]
async fn silence_makes_a_worker_stale_then_offline_and_a_heartbeat_brings_it_back() {
    let app = TestApp::start_with(|config| {
        config.liveness.heartbeat_ms = 100;
        config.liveness.stale_after_ms = 300;
        config.liveness.offline_after_ms = 900;
    })
    .await;
    let worker = FakeWorker::enrolled(&app).await;
    let mut wire = worker.connect().await;
    wire.beat(&[]).await;
    let connection = || async { app.farm.workers_live(vec![worker.id]).await[0].connection };
    for wanted in [Connection::Stale, Connection::Offline] {
        eventually(wanted.as_str(), || async { (connection().await == wanted).then_some(()) }).await;
    }
    wire.beat(&[]).await;
    assert_eq!(connection().await, Connection::Online);
}

#[tokio::test]
async fn a_message_above_the_limit_ends_the_socket_before_it_is_read() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let mut wire = worker.connect().await;
    wire.say_text("x".repeat(WIRE_FRAME_BYTES_MAX + 1)).await;
    assert_eq!(wire.refusal().await, RefusalCode::Malformed);
    worker.connect().await.beat(&[]).await;
}

#[tokio::test]
async fn messages_that_are_not_understood_are_skipped_but_not_for_ever() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let mut wire = worker.connect().await;
    wire.say_text(json!({"type": "from_the_future", "more": 1}).to_string()).await;
    wire.say_text("{".to_owned()).await;
    wire.beat(&[]).await;
    for _ in 0..100 {
        wire.say_text(json!({"type": "from_the_future"}).to_string()).await;
    }
    assert_eq!(wire.refusal().await, RefusalCode::Malformed);
}

#[tokio::test]
async fn a_heartbeat_out_of_order_is_not_answered() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let mut wire = worker.connect().await;
    wire.beat(&[]).await;
    wire.say(&FromWorker::Heartbeat(Box::new(heartbeat(1, &[])))).await;
    // The answer that comes is that of the next one: `beat` compares the numbers.
    wire.beat(&[]).await;
}

#[tokio::test]
async fn the_dashboards_pause_reaches_the_worker_now_and_at_its_next_connection() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let mut wire = worker.connect().await;
    let path = format!("/api/v1/workers/{}/pause", worker.id);
    let paused = app.token("workers").await.put(&path, &json!({"for_ms": 7_200_000})).await;
    assert_eq!(paused.status, 200, "{paused}");
    let Ok(ToWorker::SetPause { pause: Some(Pause { reason: PauseReason::Dashboard, until: Some(_) }) }) =
        wire.hear().await
    else {
        panic!("no pause was heard")
    };
    let mut again = worker.connect().await;
    assert!(matches!(again.hear().await, Ok(ToWorker::SetPause { pause: Some(_) })));
    assert_eq!(app.token("workers").await.delete(&path).await.status, 200);
    assert!(matches!(again.hear().await, Ok(ToWorker::SetPause { pause: None })));
}

#[tokio::test]
async fn a_job_that_waits_for_a_paused_worker_says_so() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let mut wire = worker.connect().await;
    let pause = format!("/api/v1/workers/{}/pause", worker.id);
    assert_eq!(app.token("workers").await.put(&pause, &json!({})).await.status, 200);
    wire.beat(&[]).await;
    let job = app.job("1-3").await;
    app.farm.job_changed(job.id);
    let (program, path) = (app.token("read").await, format!("/api/v1/jobs/{}", job.id));
    let reason = json!(["no worker takes work now: 1 worker is paused by its owner"]);
    eventually("the pause as the reason", || async {
        (program.get(&path).await.value()["waiting"] == reason).then_some(())
    })
    .await;
    wire.say(&FromWorker::Goodbye { reason: "the day is over".to_owned() }).await;
    let reason = json!(["no worker is online"]);
    eventually("its leaving as the reason", || async {
        (program.get(&path).await.value()["waiting"] == reason).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_does_not_take_its_messages_loses_its_connection_only() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let (outbound, mut to_send) = mpsc::channel(1);
    let opened = LinkOpened { worker: worker.id, hello: worker.hello("", &[]), outbound };
    let welcome = app.farm.link_opened(opened).await.unwrap();
    for seq in 1..=2 {
        let said = FromWorker::Heartbeat(Box::new(heartbeat(seq, &[])));
        app.farm.link_said(worker.id, welcome.link, said).await.unwrap();
    }
    let first = to_send.recv().await.map(|message| *message);
    assert!(matches!(first, Some(ToWorker::HeartbeatAck(ack)) if ack.seq == 1));
    let end = timeout(Duration::from_secs(20), to_send.recv()).await.unwrap();
    assert_eq!(end, None, "the farm has let go of the socket");
    assert!(app.nobody().get("/metrics").await.text().contains(r#"link_refusals_total{outcome="slow"} 1"#));
    worker.connect().await.beat(&[]).await;
}

#[tokio::test]
async fn a_stop_says_goodbye_to_workers() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let wire = worker.connect().await;
    let stopping = tokio::task::spawn_blocking(move || drop(app));
    assert_eq!(wire.end().await, Ended::Bye);
    stopping.await.unwrap();
}
