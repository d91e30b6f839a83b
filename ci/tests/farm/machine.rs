//! One worker: its session, slots and outbox stepped as the worker's actors step them, over a disk that
//! outlives it.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::WorkerId;
use pictor_actors::now::{Mono, Now};
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::protocol::{
    AttemptEnded, AttemptOutcome, AttemptStarted, CancelReason, Decline, FailureClass, FromWorker, Heartbeat,
    Hello, LeaseRef, MachineFacts, SlotFacts, SlotStatus, ToWorker, VERSION, WorkerActivity,
};
use pictor_actors::units::Millis;
use pictor_worker_domain::outbox::{self, Ended, Entry, Key, Outbox};
use pictor_worker_domain::session::{self, Session};
use pictor_worker_domain::slot::{self, Event as SlotEvent, Slot};
use pictor_worker_domain::unheard::Unheard;

use crate::world::{Event, Farm, Upload};

/// What an engine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Ready,
    Wrote(i32),
    Failed(FailureClass),
    Gone,
}

/// What becomes of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Receipt,
    Superseded,
    Later,
    /// None came in time.
    None,
}

/// A machine.
pub struct Machine {
    pub id: WorkerId,
    pub is_alive: bool,
    pub life: u64,
    pub session: Session,
    pub slots: Vec<Slot>,
    pub outbox: Outbox,
    pub unheard: Unheard,
    /// Number of the newest socket, of this life or an earlier one.
    pub connection: u64,
    /// On disk: kept frames, each with what names its bytes.
    pub spool: BTreeMap<Key, (Entry, u64)>,
    /// On disk: numbers of bytes, so that no two are the same.
    blobs: u64,
    ended: BTreeSet<LeaseRef>,
    engines: Vec<u64>,
    uploads: BTreeMap<Key, u64>,
    uploads_begun: u64,
    due: Option<u64>,
    slots_due: Vec<Option<u64>>,
}

impl Machine {
    pub fn new(number: usize, slots: usize, now: Now) -> Self {
        Self {
            id: id_of(number),
            is_alive: false,
            life: 0,
            session: Session::new(now.mono),
            slots: vec![Slot::default(); slots],
            outbox: Outbox::default(),
            unheard: Unheard::default(),
            connection: 0,
            spool: BTreeMap::new(),
            blobs: 0,
            ended: BTreeSet::new(),
            engines: vec![0; slots],
            uploads: BTreeMap::new(),
            uploads_begun: 0,
            due: None,
            slots_due: vec![None; slots],
        }
    }

    /// Every lease that is worked on, whose frames wait here, or whose end the cloud has not heard yet.
    fn held(&self) -> BTreeSet<LeaseRef> {
        let in_slots = self.slots.iter().flat_map(Slot::leases);
        in_slots.chain(self.outbox.leases()).chain(self.unheard.unsaid_ends()).collect()
    }

    fn statuses(&self) -> Vec<SlotStatus> {
        let status = |(number, slot): (u16, &Slot)| SlotStatus {
            slot: number,
            phase: slot.wire_phase(),
            lease: slot.work().map(|work| work.lease),
            frame: slot.work().and_then(|work| work.in_hand),
            frame_done: None,
            frames_done: slot.work().map_or(0, |work| work.frames_done),
            progress_age_ms: None,
        };
        (0..).zip(&self.slots).map(status).collect()
    }
}

pub fn id_of(number: usize) -> WorkerId {
    WorkerId::from_u128(number as u128 + 1)
}

impl Farm {
    pub fn start_worker(&mut self, worker: usize) {
        let now = Mono(self.now);
        let old = &self.machines[worker];
        let (spool, connection, life, blobs) = (old.spool.clone(), old.connection, old.life + 1, old.blobs);
        let fresh = Machine::new(worker, old.slots.len(), self.clock());
        let machine = Machine { is_alive: true, life, connection, blobs, spool, ..fresh };
        self.machines[worker] = machine;
        let entries: Vec<Entry> =
            self.machines[worker].spool.values().map(|(entry, _)| entry.clone()).collect();
        entries.into_iter().for_each(|entry| self.machines[worker].outbox.on_spooled(entry, now));
        self.go_on(worker);
    }

    pub fn worker_dies(&mut self, worker: usize, length: u64) {
        if !std::mem::take(&mut self.machines[worker].is_alive) {
            return;
        }
        let connection = self.machines[worker].connection;
        self.break_socket(worker, connection);
        self.after(length, Event::Mend(crate::world::Mend::Worker(worker)));
    }

    fn is_now(&self, worker: usize, life: u64) -> bool {
        self.machines[worker].is_alive && self.machines[worker].life == life
    }

    /// Steps the session and does what it wants.
    fn session(&mut self, worker: usize, event: session::Event) {
        let now = Mono(self.now);
        let Ok((next, effects)) = self.machines[worker].session.clone().step(event, now) else { return };
        self.machines[worker].session = next;
        for effect in effects {
            match effect {
                session::Effect::OpenSocket => self.open_socket(worker),
                session::Effect::SendHello => self.send_hello(worker),
                session::Effect::SendHeartbeat { seq } => {
                    self.machines[worker].unheard.beat(seq);
                    self.send_heartbeat(worker, seq);
                }
                session::Effect::CloseSocket => {
                    let connection = self.machines[worker].connection;
                    for wait in self.ways(worker, true) {
                        self.after(wait, Event::Closed { worker, connection, at_cloud: true });
                    }
                }
                session::Effect::AnnounceUp => {
                    let again: Vec<FromWorker> = self.machines[worker].unheard.say_anew().collect();
                    again.into_iter().for_each(|said| self.send_up(worker, said));
                    self.machines[worker].outbox.on_up(now);
                }
                session::Effect::AnnounceDown => {
                    self.machines[worker].unheard.line_lost();
                    self.machines[worker].outbox.on_down();
                }
                session::Effect::SendGoodbye | session::Effect::Finish => {}
            }
        }
        self.go_on(worker);
    }

    fn open_socket(&mut self, worker: usize) {
        self.machines[worker].connection += 1;
        let connection = self.machines[worker].connection;
        let ways = self.ways(worker, true);
        if ways.is_empty() || self.cloud.is_none() {
            let wait = self.rng.u64(1..3_000);
            self.after(wait, Event::Closed { worker, connection, at_cloud: false });
        } else {
            self.after(ways[0], Event::Opened { worker, connection });
        }
    }

    fn send_hello(&mut self, worker: usize) {
        let machine = &self.machines[worker];
        let hello = Hello {
            version: VERSION,
            worker: machine.id,
            signature: String::new(),
            app_version: String::new(),
            machine: MachineFacts::default(),
            slots: facts(machine.slots.len()),
            held: machine.held().into_iter().collect(),
            pause: None,
            only_asks: false,
        };
        self.send_up(worker, FromWorker::Hello(Box::new(hello)));
    }

    fn send_heartbeat(&mut self, worker: usize, seq: u64) {
        let machine = &self.machines[worker];
        let slots = machine.statuses();
        let running: BTreeSet<LeaseRef> = slots.iter().filter_map(|slot| slot.lease).collect();
        let activity =
            match slots.iter().map(|slot| slot.phase).max_by_key(|phase| *phase == SlotPhase::Rendering) {
                Some(SlotPhase::Rendering) => WorkerActivity::Working,
                Some(SlotPhase::Fetching | SlotPhase::Loading | SlotPhase::Stopping) => {
                    WorkerActivity::Preparing
                }
                Some(SlotPhase::Idle) | None => WorkerActivity::Idle,
            };
        let depth = machine.outbox.depth();
        let heartbeat = Heartbeat {
            seq,
            activity,
            slots,
            held: machine.held().difference(&running).copied().collect(),
            sample: None,
            outbox_frames: depth.frames,
            outbox_bytes: depth.bytes,
            disk_free_bytes: None,
        };
        self.send_up(worker, FromWorker::Heartbeat(Box::new(heartbeat)));
    }

    /// Says it over the present socket, if the session is up; keeps what must not be lost.
    fn say_up(&mut self, worker: usize, said: FromWorker) {
        let machine = &mut self.machines[worker];
        if let FromWorker::AttemptEnded(ended) = &said {
            machine.ended.insert(ended.lease);
        }
        let is_up = machine.session.is_up();
        machine.unheard.keep(&said, is_up);
        if is_up {
            self.send_up(worker, said);
        }
    }

    fn send_up(&mut self, worker: usize, said: FromWorker) {
        let connection = self.machines[worker].connection;
        for wait in self.ways(worker, true) {
            self.after(wait, Event::Up { worker, connection, said: Box::new(said.clone()) });
        }
    }

    pub fn worker_lost(&mut self, worker: usize, connection: u64) {
        if self.machines[worker].is_alive && self.machines[worker].connection == connection {
            let random = self.rng.u64(..);
            self.session(worker, session::Event::SocketLost { random });
        }
    }

    pub fn worker_hears(&mut self, worker: usize, connection: u64, said: ToWorker) {
        if !self.machines[worker].is_alive || self.machines[worker].connection != connection {
            return;
        }
        match said {
            ToWorker::Challenge(_) => self.session(worker, session::Event::Challenged),
            ToWorker::Welcome(welcome) => {
                welcome
                    .drop
                    .iter()
                    .for_each(|lease| self.drop_lease(worker, *lease, CancelReason::Superseded));
                let heartbeat_after = Millis(welcome.heartbeat_after_ms);
                self.session(worker, session::Event::Welcomed { heartbeat_after });
            }
            ToWorker::Refused(refusal) => {
                let random = self.rng.u64(..);
                self.session(worker, session::Event::RefusedBy { retry: refusal.retry, random });
            }
            ToWorker::HeartbeatAck(ack) => {
                ack.cancel.iter().for_each(|lease| self.drop_lease(worker, *lease, CancelReason::Superseded));
                self.machines[worker].unheard.acked(ack.seq);
                let next_after = Millis(ack.next_after_ms);
                self.session(worker, session::Event::Acked { seq: ack.seq, next_after });
            }
            ToWorker::Offer(offer) => {
                let (lease, job) = (offer.lease, offer.task.job);
                let event = SlotEvent::Offered { lease, job, frames: offer.task.frames };
                self.slot(worker, usize::from(offer.slot), event);
            }
            ToWorker::Cancel(cancel) => self.drop_lease(worker, cancel.lease, cancel.reason),
            ToWorker::SetPause { .. } => {}
            ToWorker::Bye { retry_after_ms, .. } => {
                self.session(worker, session::Event::ByeSaid { retry_after: Millis(retry_after_ms) });
            }
        }
    }

    fn drop_lease(&mut self, worker: usize, lease: LeaseRef, reason: CancelReason) {
        for slot in 0..self.machines[worker].slots.len() {
            self.slot(worker, slot, SlotEvent::Cancelled { lease, reason });
        }
        self.machines[worker].unheard.forget_end(lease);
        if reason == CancelReason::JobCancelled {
            self.machines[worker].outbox.on_lease_dropped(lease.lease);
        }
        self.go_on(worker);
    }

    pub fn worker_due(&mut self, worker: usize, life: u64) {
        if self.is_now(worker, life) && self.machines[worker].due.is_some_and(|at| at <= self.now) {
            self.machines[worker].due = None;
            let random = self.rng.u64(..);
            self.session(worker, session::Event::DeadlineDue { random });
        }
    }

    /// Does what the outbox wants and sets the timer of session and outbox.
    fn go_on(&mut self, worker: usize) {
        let now = Mono(self.now);
        while let Some(effect) = self.machines[worker].outbox.next_effect(now) {
            match effect {
                outbox::Effect::Upload(key) => self.upload(worker, key),
                outbox::Effect::Abort(key) => drop(self.machines[worker].uploads.remove(&key)),
                outbox::Effect::Delete(key) => {
                    if let Some((entry, _)) = self.machines[worker].spool.remove(&key) {
                        self.checks.deleted(entry.job, key.frame);
                    }
                }
                outbox::Effect::Discard(key) => drop(self.machines[worker].spool.remove(&key)),
                outbox::Effect::LeaseEmptied(lease) => self.lease_emptied(worker, lease),
            }
        }
        let machine = &self.machines[worker];
        let dues =
            [machine.session.next_deadline(), machine.outbox.next_deadline().filter(|(at, _)| *at > now)];
        let Some(at) = dues.into_iter().flatten().map(|(at, _)| at.0.max(self.now + 1)).min() else { return };
        if machine.due.is_none_or(|due| due > at || due <= self.now) {
            let life = machine.life;
            self.machines[worker].due = Some(at);
            self.after(at - self.now, Event::WorkerDue { worker, life });
        }
    }

    fn upload(&mut self, worker: usize, key: Key) {
        let machine = &mut self.machines[worker];
        let Some((entry, blob)) = machine.spool.get(&key).cloned() else { return };
        machine.uploads_begun += 1;
        machine.uploads.insert(key, machine.uploads_begun);
        let (life, number, fence) = (machine.life, machine.uploads_begun, entry.lease.fence);
        self.send_frame(Upload { worker, life, number, key, fence, blob });
    }

    fn lease_emptied(&mut self, worker: usize, lease: LeaseRef) {
        let machine = &mut self.machines[worker];
        let is_in_hand = machine.slots.iter().any(|slot| slot.leases().contains(&lease));
        if !is_in_hand && !machine.ended.remove(&lease) {
            let outcome = AttemptOutcome::Stopped;
            self.say_up(worker, FromWorker::AttemptEnded(AttemptEnded { lease, outcome }));
        }
    }

    pub fn answered(&mut self, upload: Upload, answer: Answer) {
        let Upload { worker, life, key, number, .. } = upload;
        if !self.is_now(worker, life) || self.machines[worker].uploads.get(&key) != Some(&number) {
            return;
        }
        self.machines[worker].uploads.remove(&key);
        let random = self.rng.u64(..);
        let ended = match answer {
            Answer::Receipt => Ended::Delivered,
            Answer::Superseded => Ended::Superseded,
            Answer::Later | Answer::None => Ended::Unavailable { retry_after: None, random },
        };
        self.machines[worker].outbox.on_ended(key, ended, Mono(self.now));
        self.go_on(worker);
    }

    pub fn slot_due(&mut self, worker: usize, life: u64, slot: usize) {
        if self.is_now(worker, life) && self.machines[worker].slots_due[slot].is_some_and(|at| at <= self.now)
        {
            self.machines[worker].slots_due[slot] = None;
            self.slot(worker, slot, SlotEvent::DeadlineDue);
        }
    }

    pub fn inputs(&mut self, worker: usize, life: u64, slot: usize, lease: LeaseRef, are_there: bool) {
        if !self.is_now(worker, life) {
            return;
        }
        let (class, message) = (FailureClass::InputsUnavailable, "not to be had".to_owned());
        let event = if are_there {
            SlotEvent::InputsReady { lease }
        } else {
            SlotEvent::InputsFailed { lease, class, message }
        };
        self.slot(worker, slot, event);
    }

    pub fn engine_did(&mut self, worker: usize, life: u64, slot: usize, engine: u64, did: Engine) {
        if !self.is_now(worker, life) || self.machines[worker].engines[slot] != engine {
            return;
        }
        let event = match did {
            Engine::Ready => SlotEvent::EngineReady,
            Engine::Wrote(frame) => SlotEvent::FrameWritten { frame },
            Engine::Failed(class) => {
                SlotEvent::EngineFailed { class, message: "it broke".to_owned(), frame: None }
            }
            Engine::Gone => SlotEvent::EngineExited,
        };
        self.slot(worker, slot, event);
    }

    pub fn kept(
        &mut self,
        worker: usize,
        life: u64,
        slot: usize,
        lease: LeaseRef,
        frame: i32,
        is_kept: bool,
    ) {
        if !self.is_now(worker, life) {
            return;
        }
        if !is_kept {
            let (class, message) = (FailureClass::DiskFull, "no space".to_owned());
            return self.slot(worker, slot, SlotEvent::FrameNotSpooled { lease, frame, class, message });
        }
        let Some(job) = self.store.leases.get(&lease.lease).map(|row| row.job) else { return };
        let entry = Entry { lease, frame, job, size: 1 };
        let machine = &mut self.machines[worker];
        machine.blobs += 1;
        let blob = (worker as u64) << 32 | machine.blobs;
        machine.spool.insert(entry.key(), (entry.clone(), blob));
        machine.outbox.on_spooled(entry, Mono(self.now));
        self.slot(worker, slot, SlotEvent::FrameSpooled { lease, frame });
        self.go_on(worker);
    }

    /// Steps a slot and does what it wants.
    fn slot(&mut self, worker: usize, slot: usize, event: SlotEvent) {
        let before = self.machines[worker].slots[slot].leases();
        let Ok((next, effects)) = self.machines[worker].slots[slot].clone().step(event, Mono(self.now))
        else {
            return;
        };
        self.machines[worker].slots[slot] = next;
        effects.into_iter().for_each(|effect| self.run_slot(worker, slot, effect));
        let machine = &self.machines[worker];
        let is_news = machine.slots[slot].leases() != before;
        if let Some((at, _)) = machine.slots[slot].next_deadline() {
            let (life, at) = (machine.life, at.0.max(self.now + 1));
            if machine.slots_due[slot] != Some(at) {
                self.machines[worker].slots_due[slot] = Some(at);
                self.after(at - self.now, Event::SlotDue { worker, life, slot });
            }
        }
        if is_news {
            self.session(worker, session::Event::NewsCame);
        }
    }

    fn run_slot(&mut self, worker: usize, slot: usize, effect: slot::Effect) {
        let life = self.machines[worker].life;
        match effect {
            slot::Effect::Accept(lease) => self.say_up(worker, FromWorker::Accept(lease)),
            slot::Effect::Decline(lease, reason) => {
                self.say_up(worker, FromWorker::Decline(Decline { lease, reason }));
            }
            slot::Effect::FetchInputs(lease) => {
                let fails = self.plan.inputs_fail;
                let (wait, are_there) = (self.rng.u64(1..3_000), !self.is_once_in(fails));
                self.after(wait, Event::Inputs { worker, life, slot, lease, are_there });
            }
            slot::Effect::StartEngine(_) => {
                self.machines[worker].engines[slot] += 1;
                let wait = self.rng.u64(100..3_000);
                self.engine_will(worker, slot, wait, Engine::Ready);
            }
            slot::Effect::KillEngine => {
                let sticks = self.plan.engine_sticks;
                let wait = if self.is_once_in(sticks) { 30_000 } else { 40 };
                self.after(wait, self.engine_event(worker, slot, Engine::Gone));
            }
            slot::Effect::RenderFrame { frame, .. } => {
                let wait = self.rng.u64(self.plan.frame_ms / 2..=self.plan.frame_ms * 2);
                self.engine_will(worker, slot, wait, Engine::Wrote(frame));
            }
            slot::Effect::SpoolFrame { lease, frame } => {
                let fails = self.plan.disk_fails;
                let (wait, is_kept) = (self.rng.u64(1..500), !self.is_once_in(fails));
                self.after(wait, Event::Kept { worker, life, slot, lease, frame, is_kept });
            }
            slot::Effect::ReportStarted(lease) => {
                let (engine, device) = (String::new(), String::new());
                let started = AttemptStarted { lease, slot: u16::try_from(slot).unwrap(), engine, device };
                self.say_up(worker, FromWorker::AttemptStarted(started));
            }
            slot::Effect::ReportEnded(lease, outcome) => {
                self.say_up(worker, FromWorker::AttemptEnded(AttemptEnded { lease, outcome }));
            }
            slot::Effect::ReleaseInputs(_) | slot::Effect::Closed => {}
        }
    }

    /// The engine does it, unless it breaks.
    fn engine_will(&mut self, worker: usize, slot: usize, wait: u64, did: Engine) {
        let fails = self.plan.engine_fails;
        let did = match self.is_once_in(fails).then(|| self.rng.u8(0..4)) {
            None => did,
            Some(0) => Engine::Gone,
            Some(1) => Engine::Failed(FailureClass::OutOfGpuMemory),
            Some(2) => Engine::Failed(FailureClass::TimeLimit),
            Some(_) => Engine::Failed(FailureClass::Crash),
        };
        self.after(wait, self.engine_event(worker, slot, did));
    }

    fn engine_event(&self, worker: usize, slot: usize, did: Engine) -> Event {
        let (life, engine) = (self.machines[worker].life, self.machines[worker].engines[slot]);
        Event::Engine { worker, life, slot, engine, did }
    }
}

fn facts(slots: usize) -> Vec<SlotFacts> {
    let engines = vec![RenderEngine::Cycles];
    (0..u16::try_from(slots).unwrap())
        .map(|slot| SlotFacts { slot, gpu_pci_id: None, engines: engines.clone(), enabled: true })
        .collect()
}
