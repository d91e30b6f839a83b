//! The cloud's side: a node for each worker, the dispatcher, the jobs and the sweep of expired leases, each
//! stepping the cloud's own machines as its actor does. What a cloud knows dies with it.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{JobId, LeaseId, LinkId, TaskId};
use pictor_actors::limits::LEASES_PER_SLOT_MAX;
use pictor_actors::now::Mono;
use pictor_actors::protocol::assignment::{RenderSettings, TaskLimits};
use pictor_actors::protocol::{
    AttemptOutcome, Cancel, CancelReason, Challenge, FromWorker, Heartbeat, HeartbeatAck, LeaseRef, Offer,
    TaskSpec, ToWorker, VERSION, Welcome,
};
use pictor_actors::units::{BlobHash, Millis};
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::job::chunking::{self, Cut};
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::liveness::{Connection, HeartbeatPolicy, Liveness, LivenessLimits};
use pictor_cloud_domain::placement::{self, Problem, SlotIn, TaskIn};
use pictor_cloud_domain::task::TaskState;
use pictor_cloud_domain::worker::holdings::{Holdings, Live, Stage};

use crate::machine::id_of;
use crate::silence::Silence;
use crate::store::{Grant, LEASE_TTL, Said, Wish, Write, failed_on};
use crate::world::{Event, Farm, Mend, Pending, Trouble, Upload};

/// How often the dispatcher and the jobs look by themselves.
const LOOK_EVERY: u64 = 2_000;
/// How often gathered renewals are written.
const WRITE_EVERY: u64 = 2_000;
/// How often expired leases are looked for.
const SWEEP_EVERY: u64 = 5_000;
/// Tries of a write that was certainly not done.
const TRIES: u8 = 5;
pub const LIMITS: LivenessLimits =
    LivenessLimits { stale_after: Millis(15_000), offline_after: Millis(60_000) };

/// What the cloud does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routine {
    Look,
    Write,
    Sweep,
    Node(usize),
}

/// Who asked for a transaction, and what follows from its end.
#[derive(Debug, Clone)]
pub enum Caller {
    Link { worker: usize, connection: u64, held: Vec<LeaseRef> },
    Turn(Vec<Grant>),
    Job,
    Cut(JobId),
    Release(u8),
    Renewing,
    Sweep,
    Frame(Upload, u8),
    Person(JobId, Wish),
}

/// What the cloud knows while it runs.
pub struct Cloud {
    nodes: Vec<Node>,
    is_turning: bool,
    cutting: BTreeSet<JobId>,
    pub silence: Silence,
}

/// One worker as the cloud sees it.
pub struct Node {
    pub link: Option<Link>,
    link_number: u64,
    slots: u16,
    liveness: Liveness,
    pub holdings: Holdings,
    /// How many heartbeats of this connection in a row have not named a lease that its worker took: counted
    /// here too, beside the machine under test.
    pub unnamed: BTreeMap<LeaseId, u32>,
    warm: BTreeMap<u16, JobId>,
    due: Option<u64>,
}

pub struct Link {
    connection: u64,
    last_seq: Option<u64>,
}

impl Farm {
    pub fn start_cloud(&mut self) {
        self.cloud_life += 1;
        let node = || Node {
            link: None,
            link_number: 0,
            slots: 0,
            liveness: Liveness::never(LIMITS),
            holdings: Holdings::default(),
            unnamed: BTreeMap::new(),
            warm: BTreeMap::new(),
            due: None,
        };
        let now = self.clock();
        self.cloud = Some(Cloud {
            nodes: (0..self.plan.workers).map(|_| node()).collect(),
            is_turning: false,
            cutting: BTreeSet::new(),
            silence: Silence::new(now),
        });
        for (what, wait) in
            [(Routine::Look, 100), (Routine::Write, WRITE_EVERY), (Routine::Sweep, SWEEP_EVERY)]
        {
            self.due_in(wait, what);
        }
    }

    /// Its memory is gone and its sockets break; a transaction under way may still commit.
    pub fn cloud_dies(&mut self, is_power_cut: bool, length: u64) {
        if self.cloud.take().is_none() {
            return;
        }
        if is_power_cut {
            self.store.power_cut();
        }
        let tickets: Vec<u64> = self.pending.keys().copied().collect();
        for ticket in tickets {
            if self.rng.bool() {
                self.pending.remove(&ticket);
            }
        }
        for worker in 0..self.plan.workers {
            let connection = self.machines[worker].connection;
            let wait = self.rng.u64(0..10_000);
            self.after(wait, Event::Closed { worker, connection, at_cloud: false });
        }
        self.after(length, Event::Mend(Mend::Cloud));
    }

    fn due_in(&mut self, wait: u64, what: Routine) {
        let life = self.cloud_life;
        self.after(wait, Event::Due { life, what });
    }

    pub fn cloud_due(&mut self, life: u64, what: Routine) {
        if life != self.cloud_life || self.cloud.is_none() {
            return;
        }
        match what {
            Routine::Look => {
                self.submit_jobs();
                self.look_at_jobs();
                self.take_turn();
                self.due_in(LOOK_EVERY, what);
            }
            Routine::Write => {
                self.write_renewals();
                self.due_in(WRITE_EVERY, what);
            }
            Routine::Sweep => {
                self.sweep();
                self.due_in(SWEEP_EVERY, what);
            }
            Routine::Node(worker) => self.node_due(worker),
        }
    }

    pub fn cloud(&mut self) -> &mut Cloud {
        self.cloud.as_mut().expect("only a running cloud does anything")
    }

    pub fn node(&mut self, worker: usize) -> &mut Node {
        &mut self.cloud().nodes[worker]
    }

    // ---- transactions

    /// Hands a transaction to the store. What becomes of it may stay unknown.
    pub fn submit(&mut self, write: Write, caller: Caller) {
        let ticket = self.new_ticket();
        let maybe = self.plan.maybe;
        let trouble = self.is_once_in(maybe).then(|| self.rng.u8(0..3));
        let (commits, known) = match trouble {
            None => (true, None),
            Some(0) => (false, Some(Err(Trouble::Unavailable))),
            Some(1) => (false, Some(Err(Trouble::Unknown))),
            Some(_) => (true, Some(Err(Trouble::Unknown))),
        };
        let slow = self.database_slow_until.saturating_sub(self.now);
        let (commit_in, told_in) = (slow + self.rng.u64(1..20), self.rng.u64(0..10));
        self.pending.insert(ticket, Pending { write, caller, known });
        if commits {
            self.after(commit_in, Event::Commit { ticket });
        }
        let life = self.cloud_life;
        self.after(commit_in + told_in, Event::Told { life, ticket });
    }

    pub fn commit(&mut self, ticket: u64) {
        let now = self.wall();
        let Some(pending) = self.pending.get_mut(&ticket) else { return };
        let said = self.store.commit(&pending.write, now);
        pending.known.get_or_insert(Ok(said));
    }

    pub fn told_of(&mut self, life: u64, ticket: u64) {
        let Some(Pending { write, caller, known }) = self.pending.remove(&ticket) else { return };
        if life != self.cloud_life || self.cloud.is_none() {
            return;
        }
        let said = known.unwrap_or(Err(Trouble::Unavailable));
        self.say(|| format!("told {said:?}"));
        match caller {
            Caller::Link { worker, connection, held } => self.adopt(worker, connection, &held, said),
            Caller::Turn(grants) => self.turn_ended(write, grants, said),
            Caller::Job => {
                if said == Err(Trouble::Unavailable) {
                    self.submit(write, Caller::Job);
                }
            }
            Caller::Cut(job) => drop(self.cloud().cutting.remove(&job)),
            Caller::Release(tries) => {
                if said.is_err() && tries < TRIES {
                    self.submit(write, Caller::Release(tries + 1));
                }
            }
            Caller::Renewing => self.cloud().silence.written(said.is_ok()),
            Caller::Sweep => self.swept(said),
            Caller::Frame(upload, tries) => self.frame_stored(write, upload, tries, said),
            Caller::Person(job, wish) => self.wished(job, wish, said),
        }
    }

    fn release(&mut self, leases: Vec<LeaseId>, outcome: Outcome) {
        if !leases.is_empty() {
            self.submit(Write::Release { leases, outcome }, Caller::Release(1));
        }
    }

    // ---- links

    pub fn opened(&mut self, worker: usize, connection: u64) {
        if self.cloud.is_none() || self.machines[worker].connection != connection {
            return self.after(1, Event::Closed { worker, connection, at_cloud: false });
        }
        let cloud_time = self.wall();
        let challenge = Challenge { nonce: String::new(), versions: vec![VERSION], cloud_time };
        self.send_down(worker, connection, ToWorker::Challenge(challenge));
    }

    fn send_down(&mut self, worker: usize, connection: u64, said: ToWorker) {
        for wait in self.ways(worker, false) {
            self.after(wait, Event::Down { worker, connection, said: Box::new(said.clone()) });
        }
    }

    /// Sends over the worker's present connection; false: it has none.
    fn say_down(&mut self, worker: usize, said: ToWorker) -> bool {
        let Some(connection) = self.node(worker).link.as_ref().map(|link| link.connection) else {
            return false;
        };
        self.send_down(worker, connection, said);
        true
    }

    pub fn cloud_lost(&mut self, worker: usize, connection: u64) {
        if self.cloud.is_some()
            && self.node(worker).link.as_ref().is_some_and(|link| link.connection == connection)
        {
            self.node(worker).link = None;
        }
    }

    fn adopt(&mut self, worker: usize, connection: u64, held: &[LeaseRef], said: Result<Said, Trouble>) {
        let Ok(Said::Link { number }) = said else {
            return self.after(1, Event::Closed { worker, connection, at_cloud: false });
        };
        if number < self.node(worker).link_number {
            return self.after(1, Event::Closed { worker, connection, at_cloud: false });
        }
        let id = id_of(worker);
        let live: Vec<Live> = self
            .store
            .live()
            .filter(|(_, row)| row.worker == id)
            .map(|(lease, row)| Live {
                lease: LeaseRef { lease: *lease, fence: row.life.fence },
                slot: row.slot,
                task: row.task,
                job: row.job,
                state: row.life.state,
                outcome: row.life.outcome,
                lost_after: Some(LEASE_TTL),
                started_at: None,
            })
            .collect();
        let (now, slots) = (self.clock(), self.machines[worker].slots.len());
        let after = policy().next_after(self.plan.workers, self.rng.u64(..));
        let node = self.node(worker);
        node.link_number = number;
        node.link = Some(Link { connection, last_seq: None });
        node.slots = u16::try_from(slots).unwrap();
        node.warm.clear();
        node.unnamed.clear();
        let compared = node.holdings.reconcile(held, &live, LEASE_TTL, now);
        node.liveness.on_sign(now.mono, after);
        self.heard(worker, compared.renew);
        self.release(compared.lost, Outcome::Released);
        let welcome = Welcome {
            link: LinkId::from_u128(u128::from(connection)),
            bearer: String::new(),
            heartbeat_after_ms: after.0,
            lease_ttl_ms: LEASE_TTL.0,
            drop: Vec::new(),
            worker_name: String::new(),
            wallet_address: None,
            puts_directly: false,
        };
        self.send_down(worker, connection, ToWorker::Welcome(Box::new(welcome)));
        self.arm_node(worker);
    }

    // ---- what workers say

    pub fn cloud_hears(&mut self, worker: usize, connection: u64, said: FromWorker) {
        if self.cloud.is_none() {
            return;
        }
        if let FromWorker::Hello(hello) = said {
            let caller = Caller::Link { worker, connection, held: hello.held };
            return self.submit(Write::OpenLink { worker: id_of(worker), connection }, caller);
        }
        if self.node(worker).link.as_ref().is_none_or(|link| link.connection != connection) {
            return;
        }
        match said {
            FromWorker::Heartbeat(heartbeat) => self.heartbeat(worker, &heartbeat),
            FromWorker::Accept(lease) => self.attempt(worker, lease, &said),
            FromWorker::Decline(ref decline) => self.attempt(worker, decline.lease, &said),
            FromWorker::AttemptStarted(ref started) => self.attempt(worker, started.lease, &said),
            FromWorker::AttemptEnded(ref ended) => self.attempt(worker, ended.lease, &said),
            _ => {}
        }
        self.arm_node(worker);
    }

    fn heartbeat(&mut self, worker: usize, heartbeat: &Heartbeat) {
        let now = Mono(self.now);
        let after = policy().next_after(self.plan.workers, self.rng.u64(..));
        let in_slots: BTreeSet<LeaseRef> = heartbeat.slots.iter().filter_map(|slot| slot.lease).collect();
        let named: BTreeSet<LeaseRef> = in_slots.iter().chain(&heartbeat.held).copied().collect();
        let node = self.node(worker);
        let Some(link) = &mut node.link else { return };
        if link.last_seq.is_some_and(|last| heartbeat.seq <= last) {
            return;
        }
        link.last_seq = Some(heartbeat.seq);
        node.liveness.on_sign(now, after);
        let compared = node.holdings.on_heartbeat(&in_slots, &named, LEASE_TTL, now);
        self.release(compared.lost, Outcome::Released);
        let ack = HeartbeatAck { seq: heartbeat.seq, next_after_ms: after.0, cancel: compared.foreign };
        self.say_down(worker, ToWorker::HeartbeatAck(ack));
        self.heard(worker, compared.renew);
        self.count_unnamed(worker, &named);
    }

    fn attempt(&mut self, worker: usize, lease: LeaseRef, said: &FromWorker) {
        let now = Mono(self.now);
        let node = self.node(worker);
        let Some((task, job, slot)) = node.holdings.get(lease).map(|held| (held.task, held.job, held.slot))
        else {
            return self.cancel(worker, lease, CancelReason::Superseded);
        };
        match said {
            FromWorker::Accept(_) => {
                node.holdings.advance(lease.lease, Stage::Accepted, now);
                self.submit(Write::Accepted(lease), Caller::Job);
            }
            FromWorker::AttemptStarted(_) => {
                node.holdings.advance(lease.lease, Stage::Running, now);
                node.warm.insert(slot, job);
                self.submit(Write::Started(lease), Caller::Job);
            }
            FromWorker::Decline(_) => {
                node.holdings.remove(lease.lease);
                self.release(vec![lease.lease], Outcome::Declined);
            }
            FromWorker::AttemptEnded(ended) => match &ended.outcome {
                AttemptOutcome::Rendered => {
                    node.holdings.advance(lease.lease, Stage::Delivering, now);
                    self.submit(Write::Rendered(lease), Caller::Job);
                }
                AttemptOutcome::Stopped => {
                    node.holdings.remove(lease.lease);
                    self.release(vec![lease.lease], Outcome::Stopped);
                }
                AttemptOutcome::Failed { class, .. } => {
                    node.holdings.remove(lease.lease);
                    self.judge(worker, lease, task, *class);
                }
            },
            _ => {}
        }
    }

    pub fn cancel(&mut self, worker: usize, lease: LeaseRef, reason: CancelReason) {
        self.say_down(worker, ToWorker::Cancel(Cancel { lease, reason }));
    }

    /// The cloud took a lease back: its node forgets it and its worker hears of it.
    pub fn take_back(&mut self, lease: LeaseId, reason: CancelReason) {
        let Some(row) = self.store.leases.get(&lease) else { return };
        let lease = LeaseRef { lease, fence: row.life.fence };
        let worker = usize::try_from(number_of(row.worker)).unwrap();
        if reason != CancelReason::JobPaused {
            self.node(worker).holdings.remove(lease.lease);
        }
        self.cancel(worker, lease, reason);
    }

    // ---- nodes

    fn arm_node(&mut self, worker: usize) {
        let now = self.now;
        let node = self.node(worker);
        let dues = [node.liveness.next_deadline().map(|deadline| deadline.at), node.holdings.next_deadline()];
        let Some(at) = dues.into_iter().flatten().min().map(|at| at.0.max(now + 1)) else { return };
        if node.due.is_none_or(|due| due > at || due <= now) {
            node.due = Some(at);
            self.due_in(at - now, Routine::Node(worker));
        }
    }

    fn node_due(&mut self, worker: usize) {
        let now = Mono(self.now);
        let node = self.node(worker);
        node.due = None;
        node.liveness.on_deadline(now);
        let unanswered = node.holdings.take_unanswered(now);
        for lease in &unanswered {
            self.cancel(worker, *lease, CancelReason::NotAnswered);
        }
        self.release(unanswered.iter().map(|lease| lease.lease).collect(), Outcome::NotAnswered);
        self.arm_node(worker);
    }

    // ---- dispatcher

    fn slots_in(&self) -> Vec<SlotIn> {
        let Some(cloud) = &self.cloud else { return Vec::new() };
        let mut slots = Vec::new();
        for (number, node) in cloud.nodes.iter().enumerate() {
            if node.link.is_none() || node.liveness.connection() != Connection::Online {
                continue;
            }
            slots.extend((0..node.slots).map(|slot| SlotIn {
                worker: id_of(number),
                slot,
                engines: vec![pictor_actors::protocol::assignment::RenderEngine::Cycles],
                has_gpu: true,
                leases_held: u8::try_from(node.holdings.count_on(slot).min(LEASES_PER_SLOT_MAX)).unwrap(),
                warm_job: node.warm.get(&slot).copied(),
                rested: false,
            }));
        }
        slots
    }

    fn take_turn(&mut self) {
        if std::mem::replace(&mut self.cloud().is_turning, true) {
            return;
        }
        let (now, mut tasks) = (self.wall(), Vec::new());
        for (id, task) in &self.store.tasks {
            let job = &self.store.jobs[&task.job];
            let may_run = matches!(job.life.state, JobState::Ready | JobState::Running);
            if !may_run
                || task.life.state != TaskState::Pending
                || task.life.is_leased
                || task.life.not_before > now
            {
                continue;
            }
            let of_account =
                self.store.live().filter(|(_, row)| self.store.jobs[&row.job].account == job.account);
            tasks.push(TaskIn {
                task: *id,
                job: task.job,
                account: job.account,
                priority: job.priority,
                job_created_at: job.created_at,
                engine: None,
                failed_on: failed_on(&self.store, *id),
                running_of_account: u32::try_from(of_account.count()).unwrap(),
            });
        }
        let plan =
            placement::solve(&Problem { slots: self.slots_in(), tasks, absent: Vec::new(), grants_max: 256 });
        let grants: Vec<Grant> = plan
            .grants
            .iter()
            .map(|grant| Grant {
                lease: self.new_lease_id(),
                task: grant.task,
                worker: grant.worker,
                slot: grant.slot,
                fence_seen: self.store.tasks[&grant.task].life.fence,
            })
            .collect();
        if grants.is_empty() {
            self.cloud().is_turning = false;
            return;
        }
        let until = now.plus(LEASE_TTL);
        self.submit(Write::Grant { grants: grants.clone(), until }, Caller::Turn(grants));
    }

    fn turn_ended(&mut self, write: Write, grants: Vec<Grant>, said: Result<Said, Trouble>) {
        let granted: Vec<LeaseId> = match said {
            Ok(Said::Granted(granted)) => granted,
            Err(Trouble::Unavailable) => return self.submit(write, Caller::Turn(grants)),
            // Which of them are there is read.
            Ok(_) | Err(Trouble::Unknown) => self
                .store
                .live()
                .map(|(id, _)| *id)
                .filter(|id| grants.iter().any(|g| g.lease == *id))
                .collect(),
        };
        self.cloud().is_turning = false;
        for id in granted {
            let Some(row) = self.store.leases.get(&id).cloned() else { continue };
            let offer = Offer {
                lease: LeaseRef { lease: id, fence: row.life.fence },
                slot: row.slot,
                ahead: false,
                task: spec(row.task, row.job, self.store.frames_left(row.task)),
            };
            let (worker, now) = (usize::try_from(number_of(row.worker)).unwrap(), Mono(self.now));
            self.node(worker).holdings.offer(&offer, Some(LEASE_TTL), now);
            if !self.say_down(worker, ToWorker::Offer(Box::new(offer))) {
                self.node(worker).holdings.remove(id);
                self.release(vec![id], Outcome::NotAnswered);
            }
            self.arm_node(worker);
        }
    }

    // ---- jobs

    fn look_at_jobs(&mut self) {
        let slots = u32::try_from(self.slots_in().len()).unwrap();
        let live: Vec<JobId> = self
            .store
            .jobs
            .iter()
            .filter(|(_, job)| {
                matches!(job.life.state, JobState::Ready | JobState::Running | JobState::Paused)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in live {
            let job = &self.store.jobs[&id];
            let of_job =
                || self.store.tasks.values().filter(|task| task.job == id && !task.life.state.is_ended());
            let waiting = u32::try_from(of_job().filter(|task| !task.life.is_leased).count()).unwrap();
            if of_job().next().is_none() && job.frames_planned >= job.frames_total {
                self.submit(Write::EndIfDone(id), Caller::Job);
                continue;
            }
            if job.life.state == JobState::Paused {
                if self.is_calm {
                    // In the end its creator wants to see it.
                    self.submit(Write::Wish(id, Wish::Resume), Caller::Person(id, Wish::Resume));
                }
                continue;
            }
            let sizes = chunking::next_tasks(&Cut {
                frames_total: job.frames_total,
                frames_planned: job.frames_planned,
                tasks_pending: waiting,
                slots,
                frame_mean: (job.frames_done > 0).then_some(Millis(self.plan.frame_ms)),
                chunk: job.chunk,
            });
            let planned_before = job.frames_planned;
            if !sizes.is_empty() && self.cloud().cutting.insert(id) {
                let first = self.new_task_ids();
                self.submit(Write::Cut { job: id, planned_before, sizes, first }, Caller::Cut(id));
            }
        }
    }

    fn wished(&mut self, job: JobId, wish: Wish, said: Result<Said, Trouble>) {
        if said != Ok(Said::Done) {
            return;
        }
        let of_job = |(id, row): (&LeaseId, &crate::store::LeaseRow)| (row.job == job).then_some(*id);
        let leases: Vec<LeaseId> = match wish {
            Wish::Pause | Wish::Cancel => self.store.leases.iter().filter_map(of_job).collect(),
            Wish::Resume | Wish::Retry => Vec::new(),
        };
        for lease in leases {
            let is_live = self.store.live().any(|(id, _)| *id == lease);
            match (wish, is_live) {
                (Wish::Pause, true) => self.take_back(lease, CancelReason::JobPaused),
                (Wish::Cancel, false) => self.take_back(lease, CancelReason::JobCancelled),
                _ => {}
            }
        }
    }
}

pub fn policy() -> HeartbeatPolicy {
    HeartbeatPolicy::new(Millis(5_000))
}

pub fn number_of(worker: pictor_actors::ids::WorkerId) -> u128 {
    let text = worker.to_string();
    u128::from_str_radix(text.trim_start_matches("wrk_"), 16).unwrap() - 1
}

fn spec(task: TaskId, job: JobId, frames: Vec<i32>) -> TaskSpec {
    TaskSpec {
        task,
        job,
        job_name: String::new(),
        attempt: 1,
        frames,
        inputs: BlobHash::from_bytes([0; 32]),
        render: RenderSettings::default(),
        limits: TaskLimits { frame_time_ms: 1, memory_bytes: None },
    }
}
