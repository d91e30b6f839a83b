//! Who is let in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::{FromWorker, Hello, RefusalCode};
use pictor_cloud_domain::liveness::Connection;

use super::fake::{Ended, FakeWorker, Wire, eventually, key};
use crate::harness::TestApp;

async fn connection(app: &TestApp, worker: WorkerId) -> Connection {
    app.farm.workers_live(vec![worker]).await[0].connection
}

async fn wait_for(app: &TestApp, worker: WorkerId, wanted: Connection) {
    let look = || async { (connection(app, worker).await == wanted).then_some(()) };
    eventually(wanted.as_str(), look).await;
}

/// Sends a hello that `spoil` has changed; the code of the refusal.
async fn refused(app: &TestApp, worker: &FakeWorker, spoil: impl FnOnce(&mut Hello)) -> RefusalCode {
    let mut wire = Wire::open(&app.base).await;
    let mut hello = worker.hello(&wire.challenge().await.nonce, &[]);
    spoil(&mut hello);
    wire.say(&FromWorker::Hello(Box::new(hello))).await;
    wire.refusal().await
}

#[tokio::test]
async fn enrolled_challenged_welcomed_online_and_gone() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    assert_eq!(connection(&app, worker.id).await, Connection::Never);
    let (mut wire, welcome) = worker.connect_holding(&[]).await;
    assert_eq!(welcome.worker_name, "rig-01");
    assert!(welcome.bearer.starts_with("wkb_") && welcome.lease_ttl_ms == 60_000);
    let ack = wire.beat(&[]).await;
    assert!((5_000..=6_000).contains(&ack.next_after_ms), "{ack:?}");
    let program = app.token("read").await;
    let shown = program.get(&format!("/api/v1/workers/{}", worker.id)).await.value();
    assert_eq!((shown["connection"].as_str(), shown["activity"].as_str()), (Some("online"), Some("idle")));
    assert_eq!(shown["sample"]["cpu_percent"], 12.5);
    assert_eq!(app.farm.worker_samples(worker.id).await.len(), 1);
    wire.say(&FromWorker::Goodbye { reason: "the owner quit".to_owned() }).await;
    wait_for(&app, worker.id, Connection::Offline).await;
    assert_eq!(wire.end().await, Ended::Closed);
    let live = &app.farm.workers_live(vec![worker.id]).await[0];
    assert_eq!((live.activity.clone(), live.online_since), (None, None));
    assert!(live.sample.is_some() && live.last_heartbeat_at.is_some(), "last values stay");
}

#[tokio::test]
async fn a_wrong_signature_changes_nothing() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let stranger = FakeWorker { key: key(9), ..FakeWorker::enrolled_as(&app, "rig-02").await };
    let code = refused(&app, &stranger, |_| {}).await;
    assert_eq!(code, RefusalCode::BadSignature);
    let code = refused(&app, &worker, |hello| hello.signature = STANDARD.encode([0; 64])).await;
    assert_eq!(code, RefusalCode::BadSignature);
    let code = refused(&app, &worker, |hello| hello.signature = "not base64".to_owned()).await;
    assert_eq!(code, RefusalCode::BadSignature);
    assert_eq!(connection(&app, worker.id).await, Connection::Never);
}

#[tokio::test]
async fn an_answer_to_another_sockets_challenge_is_refused() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let mut first = Wire::open(&app.base).await;
    let overheard = worker.hello(&first.challenge().await.nonce, &[]);
    first.say(&FromWorker::Hello(Box::new(overheard.clone()))).await;
    let code = refused(&app, &worker, |hello| *hello = overheard).await;
    assert_eq!(code, RefusalCode::BadSignature);
}

#[tokio::test]
async fn unknown_workers_other_versions_and_too_many_slots_are_told_apart() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let code = refused(&app, &worker, |hello| hello.worker = WorkerId::generate()).await;
    assert_eq!(code, RefusalCode::UnknownWorker);
    let code = refused(&app, &worker, |hello| hello.version = 99).await;
    assert_eq!(code, RefusalCode::VersionUnsupported);
    let code = refused(&app, &worker, |hello| hello.slots = vec![hello.slots[0].clone(); 2]).await;
    assert_eq!(code, RefusalCode::Malformed);
    let mut wire = Wire::open(&app.base).await;
    wire.challenge().await;
    wire.say(&FromWorker::Goodbye { reason: String::new() }).await;
    assert_eq!(wire.refusal().await, RefusalCode::Malformed);
}

#[tokio::test]
async fn simulated_workers_come_in_only_where_the_operator_says_so() {
    let simulated = |hello: &mut Hello| hello.slots[0].engines = vec![RenderEngine::Simulated];
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    assert_eq!(refused(&app, &worker, simulated).await, RefusalCode::Unavailable);
    let app = TestApp::start_with(|config| config.simulation.allowed = true).await;
    let worker = FakeWorker::enrolled(&app).await;
    let mut wire = Wire::open(&app.base).await;
    let mut hello = worker.hello(&wire.challenge().await.nonce, &[]);
    simulated(&mut hello);
    wire.say(&FromWorker::Hello(Box::new(hello))).await;
    wait_for(&app, worker.id, Connection::Online).await;
}

#[tokio::test]
async fn a_newer_connection_takes_over_and_the_older_is_told() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let (older, first) = worker.connect_holding(&[]).await;
    let (mut newer, second) = worker.connect_holding(&[]).await;
    assert_ne!(first.link, second.link);
    assert_eq!(older.refusal().await, RefusalCode::Replaced);
    newer.beat(&[]).await;
    assert_eq!(connection(&app, worker.id).await, Connection::Online);
    let bearer = |welcome: &pictor_actors::protocol::Welcome| format!("Bearer {}", welcome.bearer);
    let blob = format!("/api/v1/blobs/{}", "ab".repeat(32));
    let old = app.nobody().with("authorization", bearer(&first)).get(&blob).await;
    let new = app.nobody().with("authorization", bearer(&second)).get(&blob).await;
    assert_eq!((old.status, new.status), (401, 404), "{old}{new}");
}

#[tokio::test]
async fn a_removed_worker_is_sent_away_and_stays_away() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let wire = worker.connect().await;
    let removed = app.token("workers").await.delete(&format!("/api/v1/workers/{}", worker.id)).await;
    assert_eq!(removed.status, 204, "{removed}");
    assert_eq!(wire.refusal().await, RefusalCode::UnknownWorker);
    assert_eq!(refused(&app, &worker, |_| {}).await, RefusalCode::UnknownWorker);
}

#[tokio::test]
async fn one_that_only_asks_is_told_and_disturbs_nobody() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let asks = async |worker: &FakeWorker| {
        let mut wire = Wire::open(&app.base).await;
        let hello = worker.hello(&wire.challenge().await.nonce, &[]);
        wire.say(&FromWorker::Hello(Box::new(Hello { only_asks: true, ..hello }))).await;
        wire.end().await
    };
    assert_eq!(asks(&worker).await, Ended::Bye);
    assert_eq!(connection(&app, worker.id).await, Connection::Never, "asking is not connecting");

    let mut wire = worker.connect().await;
    wire.beat(&[]).await;
    assert_eq!(asks(&worker).await, Ended::Bye);
    wire.beat(&[]).await; // the line that was there goes on
    assert_eq!(connection(&app, worker.id).await, Connection::Online);

    let stranger = FakeWorker { key: key(9), id: worker.id, base: app.base.clone() };
    assert!(matches!(asks(&stranger).await, Ended::Refused(refusal)
        if refusal.code == RefusalCode::BadSignature));
    let removed = app.token("workers").await.delete(&format!("/api/v1/workers/{}", worker.id)).await;
    assert_eq!(removed.status, 204, "{removed}");
    assert!(matches!(asks(&worker).await, Ended::Refused(refusal)
        if refusal.code == RefusalCode::UnknownWorker));
}

#[tokio::test]
async fn what_is_no_websocket_of_ours_is_refused_in_words() {
    let app = TestApp::start().await;
    let refused = app.nobody().get("/api/v1/link").await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "malformed"), "{refused}");
    let refused = app.nobody().with("sec-websocket-protocol", "chat").get("/api/v1/link").await;
    assert!(refused.text().contains("pictor.v1"), "{refused}");
}
