//! One simulated worker without its sockets, files and clock: the real machines (session, slots, outbox,
//! unheard words) around a made-up engine. What happens comes in with the time, what is to be done goes out.
//!
//! It plays no faults: what a broken line or a stopped process does to it is done by whoever feeds it.

mod hearing;
mod slots;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use pictor_actors::ids::JobId;
use pictor_actors::now::{Mono, Now};
use pictor_actors::protocol::{
    AttemptEnded, AttemptOutcome, FromWorker, LeaseRef, Pause, SlotFacts, ToWorker,
};
use pictor_actors::units::BlobHash;
use pictor_worker_domain::outbox::{self, Ended, Entry, Key, Outbox};
use pictor_worker_domain::session::{self, Event, Phase, Session};
use pictor_worker_domain::slot;
use pictor_worker_domain::unheard::Unheard;

use super::dice::Dice;
use super::plan::Plan;
use super::spool::Picture;
use crate::config::{Identity, Key as SigningKey};
use crate::machine::Machine;
use crate::machine::fake::FakeMachine;
use slots::SimSlot;

/// Ends that are remembered, so that an emptied lease is not ended twice.
const ENDED_MAX: usize = 256;
/// Jobs whose inputs count as being there.
const JOBS_KNOWN_MAX: usize = 4;

/// Who a simulated worker is.
#[derive(Debug)]
pub struct Who {
    /// Its place in the fleet, from 0.
    pub number: u64,
    /// Its name in the cloud.
    pub identity: Identity,
    /// Its key.
    pub key: SigningKey,
}

/// What happens to it.
#[derive(Debug)]
pub enum Input {
    /// Its life begins, with these frames of an earlier one.
    Born(Vec<Entry>),
    /// Time has passed.
    Time,
    /// The cloud said this.
    Heard(Box<ToWorker>),
    /// The socket is gone or could not be opened.
    Lost,
    /// The list of a job's files is there, or cannot be had.
    InputsBrought(usize, LeaseRef, Result<(), String>),
    /// A picture is in the spool, or could not be kept.
    Kept(usize, Picture, Result<Entry, String>),
    /// An upload has ended.
    Uploaded(Key, Ended),
    /// It is to stop.
    Stop,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Open a socket.
    Open,
    /// Close it in good order.
    Close,
    /// Say this to the cloud.
    Say(FromWorker),
    /// Requests carry this from now on.
    Bearer(Option<String>),
    /// Whether frames go straight to the cloud's storage.
    PutDirectly(bool),
    /// Get the list of a job's files.
    Fetch(usize, LeaseRef, JobId, BlobHash),
    /// Make a picture and keep it.
    Keep(usize, Picture),
    /// Upload a frame.
    Upload(Entry),
    /// Take a frame out of the spool; true: nobody wants it.
    Drop(Key, bool),
    /// The cloud wants nothing of it, for ever: in its words.
    Barred(String),
}

/// A simulated worker.
pub struct Brain {
    who: Arc<Who>,
    plan: Arc<Plan>,
    dice: Dice,
    session: Session,
    slots: Vec<SimSlot>,
    outbox: Outbox,
    unheard: Unheard,
    ended: BTreeSet<LeaseRef>,
    machine: FakeMachine,
    facts: Vec<SlotFacts>,
    dashboard_pause: Option<Pause>,
    nonce: Option<String>,
    jobs_known: VecDeque<JobId>,
    is_stopping: bool,
    events: VecDeque<(usize, slot::Event)>,
    out: Vec<Output>,
}

impl Brain {
    /// A worker that has just been switched on.
    #[must_use]
    pub fn new(who: Arc<Who>, plan: Arc<Plan>, dice: Dice, now: Mono) -> Self {
        let mut machine = FakeMachine::with_gpus(&who.identity.name, plan.gpus);
        let facts = machine.slot_policy().slots(&machine.facts());
        Self {
            session: Session::new(now),
            slots: facts.iter().map(|facts| SimSlot::new(facts.slot, now)).collect(),
            who,
            plan,
            dice,
            outbox: Outbox::default(),
            unheard: Unheard::default(),
            ended: BTreeSet::new(),
            machine,
            facts,
            dashboard_pause: None,
            nonce: None,
            jobs_known: VecDeque::new(),
            is_stopping: false,
            events: VecDeque::new(),
            out: Vec::new(),
        }
    }

    /// Takes what happened; what is to be done.
    pub fn take(&mut self, input: Input, now: Now) -> Vec<Output> {
        let before = self.news();
        match input {
            Input::Born(entries) => {
                entries.into_iter().for_each(|entry| self.outbox.on_spooled(entry, now.mono))
            }
            Input::Time => {}
            Input::Heard(message) => self.heard(*message, now),
            Input::Lost => {
                let random = self.dice.roll();
                self.session(Event::SocketLost { random }, now);
            }
            Input::InputsBrought(slot, lease, brought) => self.inputs_brought(slot, lease, brought, now),
            Input::Kept(slot, picture, kept) => self.kept(slot, &picture, kept, now),
            Input::Uploaded(key, ended) => self.outbox.on_ended(key, ended, now.mono),
            Input::Stop => self.stop(now),
        }
        self.on_time(now);
        self.deliver(now);
        if self.news() != before {
            self.session(Event::NewsCame, now);
        }
        self.leave_if_done(now);
        std::mem::take(&mut self.out)
    }

    /// When [`Input::Time`] is wanted.
    #[must_use]
    pub fn next_deadline(&self, now: Mono) -> Option<Mono> {
        let session = self.session.next_deadline().map(|(at, _)| at);
        // A frame that is due while all places are taken waits for an upload to end, not for the clock.
        let outbox = self.outbox.next_deadline().map(|(at, _)| at).filter(|at| *at > now);
        let slots = self.slots.iter().filter_map(SimSlot::next_deadline).min();
        [session, outbox, slots].into_iter().flatten().min()
    }

    /// The cloud has welcomed it.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.session.is_up()
    }

    /// Slots that render.
    #[must_use]
    pub fn rendering(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_rendering()).count()
    }

    /// It has left, or was sent away for ever.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.session.phase, Phase::Barred | Phase::Ended)
    }

    fn on_time(&mut self, now: Now) {
        if self.session.next_deadline().is_some_and(|(at, _)| at <= now.mono) {
            let random = self.dice.roll();
            self.session(Event::DeadlineDue { random }, now);
        }
        for slot in 0..self.slots.len() {
            self.slot_on_time(slot, now);
        }
    }

    fn session(&mut self, event: Event, now: Now) {
        match self.session.clone().step(event, now.mono) {
            Ok((session, effects)) => {
                self.session = session;
                effects.into_iter().for_each(|effect| self.run_session(effect, now));
            }
            Err(refused) => tracing::trace!(%refused, "nothing to do"),
        }
    }

    fn run_session(&mut self, effect: session::Effect, now: Now) {
        match effect {
            session::Effect::OpenSocket => self.out.push(Output::Open),
            session::Effect::SendHello => {
                if let Some(hello) = self.hello() {
                    self.out.push(Output::Say(FromWorker::Hello(Box::new(hello))));
                }
            }
            session::Effect::SendHeartbeat { seq } => {
                self.unheard.beat(seq);
                let heartbeat = self.heartbeat(seq, now);
                self.out.push(Output::Say(FromWorker::Heartbeat(Box::new(heartbeat))));
            }
            session::Effect::SendGoodbye => {
                let reason = "the simulation ends".to_owned();
                self.out.push(Output::Say(FromWorker::Goodbye { reason }));
            }
            session::Effect::CloseSocket => self.out.push(Output::Close),
            session::Effect::AnnounceUp => {
                self.out.extend(self.unheard.say_anew().map(Output::Say));
                self.outbox.on_up(now.mono);
            }
            session::Effect::AnnounceDown => {
                self.unheard.line_lost();
                self.outbox.on_down();
                self.out.push(Output::Bearer(None));
            }
            session::Effect::Finish => {}
        }
    }

    /// Says it now if the cloud is there; what must not be lost is kept until it has surely heard it.
    fn say(&mut self, message: FromWorker) {
        if let FromWorker::AttemptEnded(ended) = &message {
            self.ended.insert(ended.lease);
            if self.ended.len() > ENDED_MAX {
                self.ended.pop_first();
            }
        }
        self.unheard.keep(&message, self.session.is_up());
        if self.session.is_up() {
            self.out.push(Output::Say(message));
        }
    }

    fn deliver(&mut self, now: Now) {
        while let Some(effect) = self.outbox.next_effect(now.mono) {
            match effect {
                outbox::Effect::Upload(key) => {
                    let entry = self.outbox.entry(key).cloned();
                    self.out.extend(entry.map(Output::Upload));
                }
                // It goes on, and its end says nothing any more.
                outbox::Effect::Abort(_) => {}
                outbox::Effect::Delete(key) => self.out.push(Output::Drop(key, false)),
                outbox::Effect::Discard(key) => self.out.push(Output::Drop(key, true)),
                outbox::Effect::LeaseEmptied(lease) => self.lease_emptied(lease),
            }
        }
    }

    /// A lease of an earlier life has no slot any more: when its frames are delivered, the rest of its task
    /// is free.
    fn lease_emptied(&mut self, lease: LeaseRef) {
        let is_in_hand = self.slots.iter().any(|slot| slot.slot.leases().contains(&lease));
        if !is_in_hand && !self.ended.remove(&lease) {
            self.say(FromWorker::AttemptEnded(AttemptEnded { lease, outcome: AttemptOutcome::Stopped }));
        }
    }

    fn stop(&mut self, now: Now) {
        self.is_stopping = true;
        self.session(Event::DrainAsked, now);
        for slot in 0..self.slots.len() {
            self.step(slot, slot::Event::StopAsked, now);
        }
    }

    fn leave_if_done(&mut self, now: Now) {
        let is_quiet = || self.outbox.depth().frames == 0 && self.slots.iter().all(|slot| slot.is_closed());
        if self.is_stopping && matches!(self.session.phase, Phase::Draining { .. }) && is_quiet() {
            self.session(Event::Drained, now);
        }
    }
}
