//! One farm in one thread: a queue of events by time, the machines on both sides, the faults between them.
//!
//! Everything that happens is an event; every random choice comes from the seed. The same seed gives the same
//! events in the same order, and so the same digest.

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;
use pictor_actors::ids::{JobId, LeaseId, TaskId};
use pictor_actors::now::{Mono, Now};
use pictor_actors::protocol::{FromWorker, LeaseRef, ToWorker};
use pictor_actors::units::UnixMillis;
use pictor_worker_domain::outbox::Key;

use crate::checks::Checks;
use crate::cloud::{Caller, Cloud, Routine};
use crate::machine::{Answer, Engine, Machine};
use crate::plan::Plan;
use crate::store::{Said, Store, Write};

/// Events after which faults stop.
pub const STEPS: u64 = 2_000;
/// Simulated time in which every job must end once faults have stopped.
const SETTLE_MS: u64 = 4 * 3_600_000;
/// Events of a whole run; more is a farm that spins.
const EVENTS_MAX: u64 = 400_000;
/// Newest events that a failure shows.
const SHOWN: usize = 120;

/// What can happen.
#[derive(Debug, Clone)]
pub enum Event {
    /// A socket reaches the cloud.
    Opened { worker: usize, connection: u64 },
    /// One end sees that the socket is gone.
    Closed { worker: usize, connection: u64, at_cloud: bool },
    /// A message reaches the cloud.
    Up { worker: usize, connection: u64, said: Box<FromWorker> },
    /// A message reaches the worker.
    Down { worker: usize, connection: u64, said: Box<ToWorker> },
    /// The first bytes of a frame reach the cloud.
    Put { upload: Upload },
    /// A blob is whole in the cloud's folder, and then flushed.
    Flushed { life: u64, upload: Upload },
    /// The answer to an upload reaches the worker.
    Answered { upload: Upload, answer: Answer },
    /// A transaction commits.
    Commit { ticket: u64 },
    /// Its caller hears of it.
    Told { life: u64, ticket: u64 },
    /// Something of the cloud is due.
    Due { life: u64, what: Routine },
    /// A worker's session or outbox is due.
    WorkerDue { worker: usize, life: u64 },
    /// A slot is due.
    SlotDue { worker: usize, life: u64, slot: usize },
    /// The inputs of a lease are there, or are not to be had.
    Inputs { worker: usize, life: u64, slot: usize, lease: LeaseRef, are_there: bool },
    /// An engine did something.
    Engine { worker: usize, life: u64, slot: usize, engine: u64, did: Engine },
    /// A frame was hashed and flushed, or could not be.
    Kept { worker: usize, life: u64, slot: usize, lease: LeaseRef, frame: i32, is_kept: bool },
    /// The next fault.
    Trouble,
    /// Something that was broken is whole again.
    Mend(Mend),
}

/// What ends by itself.
#[derive(Debug, Clone, Copy)]
pub enum Mend {
    Cloud,
    Worker(usize),
    Line(usize),
}

/// One sending of one frame.
#[derive(Debug, Clone, Copy)]
pub struct Upload {
    pub worker: usize,
    pub life: u64,
    pub number: u64,
    pub key: Key,
    pub fence: u64,
    pub blob: u64,
}

/// The line between a worker and the cloud.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Line {
    /// Nothing gets through, and sockets break.
    pub is_cut: bool,
    /// Nothing reaches the cloud, though nobody is told.
    pub is_mute: bool,
    /// Nothing reaches the worker, though nobody is told.
    pub is_deaf: bool,
}

/// The farm.
pub struct Farm {
    pub rng: Rng,
    pub plan: Plan,
    pub now: u64,
    /// The cloud's time of day is this far from the true one.
    pub wall_off: i64,
    pub store: Store,
    pub pending: BTreeMap<u64, Pending>,
    pub cloud: Option<Cloud>,
    pub cloud_life: u64,
    pub machines: Vec<Machine>,
    pub lines: Vec<Line>,
    /// Nobody of these runs until then.
    pub cloud_stalled_until: u64,
    pub stalled_until: Vec<u64>,
    pub database_slow_until: u64,
    pub is_calm: bool,
    pub checks: Checks,
    queue: BTreeMap<(u64, u64), Event>,
    next: u64,
    pub steps: u64,
    digest: u64,
    shown: VecDeque<String>,
}

/// A transaction under way, and what its caller will be told, once that is known.
pub struct Pending {
    pub write: Write,
    pub caller: Caller,
    pub known: Option<Result<Said, Trouble>>,
}

/// Why a caller of the store does not know more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Certainly not done.
    Unavailable,
    /// Done or not.
    Unknown,
}

impl Farm {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let plan = Plan::drawn(&mut rng);
        let workers = plan.workers;
        let mut farm = Self {
            now: 1_000_000,
            wall_off: 1_700_000_000_000,
            store: Store::default(),
            pending: BTreeMap::new(),
            cloud: None,
            cloud_life: 0,
            machines: Vec::new(),
            lines: vec![Line::default(); workers],
            cloud_stalled_until: 0,
            stalled_until: vec![0; workers],
            database_slow_until: 0,
            is_calm: false,
            checks: Checks::default(),
            queue: BTreeMap::new(),
            next: 0,
            steps: 0,
            digest: 0xcbf2_9ce4_8422_2325,
            shown: VecDeque::new(),
            rng,
            plan,
        };
        farm.start_cloud();
        for worker in 0..workers {
            farm.machines.push(Machine::new(worker, farm.plan.slots[worker], farm.clock()));
            farm.start_worker(worker);
        }
        farm.after(500, Event::Trouble);
        farm
    }

    /// Runs until every job has ended in peace; the digest of all that happened.
    pub fn run(mut self) -> Result<u64, String> {
        let mut calm_since = None;
        loop {
            if self.steps >= STEPS && !self.is_calm {
                self.calm();
                calm_since = Some(self.now);
            }
            let Some(((at, _), event)) = self.queue.pop_first() else {
                return Err(self.told("nothing happens any more"));
            };
            self.now = self.now.max(at);
            if self.is_put_off(&event) {
                continue;
            }
            self.note(&event);
            self.steps += 1;
            self.happen(event);
            if let Err(broken) = crate::checks::look(&mut self) {
                return Err(self.told(&broken));
            }
            if let Err(broken) = crate::probes::probe(&self) {
                return Err(self.told(&broken));
            }
            if self.is_calm && self.is_settled() {
                return Ok(self.digest);
            }
            if calm_since.is_some_and(|since| self.now - since > SETTLE_MS) || self.steps > EVENTS_MAX {
                let open = self.open_words();
                return Err(self.told(&format!("not every job ended in peace: {open}")));
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.store.jobs.values().all(|job| job.life.state.is_ended())
            && self.machines.iter().all(|machine| machine.spool.is_empty())
            && self.store.live().next().is_none()
    }

    fn open_words(&self) -> String {
        let jobs = self.store.jobs.iter().filter(|(_, job)| !job.life.state.is_ended());
        let jobs: Vec<_> =
            jobs.map(|(id, job)| (id, job.life.state, job.frames_done, job.frames_total)).collect();
        let live: Vec<_> = self.store.live().map(|(id, row)| (id, row.life)).collect();
        let spools: Vec<_> = self.machines.iter().map(|machine| machine.spool.len()).collect();
        format!("jobs {jobs:?}, live {live:?}, spools {spools:?}")
    }

    fn told(&self, what: &str) -> String {
        let lines: Vec<&str> = self.shown.iter().map(String::as_str).collect();
        format!("{what}\nafter {} events; the newest:\n{}", self.steps, lines.join("\n"))
    }

    /// Both clocks of the cloud.
    pub fn clock(&self) -> Now {
        Now { mono: Mono(self.now), wall: self.wall() }
    }

    pub fn wall(&self) -> UnixMillis {
        UnixMillis(self.wall_off + i64::try_from(self.now).unwrap())
    }

    /// Something happens this much later.
    pub fn after(&mut self, ms: u64, event: Event) {
        self.next += 1;
        self.queue.insert((self.now + ms, self.next), event);
    }

    /// A line of what the machines decided, beside the events.
    pub fn say(&mut self, line: impl FnOnce() -> String) {
        let text = line();
        self.mix(text.as_bytes());
        self.show(format!("          {text}"));
    }

    pub fn is_once_in(&mut self, times: u64) -> bool {
        times > 0 && !self.is_calm && self.rng.u64(0..times) == 0
    }

    pub fn new_task_ids(&mut self) -> TaskId {
        self.next += 1_000;
        TaskId::from_u128(u128::from(self.next) << 16)
    }

    pub fn new_ticket(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub fn new_lease_id(&mut self) -> LeaseId {
        self.next += 1;
        LeaseId::from_u128(u128::from(self.next))
    }

    pub fn new_job_id(&mut self) -> JobId {
        self.next += 1;
        JobId::from_u128(u128::from(self.next))
    }

    /// Whoever is stalled finds the event later, in the same order.
    fn is_put_off(&mut self, event: &Event) -> bool {
        let until = match event {
            Event::Closed { at_cloud: true, .. }
            | Event::Opened { .. }
            | Event::Up { .. }
            | Event::Put { .. }
            | Event::Flushed { .. }
            | Event::Told { .. }
            | Event::Due { .. } => self.cloud_stalled_until,
            Event::Closed { worker, .. }
            | Event::Down { worker, .. }
            | Event::WorkerDue { worker, .. }
            | Event::SlotDue { worker, .. }
            | Event::Inputs { worker, .. }
            | Event::Engine { worker, .. }
            | Event::Kept { worker, .. } => self.stalled_until[*worker],
            Event::Answered { upload, .. } => self.stalled_until[upload.worker],
            Event::Commit { .. } | Event::Trouble | Event::Mend(_) => 0,
        };
        if until <= self.now {
            return false;
        }
        self.after(until - self.now, event.clone());
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Opened { worker, connection } => self.opened(worker, connection),
            Event::Closed { worker, connection, at_cloud: true } => self.cloud_lost(worker, connection),
            Event::Closed { worker, connection, at_cloud: false } => self.worker_lost(worker, connection),
            Event::Up { worker, connection, said } => self.cloud_hears(worker, connection, *said),
            Event::Down { worker, connection, said } => self.worker_hears(worker, connection, *said),
            Event::Put { upload } => self.put(upload),
            Event::Flushed { life, upload } => self.flushed(life, upload),
            Event::Answered { upload, answer } => self.answered(upload, answer),
            Event::Commit { ticket } => self.commit(ticket),
            Event::Told { life, ticket } => self.told_of(life, ticket),
            Event::Due { life, what } => self.cloud_due(life, what),
            Event::WorkerDue { worker, life } => self.worker_due(worker, life),
            Event::SlotDue { worker, life, slot } => self.slot_due(worker, life, slot),
            Event::Inputs { worker, life, slot, lease, are_there } => {
                self.inputs(worker, life, slot, lease, are_there);
            }
            Event::Engine { worker, life, slot, engine, did } => {
                self.engine_did(worker, life, slot, engine, did);
            }
            Event::Kept { worker, life, slot, lease, frame, is_kept } => {
                self.kept(worker, life, slot, lease, frame, is_kept);
            }
            Event::Trouble => self.trouble(),
            Event::Mend(what) => self.mend(what),
        }
    }

    fn note(&mut self, event: &Event) {
        let line = format!("{:>9} {}", self.now - 1_000_000, words(event));
        self.mix(line.as_bytes());
        self.show(line);
    }

    fn show(&mut self, line: String) {
        if self.shown.len() >= SHOWN {
            self.shown.pop_front();
        }
        self.shown.push_back(line);
    }

    /// FNV-1a: stable on every machine.
    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// An event in a line: of long messages only what tells them apart.
fn words(event: &Event) -> String {
    match event {
        Event::Up { worker, connection, said } => {
            let said = match &**said {
                FromWorker::Hello(hello) => format!("Hello, holds {:?}", hello.held),
                FromWorker::Heartbeat(beat) => {
                    let slots: Vec<_> = beat.slots.iter().map(|slot| (slot.phase, slot.lease)).collect();
                    format!("Heartbeat {}, {slots:?}, holds {:?}", beat.seq, beat.held)
                }
                other => format!("{other:?}"),
            };
            format!("worker {worker} by {connection} says {said}")
        }
        Event::Down { worker, connection, said } => {
            let said = match &**said {
                ToWorker::Offer(offer) => {
                    format!("Offer {:?} on {}, frames {:?}", offer.lease, offer.slot, offer.task.frames)
                }
                ToWorker::Challenge(_) => "Challenge".to_owned(),
                ToWorker::Welcome(_) => "Welcome".to_owned(),
                other => format!("{other:?}"),
            };
            format!("worker {worker} by {connection} hears {said}")
        }
        other => format!("{other:?}"),
    }
}
