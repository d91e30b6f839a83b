//! A farm without workers: the test says what they would have said.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use actix::prelude::{Actor, Context, Handler};
use pictor_actors::ids::{AccountId, JobId, LeaseId, LinkId, WorkerId};
use pictor_actors::now::Clock;
use pictor_actors::protocol::assignment::{RenderEngine, RenderSettings};
use pictor_actors::protocol::outcome::FrameState;
use pictor_actors::protocol::{
    AttemptEnded, AttemptOutcome, AttemptStarted, Cancel, Decline, DeclineReason, FailureClass,
    FrameProgress, FromWorker, Hello, MachineFacts, Offer,
};
use pictor_actors::supervise::{Keeping, RestartBudget, Shutdown, StopReason, keep};
use pictor_actors::testing::{ManualClock, Probe};
use pictor_actors::units::{BlobHash, Millis, UnixMillis};
use pictor_cloud::agents::broadcast::Announce;
use pictor_cloud::agents::dispatcher::{SlotDeclined, Wake};
use pictor_cloud::agents::fleet::{
    CancelLease, Capacity, GetCapacity, GetRenewals, LeasesEnded, OfferTask, OfferTasks, RestWorker,
    SlotCapacity,
};
use pictor_cloud::agents::job_live::JobLive;
use pictor_cloud::agents::jobs::{AttemptSaid, FrameStored, GetJobsLive, JobChanged};
use pictor_cloud::agents::ports::{HeldBack, Ports, Timing, WorkDoors, start_work};
use pictor_cloud::agents::replicas::Peers;
use pictor_cloud::agents::sweeps::ExpiredLeases;
use pictor_cloud::config::LivenessConfig;
use pictor_cloud::store::{
    FrameStoredRow, JobRow, NewAccount, NewFrame, NewJobRow, NewWorkerRow, Role, Store,
};
use pictor_cloud::upkeep::audit::assert_audit_clean;
use pictor_cloud_domain::job::{FrameSet, JobState};
use pictor_cloud_domain::liveness::Hold;
use pictor_cloud_domain::placement::Absence;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Longest wait for anything; a test that works waits for milliseconds.
const PATIENCE: Millis = Millis(10_000);
pub const LEASE_TTL: Millis = Millis::from_secs(120);

/// What the fleet's stand-in holds and was told.
#[derive(Default)]
struct Slots {
    slots: BTreeMap<(WorkerId, u16), SlotCapacity>,
    leases: BTreeMap<LeaseId, (WorkerId, u16)>,
    absent: Vec<Absence>,
    offers: Vec<OfferTask>,
    cancels: Vec<(WorkerId, Cancel)>,
    rests: Vec<RestWorker>,
    renewing: Vec<LeaseId>,
    cannot_renew: bool,
}

impl Slots {
    fn free(&mut self, lease: LeaseId) {
        if let Some(slot) = self.leases.remove(&lease) {
            self.slots.get_mut(&slot).unwrap().leases_held -= 1;
        }
    }
}

#[derive(Clone, Default)]
struct Fleet(Arc<Mutex<Slots>>, Arc<Notify>);

impl Actor for Fleet {
    type Context = Context<Self>;
}

macro_rules! told {
    ($message:ident, |$told:ident, $slots:ident| $act:expr) => {
        impl Handler<$message> for Fleet {
            type Result = ();
            fn handle(&mut self, $told: $message, _context: &mut Context<Self>) {
                let mut $slots = self.0.lock().unwrap();
                $act;
                self.1.notify_waiters();
            }
        }
    };
}

told!(OfferTasks, |told, slots| for task in told.0 {
    let slot = (task.worker, task.offer.slot);
    let held = slots.slots.get_mut(&slot).unwrap();
    held.leases_held += 1;
    held.warm_job = Some(task.offer.task.job);
    slots.leases.insert(task.offer.lease.lease, slot);
    slots.offers.push(task);
});
told!(CancelLease, |told, slots| {
    slots.free(told.cancel.lease.lease);
    slots.cancels.push((told.worker, told.cancel));
});
told!(LeasesEnded, |told, slots| told.0.iter().for_each(|(_, lease)| slots.free(*lease)));
told!(RestWorker, |told, slots| {
    slots.slots.values_mut().filter(|slot| slot.worker == told.worker).for_each(|slot| slot.rested = true);
    slots.rests.push(told);
});

impl Handler<GetCapacity> for Fleet {
    type Result = Capacity;
    fn handle(&mut self, _get: GetCapacity, _context: &mut Context<Self>) -> Capacity {
        let slots = self.0.lock().unwrap();
        Capacity { slots: slots.slots.values().cloned().collect(), absent: slots.absent.clone() }
    }
}

impl Handler<GetRenewals> for Fleet {
    type Result = Option<Vec<LeaseId>>;
    fn handle(&mut self, _get: GetRenewals, _context: &mut Context<Self>) -> Self::Result {
        let slots = self.0.lock().unwrap();
        (!slots.cannot_renew).then(|| slots.renewing.clone())
    }
}

/// The farm.
pub struct Bench {
    pub store: Store,
    pub clock: ManualClock,
    pub account: AccountId,
    pub doors: WorkDoors,
    ports: Ports,
    fleet: Fleet,
    announced: Probe<Announce>,
}

impl Bench {
    /// A farm of one account with these workers of one slot each, ids 1, 2, …
    pub async fn with_workers(workers: u128) -> Self {
        let (store, clock) = (Store::for_testing().await, ManualClock::default());
        let account = AccountId::from_u128(1);
        let bench = Self::over(store, clock, account, Fleet::default());
        bench.account(account).await;
        for worker in 1..=workers {
            bench.worker(worker).await;
        }
        bench.wake().await;
        bench
    }

    fn over(store: Store, clock: ManualClock, account: AccountId, fleet: Fleet) -> Self {
        let shutdown = Shutdown::new();
        let keeping =
            |name| Keeping { name, budget: RestartBudget::default(), mailbox: 1_000, stuck_after: None };
        let (probe, _) = Probe::start();
        let (listening, announced) = (probe.clone(), probe);
        let announce =
            keep(keeping("announced"), &shutdown, move || std::future::ready(Ok(listening.clone())));
        let listening = fleet.clone();
        let fleet_door = keep(keeping("fleet"), &shutdown, move || std::future::ready(Ok(listening.clone())));
        let ports = Ports {
            store: store.clone(),
            clock: Arc::new(clock.clone()),
            fleet: Rc::new(fleet_door),
            announce: Rc::new(announce),
            peers: Peers::alone(),
            timing: Timing {
                lease_ttl: LEASE_TTL,
                patience: LEASE_TTL,
                ..Timing::of(&LivenessConfig::default())
            },
            held_back: HeldBack::default(),
            shutdown,
        };
        let doors = start_work(&ports);
        Self { store, clock, account, doors, ports, fleet, announced }
    }

    /// The same database and workers under new actors, as after a restart of the process.
    pub async fn restarted(self) -> Self {
        self.ports.shutdown.cut(StopReason::Asked("the test".to_owned()));
        self.doors.jobs.closed().await;
        self.doors.dispatcher.closed().await;
        self.fleet.0.lock().unwrap().offers.clear();
        Self::over(self.store, self.clock, self.account, self.fleet)
    }

    /// The end of a test: whatever it did, the rows keep their promises.
    pub async fn end(self) {
        assert_audit_clean(&self.store, Arc::new(self.clock.clone())).await;
    }

    pub fn is_stopping(&self) -> bool {
        self.ports.shutdown.is_stopping()
    }

    pub fn now(&self) -> UnixMillis {
        self.clock.now().wall
    }

    pub async fn account(&self, id: AccountId) {
        let email = format!("{id}@example.org");
        let new =
            NewAccount { id, email, name: "owner".into(), roles: Role::ALL.to_vec(), password_hash: None };
        self.store.create_account(&new, self.now()).await.unwrap();
    }

    pub async fn worker(&self, number: u128) -> WorkerId {
        let id = WorkerId::from_u128(number);
        let new = NewWorkerRow { id, account_id: self.account, name: format!("rig-{number}") };
        self.store.create_worker(&new, self.now()).await.unwrap();
        let slot = SlotCapacity {
            worker: id,
            slot: 0,
            engines: vec![RenderEngine::Cycles],
            gpu_memory: None,
            leases_held: 0,
            warm_job: None,
            rested: false,
        };
        self.fleet.0.lock().unwrap().slots.insert((id, 0), slot);
        id
    }

    pub async fn job(&self, frames: &str) -> JobId {
        self.job_with(frames, |_| {}).await
    }

    pub async fn job_with(&self, frames: &str, change: impl FnOnce(&mut NewJobRow)) -> JobId {
        let id = JobId::generate();
        let frames: FrameSet = frames.parse().unwrap();
        let hash = BlobHash::from_bytes([7; 32]);
        self.store.put_blob(hash, 1, Some(self.account), self.now()).await.unwrap();
        let mut new = NewJobRow {
            id,
            account_id: self.account,
            name: "lamp".into(),
            state: JobState::Ready,
            priority: 50,
            source_hash: hash,
            inputs_hash: Some(hash),
            main: "lamp.blend".into(),
            settings: RenderSettings::default(),
            engine: Some(RenderEngine::Cycles),
            frame_time_limit_ms: 1_000,
            frames: frames.to_string(),
            frames_total: frames.len(),
            chunk: None,
        };
        change(&mut new);
        self.store.create_job(&new, self.now()).await.unwrap();
        self.changed(id).await;
        id
    }

    pub async fn changed(&self, job: JobId) {
        self.doors.jobs.ask(JobChanged(job), PATIENCE).await.unwrap();
    }

    pub async fn wake(&self) {
        self.doors.dispatcher.ask(Wake, PATIENCE).await.unwrap();
    }

    /// The sweep of a cloud that starts now.
    pub fn sweep(&self) -> ExpiredLeases {
        ExpiredLeases::new(self.ports.clone(), self.doors.clone())
    }

    /// Lets as much time pass as a lease lasts, under a sweep that keeps looking.
    pub async fn expire(&self, sweep: &ExpiredLeases) {
        for _ in 0..6 {
            self.pass_time(Millis(LEASE_TTL.0 / 6)).await;
            sweep.clone().pass().await;
        }
    }

    /// Workers that are connected and take nothing.
    pub fn absent(&self, absent: Vec<Absence>) {
        self.fleet.0.lock().unwrap().absent = absent;
    }

    /// Why tasks of the job wait, once it is these words.
    pub async fn waits(&self, job: JobId, words: &[&str]) {
        self.wake().await;
        let look = || async { Some(self.live(job).await?.waiting).filter(|lines| lines == words) };
        self.wait(&words.join("; "), look).await;
    }

    /// Why the sweep takes nothing.
    pub fn held_back(&self) -> Option<Hold> {
        self.ports.held_back.why()
    }

    /// The worker connects, and is not heard of again.
    pub async fn connect(&self, worker: WorkerId) {
        let hello = Hello {
            version: 1,
            worker,
            signature: String::new(),
            app_version: "0.1.0".to_owned(),
            machine: MachineFacts::default(),
            slots: vec![],
            held: vec![],
            pause: None,
            only_asks: false,
        };
        let bearer = worker.to_string();
        self.store.open_link(worker, LinkId::generate(), &bearer, &hello, self.now()).await.unwrap();
    }

    /// Renewals that the fleet has not stored yet.
    pub fn renewing(&self, leases: Vec<LeaseId>) {
        self.fleet.0.lock().unwrap().renewing = leases;
    }

    /// Whether the fleet's writes fail.
    pub fn cannot_renew(&self, cannot: bool) {
        self.fleet.0.lock().unwrap().cannot_renew = cannot;
    }

    pub async fn pass_time(&self, time: Millis) {
        self.clock.advance(time);
        self.wake().await;
    }

    /// Waits until `found` finds something; looks again whenever anything happened.
    pub async fn wait<T, W: Future<Output = Option<T>>>(&self, what: &str, found: impl Fn() -> W) -> T {
        let waiting = async {
            loop {
                let happened = self.fleet.1.notified();
                if let Some(found) = found().await {
                    return found;
                }
                // Not everything that happens in the store is told to the fleet.
                let _ = timeout(Millis(20).to_duration(), happened).await;
            }
        };
        let Ok(found) = timeout(PATIENCE.to_duration(), waiting).await else { panic!("no {what}") };
        found
    }

    /// The next offer of anybody.
    pub async fn offer(&self) -> OfferTask {
        self.wait("offer", || async {
            let mut slots = self.fleet.0.lock().unwrap();
            (!slots.offers.is_empty()).then(|| slots.offers.remove(0))
        })
        .await
    }

    pub fn offers_waiting(&self) -> usize {
        self.fleet.0.lock().unwrap().offers.len()
    }

    pub async fn cancel(&self) -> (WorkerId, Cancel) {
        self.wait("cancel", || async { self.fleet.0.lock().unwrap().cancels.pop() }).await
    }

    pub async fn rest(&self) -> RestWorker {
        self.wait("rest", || async { self.fleet.0.lock().unwrap().rests.pop() }).await
    }

    pub async fn job_in(&self, job: JobId, state: JobState) -> JobRow {
        self.wait(state.as_str(), || async {
            let row = self.store.job(job).await.unwrap();
            (row.state == state).then_some(row)
        })
        .await
    }

    pub async fn live(&self, job: JobId) -> Option<JobLive> {
        self.doors.jobs.ask(GetJobsLive(vec![job]), PATIENCE).await.unwrap().remove(&job)
    }

    pub fn announced(&self) -> Vec<Announce> {
        self.announced.take()
    }

    pub async fn said(&self, of: &OfferTask, said: FromWorker) {
        let (task, lease) = (&of.offer.task, of.offer.lease);
        let said = AttemptSaid { job: task.job, task: task.task, worker: of.worker, lease, said };
        self.doors.jobs.ask(said, PATIENCE).await.unwrap();
    }

    /// Accepts, and begins.
    pub async fn start(&self, of: &OfferTask) {
        self.said(of, FromWorker::Accept(of.offer.lease)).await;
        let started = AttemptStarted {
            lease: of.offer.lease,
            slot: of.offer.slot,
            engine: "Blender 3.4.1".into(),
            device: "CPU".into(),
        };
        self.said(of, FromWorker::AttemptStarted(started)).await;
    }

    /// Renders and delivers one frame.
    pub async fn frame(&self, of: &OfferTask, frame: i32) -> FrameStoredRow {
        self.frame_that_took(of, frame, Millis(1_000)).await
    }

    pub async fn frame_that_took(&self, of: &OfferTask, frame: i32, took: Millis) -> FrameStoredRow {
        let lease = of.offer.lease;
        let state = FrameState::Rendered { render_ms: took.0, memory_peak_bytes: None };
        self.said(of, FromWorker::FrameProgress(FrameProgress { lease, frame, state })).await;
        let stored = self.deliver_after(&of.offer, frame, took).await.unwrap();
        self.doors.jobs.ask(FrameStored(stored.clone()), PATIENCE).await.unwrap();
        stored
    }

    pub async fn deliver(&self, offer: &Offer, frame: i32) -> pictor_cloud::store::Result<FrameStoredRow> {
        self.deliver_after(offer, frame, Millis(1_000)).await
    }

    async fn deliver_after(
        &self,
        offer: &Offer,
        frame: i32,
        took: Millis,
    ) -> pictor_cloud::store::Result<FrameStoredRow> {
        let hash =
            BlobHash::from_bytes(std::array::from_fn(|_| u8::try_from(frame.rem_euclid(256)).unwrap()));
        self.store.put_blob(hash, 1, Some(self.account), self.now()).await.unwrap();
        let (lease, fence) = (offer.lease.lease, offer.lease.fence);
        let new = NewFrame { lease, fence, frame, hash, size: 1, render_ms: took.0 };
        self.store.store_frame(&new, self.now()).await
    }

    /// Does the whole task.
    pub async fn render(&self, of: &OfferTask) {
        self.start(of).await;
        for frame in &of.offer.task.frames {
            self.frame(of, *frame).await;
        }
        self.ended(of, AttemptOutcome::Rendered).await;
    }

    /// Refuses the offer.
    pub async fn declined(&self, of: &OfferTask) {
        let lease = of.offer.lease;
        let aside = SlotDeclined { worker: of.worker, slot: of.offer.slot };
        self.doors.dispatcher.try_send(aside).unwrap();
        self.fleet.0.lock().unwrap().free(lease.lease);
        let declined = Decline { lease, reason: DeclineReason::NotAccepting };
        self.said(of, FromWorker::Decline(declined)).await;
    }

    pub async fn fail(&self, of: &OfferTask, class: FailureClass, message: &str) {
        self.start(of).await;
        let failed = AttemptOutcome::Failed { class, message: message.into(), frame: None };
        self.ended(of, failed).await;
    }

    pub async fn ended(&self, of: &OfferTask, outcome: AttemptOutcome) {
        self.fleet.0.lock().unwrap().free(of.offer.lease.lease);
        self.said(of, FromWorker::AttemptEnded(AttemptEnded { lease: of.offer.lease, outcome })).await;
    }
}
