//! The farm as the rest of the cloud sees it: one clonable handle, usable from any thread.
//!
//! It turns calls into messages to the actors and waits a bounded time for their answers. A call that gets
//! none is answered with [`Busy`] or with *not known*: the truth is in the database, and every caller can ask
//! again.

use std::collections::BTreeMap;
use std::sync::Arc;

use pictor_actors::ids::{AccountId, JobId, LinkId, WorkerId};
use pictor_actors::now::Clock;
use pictor_actors::protocol::{
    FromWorker, Hello, MetricSample, Pause, Refusal, RefusalCode, Retry, ToWorker, Welcome,
};
use pictor_actors::supervise::{Door, KeptState, Shutdown};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::liveness::Hold;
use tokio::sync::mpsc;

use super::broadcast::{Announce, Broadcast, EventId, LiveEvent, Subscribe, Subscription, Topic};
use super::dispatcher::Wake;
use super::fleet::{Fleet, GetLive, NeedNode};
use super::job_live::{InHand, JobLive};
use super::jobs::{FrameStored, GetJobsLive, JobChanged};
use super::ports::{HeldBack, Timing, WorkDoors};
use super::replicas::{Peers, Replica};
use super::wiring::Nodes;
use super::worker_counts::Counting;
use super::worker_live::WorkerLive;
use super::worker_node::{
    Adopt, GetSamples, KEPT_FOR, KeyChanged, LinkGone, MinuteReadings, Remove, Said, SetPause,
};
use crate::blobs::Blobs;
use crate::bus::Nudge;
use crate::config::Config;
use crate::secrets::new_secret;
use crate::store::{FrameStoredRow, OpenedLink, Store, StoreError, WorkerMinuteRow, WorkerRow, between};
use crate::telemetry::Metrics;

/// An actor's answer is waited for this long: far above what it takes, far below what a person waits.
pub(super) const ANSWER_WITHIN: Millis = Millis::from_secs(2);
/// A refused worker of a cloud that is busy or stops comes back after this.
const COME_BACK_AFTER: Millis = Millis::from_secs(2);
/// A worker's message waits for its actor at most this long.
const HEARD_WITHIN: Millis = Millis::from_secs(10);
const BEARER_PREFIX: &str = "wkb_";

/// An actor's mailbox is full or it is being rebuilt: try again soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the farm is busy")]
pub struct Busy;

/// What a farm is started with.
pub struct FarmParts {
    /// The truth.
    pub store: Store,
    /// Stored bytes, for the sweeps.
    pub blobs: Arc<dyn Blobs>,
    /// Settings.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Metrics,
    /// Ends all.
    pub shutdown: Shutdown,
    /// This process among others on the same database; nothing: it is alone.
    pub replica: Option<Replica>,
}

/// A socket whose worker has proven who it is.
#[derive(Debug)]
pub struct LinkOpened {
    /// Who.
    pub worker: WorkerId,
    /// What it said.
    pub hello: Hello,
    /// Where messages to it go. Dropped by the farm: the socket is to be closed. Full: the farm drops it.
    /// Boxed: the channel makes room for 32 at once, for each worker.
    pub outbound: mpsc::Sender<Box<ToWorker>>,
}

/// The farm.
#[derive(Clone)]
pub struct Farm {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    pub(super) timing: Timing,
    pub(super) nodes: Nodes,
    pub(super) held_back: HeldBack,
    pub(super) work: WorkDoors,
    pub(super) broadcast: Door<Broadcast>,
    pub(super) fleet: Door<Fleet>,
    pub(super) peers: Peers,
    pub(super) counting: Counting,
    pub(super) shutdown: Shutdown,
}

impl Farm {
    /// Starts all actors on a thread of their own. Must be called inside an actix system.
    ///
    /// # Panics
    /// If the system cannot make a thread.
    #[must_use]
    pub fn start(parts: FarmParts) -> Self {
        super::start::start(parts)
    }

    /// A worker is there. `Ok`: send the welcome, then whatever comes out of the outbound channel.
    pub async fn link_opened(&self, opened: LinkOpened) -> Result<Welcome, Refusal> {
        if self.shutdown.is_stopping() {
            return Err(unavailable("the cloud stops"));
        }
        let link = LinkId::generate();
        let (bearer, bearer_hash) =
            new_secret(BEARER_PREFIX).map_err(|_| unavailable("the cloud has no random numbers"))?;
        let (worker, hello) = (opened.worker, opened.hello);
        let now = self.clock.now().wall;
        let opening = self.store.open_link(worker, link, &bearer_hash, &hello, now);
        let stored = between("link_open.before", opening, "link_open.after").await;
        let stored = stored.map_err(|error| link_not_stored(worker, &error))?;
        let wallet_address =
            self.store.account(stored.row.account_id).await.ok().and_then(|account| account.wallet_address);
        let worker_name = stored.row.name.clone();
        let adopted = self.adopt(link, hello, stored, opened.outbound).await?;
        // Another replica may still have an older connection of it.
        self.peers.tell(Nudge::Worker { worker });
        Ok(Welcome {
            link,
            bearer,
            heartbeat_after_ms: adopted.heartbeat_after.0,
            lease_ttl_ms: self.timing.lease_ttl.0,
            // The answer to the first heartbeat stops what is not its any more: a hello does not tell what it
            // works on from frames on their way, which may still count.
            drop: Vec::new(),
            worker_name,
            wallet_address,
            // Known where the socket is served, which has the blobs.
            puts_directly: false,
        })
    }

    async fn adopt(
        &self,
        link: LinkId,
        hello: Hello,
        stored: OpenedLink,
        outbound: mpsc::Sender<Box<ToWorker>>,
    ) -> Result<super::worker_node::Adopted, Refusal> {
        let need = NeedNode(Box::new(stored.row.clone()));
        let node = self.fleet.ask(need, ANSWER_WITHIN).await.map_err(|_| unavailable("the cloud is busy"))?;
        let node = node.ok_or_else(|| unavailable("the cloud stops"))?;
        let adopt = Adopt { link, hello: Box::new(hello), opened: Box::new(stored), outbound };
        node.ask(adopt, ANSWER_WITHIN).await.map_err(|_| unavailable("the cloud is busy"))?
    }

    /// A message of a welcomed worker; waits until it is heard, so that a worker that says much is held back
    /// at its socket. `Err`: it was not heard in time; close the socket.
    pub async fn link_said(&self, worker: WorkerId, link: LinkId, said: FromWorker) -> Result<(), Busy> {
        let node = self.nodes.get(worker).ok_or(Busy)?;
        node.ask(Said { link, said }, HEARD_WITHIN).await.map_err(|_| Busy)
    }

    /// The socket is gone.
    pub fn link_closed(&self, worker: WorkerId, link: LinkId) {
        if let Some(node) = self.nodes.get(worker) {
            // Lost: the actor finds out when it next speaks to the socket, or by silence.
            let _ = node.try_send(LinkGone(link));
        }
    }

    /// These workers as they are now, in the order asked; from their rows where they were not here lately.
    /// Left out: those that do not exist.
    pub async fn workers_live(&self, workers: Vec<WorkerId>) -> Vec<WorkerLive> {
        let is_alone = self.peers.me().is_none();
        let mut known = if is_alone { self.known_live(&workers).await } else { BTreeMap::new() };
        let mut live = Vec::with_capacity(workers.len());
        for worker in workers {
            match known.remove(&worker) {
                Some(found) => live.push(found),
                None => match self.store.worker(worker).await {
                    Ok(row) if is_alone => live.push(self.live_of_row(&row)),
                    Ok(row) => live.extend(self.workers_live_of(&[row]).await),
                    Err(_) => {}
                },
            }
        }
        live
    }

    /// These workers as they are now, in the order given, without a look into the database.
    pub async fn workers_live_of(&self, rows: &[WorkerRow]) -> Vec<WorkerLive> {
        // What is left here of a worker that is connected to another replica is older than its row.
        let here = rows.iter().filter(|row| !self.peers.has_link(row.link_id, row.replica_id));
        let ids: Vec<WorkerId> = here.map(|row| row.id).collect();
        let mut known = self.known_live(&ids).await;
        rows.iter().map(|row| known.remove(&row.id).unwrap_or_else(|| self.live_of_row(row))).collect()
    }

    async fn known_live(&self, workers: &[WorkerId]) -> BTreeMap<WorkerId, WorkerLive> {
        let asked = self.fleet.ask(GetLive(workers.to_vec()), ANSWER_WITHIN).await;
        asked.unwrap_or_default().into_iter().map(|live| (live.worker, live)).collect()
    }

    fn live_of_row(&self, row: &WorkerRow) -> WorkerLive {
        WorkerLive::of_row(row, self.timing.limits, self.clock.now().wall)
    }

    /// Samples of the last 15 minutes, oldest first; of a worker that has no actor here by the minute.
    pub async fn worker_samples(&self, worker: WorkerId) -> Vec<MetricSample> {
        let samples = match self.nodes.get(worker) {
            Some(node) => node.ask(GetSamples, ANSWER_WITHIN).await.unwrap_or_default(),
            None => Vec::new(),
        };
        if samples.is_empty() { self.worker_minutes(worker).await } else { samples }
    }

    async fn worker_minutes(&self, worker: WorkerId) -> Vec<MetricSample> {
        let since = UnixMillis(self.clock.now().wall.0.saturating_sub_unsigned(KEPT_FOR.0));
        let minutes = self.store.worker_minutes(worker, since).await.unwrap_or_default();
        let as_sample = |row: WorkerMinuteRow| {
            serde_json::from_value::<MinuteReadings>(row.readings)
                .ok()
                .map(|all| all.to_sample(row.minute_at))
        };
        minutes.into_iter().filter_map(as_sample).collect()
    }

    /// The owner paused or resumed a worker, and it is stored: tells the worker.
    pub fn set_pause(&self, worker: WorkerId, pause: Option<Pause>) {
        self.peers.tell(Nudge::Worker { worker });
        if let Some(node) = self.nodes.get(worker) {
            // Lost: the worker hears of it at its next connection.
            let _ = node.try_send(SetPause(pause));
        }
    }

    /// A worker was removed, and it is stored: its socket is closed for good.
    pub fn worker_removed(&self, worker: WorkerId) {
        self.peers.tell(Nudge::Worker { worker });
        if let Some(node) = self.nodes.get(worker) {
            let _ = node.try_send(Remove); // lost: its bearer is dead already
        }
    }

    /// A machine was enrolled as this worker: whoever is connected with the key before is let go.
    pub fn worker_enrolled(&self, account: AccountId, worker: WorkerId) {
        self.peers.tell(Nudge::Worker { worker });
        if let Some(node) = self.nodes.get(worker) {
            let _ = node.try_send(KeyChanged); // lost: its bearer is dead already
        }
        self.worker_changed(account, worker);
    }

    /// A worker's row was written (renamed, renamed, refused at enrolment): its owner's pages look again.
    pub fn worker_changed(&self, account: AccountId, worker: WorkerId) {
        // Lost: pages show it with the next event.
        let event = LiveEvent::WorkerChanged(worker);
        let _ = self.broadcast.try_send(Announce { account, event });
        self.peers.tell(Nudge::Live { account, event });
    }

    /// A job's rows were written by hand: its actor looks at them again, and the dispatchers at its tasks.
    pub fn job_changed(&self, job: JobId) {
        let _ = self.work.jobs.try_send(JobChanged(job)); // lost: the sweeps look at every live job
        let _ = self.work.dispatcher.try_send(Wake); // lost: its next turn is at hand
        self.peers.tell(Nudge::Job { job, by_hand: true });
    }

    /// A frame was stored.
    pub fn frame_stored(&self, row: FrameStoredRow) {
        if !row.already {
            self.metrics.frame_stored(row.receipt.size);
        }
        let _ = self.work.jobs.try_send(FrameStored(row)); // lost: the job's actor reads its rows again
    }

    /// What the live ones of these jobs do now: one question for all of them.
    pub async fn jobs_live(&self, jobs: Vec<JobId>) -> BTreeMap<JobId, JobLive> {
        if jobs.is_empty() {
            return BTreeMap::new();
        }
        let mut live = self.work.jobs.ask(GetJobsLive(jobs.clone()), ANSWER_WITHIN).await.unwrap_or_default();
        if self.peers.seen().others > 0 {
            self.add_in_hand_elsewhere(&jobs, &mut live).await;
        }
        live
    }

    /// What workers of other replicas have in hand, as their rows say.
    async fn add_in_hand_elsewhere(&self, jobs: &[JobId], live: &mut BTreeMap<JobId, JobLive>) {
        // Left out where the database is away: pages show the rest.
        let rows = self.store.workers_elsewhere_on(jobs).await.unwrap_or_default();
        let workers: Vec<WorkerLive> = rows.iter().map(|row| self.live_of_row(row)).collect();
        for job in jobs {
            let there: Vec<InHand> = workers.iter().flat_map(|worker| worker.in_hand_of(*job)).collect();
            if !there.is_empty() || live.contains_key(job) {
                let of_job = live.entry(*job).or_default();
                of_job.in_hand.retain(|hand| rows.iter().all(|row| row.id != hand.worker));
                of_job.in_hand.extend(there);
            }
        }
    }

    /// Live events of a topic, of an account's workers only those in `rows` unless that is empty; with
    /// `after`, first those that were missed since that one (or `Resync`).
    pub async fn subscribe(
        &self,
        topic: Topic,
        rows: Vec<WorkerId>,
        after: Option<EventId>,
    ) -> Result<Subscription, Busy> {
        self.broadcast.ask(Subscribe { topic, rows, after }, ANSWER_WITHIN).await.ok().flatten().ok_or(Busy)
    }

    /// Why silent workers keep their tasks at present; nothing in quiet times.
    #[must_use]
    pub fn held_back(&self) -> Option<Hold> {
        self.held_back.why()
    }

    /// The kept actors that there is one of, for readiness and metrics.
    #[must_use]
    pub fn kept(&self) -> Vec<KeptState> {
        vec![self.fleet.state(), self.broadcast.state(), self.work.jobs.state(), self.work.dispatcher.state()]
    }

    /// Whether the actors' thread answers.
    pub async fn answers(&self) -> Result<(), Busy> {
        self.fleet.ask(GetLive(Vec::new()), ANSWER_WITHIN).await.map(drop).map_err(|_| Busy)
    }

    /// Ends all; also tells whether an end was asked for.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }
}

fn link_not_stored(worker: WorkerId, error: &StoreError) -> Refusal {
    if matches!(error, StoreError::NotFound) {
        return Refusal {
            code: RefusalCode::UnknownWorker,
            message:
                "this cloud has no such worker (it may have been removed): import a new configuration file"
                    .to_owned(),
            retry: Retry::Never,
        };
    }
    tracing::warn!(%worker, %error, "a connection was not stored");
    unavailable("the cloud cannot reach its database")
}

fn unavailable(why: &str) -> Refusal {
    Refusal {
        code: RefusalCode::Unavailable,
        message: format!("{why}: come back in a moment"),
        retry: Retry::After { ms: COME_BACK_AFTER.0 },
    }
}
