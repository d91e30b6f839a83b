//! Leases across connections: what both sides know stays, the rest is put right at once.

use std::time::Duration;

use pictor_actors::ids::LeaseId;
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::{
    AttemptEnded, AttemptOutcome, FailureClass, FromWorker, LeaseRef, MachineChanged, MachineFacts, Pause,
    PauseReason, SearchPhase, SlotFacts, ToWorker,
};
use pictor_actors::units::{BlobHash, Millis};
use pictor_cloud::agents::LinkOpened;
use pictor_cloud::store::{NewFrame, UploadVerdict};
use pictor_cloud_domain::lease::Outcome;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::fake::{FakeWorker, eventually, heartbeat};
use crate::harness::{TestApp, TestWorker};

/// An enrolled worker that has a lease in the store, and the lease.
async fn leased(app: &TestApp) -> (FakeWorker, LeaseRef) {
    let worker = FakeWorker::enrolled(app).await;
    let row = app.store.worker(worker.id).await.unwrap();
    let connected: TestWorker = app.connect(row.id).await;
    let job = app.leased_job(&connected, "1-3").await;
    (worker, job.lease)
}

async fn outcome(app: &TestApp, lease: LeaseRef) -> Option<Outcome> {
    app.store.lease(lease.lease).await.unwrap().outcome
}

#[tokio::test]
async fn a_lease_that_both_know_stays_and_is_renewed() {
    let app = TestApp::start().await;
    let (worker, lease) = leased(&app).await;
    let before = app.store.lease(lease.lease).await.unwrap().expires_at;
    // The seeded lease is good for a day, a renewal for two minutes.
    app.clock.advance(Millis(app.now().until(before).0 - 60_000));
    let (mut wire, welcome) = worker.connect_holding(&[lease]).await;
    assert_eq!(welcome.drop, []);
    assert_eq!(wire.beat(&[lease]).await.cancel, []);
    eventually("the lease is renewed", || async {
        let row = app.store.lease(lease.lease).await.unwrap();
        (row.expires_at > before && row.ended_at.is_none()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn software_that_is_found_later_is_known_and_costs_no_lease() {
    let app = TestApp::start().await;
    let (worker, lease) = leased(&app).await;
    let (mut wire, _) = worker.connect_holding(&[lease]).await;
    let changed = |slots: &[u16], engine: RenderEngine| {
        let slot =
            |slot: &u16| SlotFacts { slot: *slot, gpu_pci_id: None, engines: vec![engine], enabled: true };
        let machine = MachineFacts { software_search: Some(SearchPhase::Done), ..MachineFacts::default() };
        let slots = slots.iter().map(slot).collect();
        FromWorker::MachineChanged(Box::new(MachineChanged { machine, slots }))
    };
    wire.say(&changed(&[0, 1], RenderEngine::Eevee)).await;
    // Two slots of one number are none: what was known stays.
    wire.say(&changed(&[2, 2], RenderEngine::Workbench)).await;
    assert_eq!(wire.beat(&[lease]).await.cancel, []);
    let live = &app.farm.workers_live(vec![worker.id]).await[0];
    assert_eq!(live.slots.iter().map(|slot| slot.slot).collect::<Vec<_>>(), [0, 1]);
    eventually("the store has it", || async {
        let row = app.store.worker(worker.id).await.unwrap();
        let engines = row.slots.unwrap()[0].engines.clone();
        let is_done = row.machine.unwrap().software_search == Some(SearchPhase::Done);
        (is_done && engines == [RenderEngine::Eevee]).then_some(())
    })
    .await;
    assert_eq!(outcome(&app, lease).await, None, "the lease goes on");
}

#[tokio::test]
async fn a_lease_the_worker_does_not_name_is_free_at_once() {
    let app = TestApp::start().await;
    let (worker, lease) = leased(&app).await;
    let _wire = worker.connect().await;
    let look = || async { outcome(&app, lease).await };
    assert_eq!(eventually("the lease is released", look).await, Outcome::Released);
    let task = app.store.lease(lease.lease).await.unwrap().task_id;
    // Perhaps the worker has been given it anew by now.
    assert_ne!(app.store.task(task).await.unwrap().lease_id, Some(lease.lease));
}

#[tokio::test]
async fn leases_that_are_not_the_workers_are_cancelled_where_a_slot_works_on_them() {
    let app = TestApp::start().await;
    let (worker, lease) = leased(&app).await;
    let stale = LeaseRef { fence: lease.fence + 5, ..lease };
    let foreign = LeaseRef { lease: LeaseId::generate(), fence: 1 };
    let (mut wire, welcome) = worker.connect_holding(&[lease, stale, foreign]).await;
    assert_eq!(welcome.drop, [], "they may have frames on their way");
    assert_eq!(wire.beat(&[lease, foreign]).await.cancel, []);
    assert_eq!(wire.beat_working(&[foreign], &[lease, stale]).await.cancel, [foreign]);
}

#[tokio::test]
async fn frames_rendered_before_a_failure_or_a_goodbye_are_taken_afterwards() {
    let app = TestApp::start().await;
    let (worker, lease) = leased(&app).await;
    // Nothing is handed out anew while the test looks.
    let pause = Pause { reason: PauseReason::Dashboard, until: None };
    app.store.set_worker_pause(worker.id, Some(&pause), app.now()).await.unwrap();
    let (mut wire, _) = worker.connect_holding(&[lease]).await;
    app.farm.job_changed(app.store.lease(lease.lease).await.unwrap().job_id);
    let (class, message) = (FailureClass::Crash, "it fell".to_owned());
    let failed = AttemptOutcome::Failed { class, message, frame: Some(2) };
    wire.say(&FromWorker::AttemptEnded(AttemptEnded { lease, outcome: failed })).await;
    // One frame waits in its outbox: it goes on naming the lease.
    assert_eq!(wire.beat(&[lease]).await.cancel, []);
    let look = || async { outcome(&app, lease).await };
    eventually("the failure is stored", look).await;
    assert_eq!(wire.beat(&[lease]).await.cancel, []);
    wire.say(&FromWorker::Goodbye { reason: "updating".to_owned() }).await;
    let (mut wire, welcome) = worker.connect_holding(&[lease]).await;
    assert_eq!((welcome.drop, wire.beat(&[lease]).await.cancel), (vec![], vec![]));
    let verdict = app.store.lease_for_upload(lease.lease, lease.fence, 1).await.unwrap();
    assert!(matches!(verdict, UploadVerdict::Wanted { .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_goodbye_frees_leases_and_a_cut_line_does_not() {
    let app = TestApp::start().await;
    let (worker, lease) = leased(&app).await;
    let (wire, _) = worker.connect_holding(&[lease]).await;
    drop(wire);
    let (mut wire, welcome) = worker.connect_holding(&[lease]).await;
    assert_eq!((welcome.drop, outcome(&app, lease).await), (vec![], None));
    wire.say(&FromWorker::Goodbye { reason: "updating".to_owned() }).await;
    let look = || async { outcome(&app, lease).await };
    assert_eq!(eventually("the lease is released", look).await, Outcome::Released);
}

#[tokio::test]
async fn a_goodbye_after_a_long_connection_keeps_what_was_measured() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    // Without a socket: its end would come by and set the time anew.
    let (outbound, _inbound) = mpsc::channel(8);
    let opened = LinkOpened { worker: worker.id, hello: worker.hello("", &[]), outbound };
    let link = app.farm.link_opened(opened).await.unwrap().link;
    app.clock.advance(Millis::from_secs(16 * 60));
    let goodbye = FromWorker::Goodbye { reason: "updating".to_owned() };
    for said in [FromWorker::Heartbeat(Box::new(heartbeat(1, &[]))), goodbye] {
        app.farm.link_said(worker.id, link, said).await.unwrap();
    }
    eventually("the connection has ended in the store", || async {
        app.store.worker(worker.id).await.unwrap().link_id.is_none().then_some(())
    })
    .await;
    assert_eq!(app.farm.worker_samples(worker.id).await.len(), 1);
}

#[tokio::test]
async fn a_word_under_a_lease_that_is_not_the_workers_is_answered_with_a_cancel() {
    let app = TestApp::start().await;
    let worker = FakeWorker::enrolled(&app).await;
    let mut wire = worker.connect().await;
    let foreign = LeaseRef { lease: LeaseId::generate(), fence: 1 };
    wire.say(&FromWorker::Accept(foreign)).await;
    match wire.hear().await {
        Ok(ToWorker::Cancel(cancel)) => assert_eq!(cancel.lease, foreign),
        other => panic!("no cancel but {other:?}"),
    }
}

#[tokio::test]
async fn a_restart_of_the_cloud_keeps_leases() {
    let app = TestApp::start().await;
    let (worker, lease) = leased(&app).await;
    let (_wire, _) = worker.connect_holding(&[lease]).await;
    let app = app.restart().await;
    let shown = app.token("read").await.get(&format!("/api/v1/workers/{}", worker.id)).await.value();
    assert_eq!(shown["connection"], "stale", "{shown}");
    let (mut wire, welcome) = worker.at(&app).connect_holding(&[lease]).await;
    assert_eq!(welcome.drop, []);
    wire.beat(&[lease]).await;
    assert_eq!(outcome(&app, lease).await, None);
}

#[tokio::test]
async fn a_worker_far_behind_with_delivering_gets_no_task_until_some_of_it_is_there() {
    let app = TestApp::start().await;
    let (worker, first) = leased(&app).await;
    let connected: TestWorker = app.connect(worker.id).await;
    let mut leases = vec![first];
    while leases.len() < 16 {
        leases.push(app.leased_job(&connected, "1").await.lease);
    }
    for lease in &leases {
        app.store.lease_rendered(lease.lease, lease.fence, app.now()).await.unwrap();
    }
    let (mut wire, welcome) = worker.connect_holding(&leases).await;
    assert_eq!(welcome.drop, []);
    let job = app.job("1-2").await.id;
    app.farm.job_changed(job);
    let why = "1 worker has many rendered frames to upload before anything new";
    eventually("the job says why it waits", || async {
        let live = app.farm.jobs_live(vec![job]).await.remove(&job)?;
        live.waiting.iter().any(|line| line == why).then_some(())
    })
    .await;
    assert_eq!(wire.beat(&leases).await.cancel, []);
    // The last one's only frame arrives.
    let delivered = leases.pop().unwrap();
    let row = app.store.lease(delivered.lease).await.unwrap();
    app.farm.job_changed(row.job_id);
    eventually("its job has an actor", || async {
        app.farm.jobs_live(vec![row.job_id]).await.contains_key(&row.job_id).then_some(())
    })
    .await;
    let frame = NewFrame {
        lease: delivered.lease,
        fence: delivered.fence,
        frame: 1,
        hash: BlobHash::from_bytes([9; 32]),
        size: 1,
        render_ms: 1,
    };
    app.farm.frame_stored(app.store.store_frame(&frame, app.now()).await.unwrap());
    let offered = async {
        loop {
            match wire.hear().await {
                Ok(ToWorker::Offer(offer)) => return offer.task.job,
                Ok(_) => {}
                Err(ended) => panic!("no offer but {ended:?}"),
            }
        }
    };
    assert_eq!(timeout(Duration::from_secs(20), offered).await.expect("an offer"), job);
}
