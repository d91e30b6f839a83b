//! One simulated worker's life as a task: feeds its [`Brain`], does what that wants, and plays the faults.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use pictor_actors::now::{Clock, Mono};
use pictor_actors::protocol::codec::encode;
use pictor_actors::protocol::{FromWorker, ToWorker};
use pictor_actors::units::Millis;
use pictor_worker_domain::outbox::{Ended, Entry};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::brain::{Brain, Input, Output, Who};
use super::calls;
use super::dice::Dice;
use super::faults::{FaultKind, Faults};
use super::io::{Io, Woken};
use super::plan::Plan;
use super::spool::Spool;
use super::stats::{Stats, count};
use crate::cloud::Cloud;

/// A crashed program is back after about this long.
const BACK_AFTER: Millis = Millis::from_secs(3);
/// A late message waits at most so long.
const LATE_MAX: Millis = Millis::from_secs(4);
/// A slow heartbeat waits so long: three of them fit before the cloud calls the worker silent.
const SLOW_BEAT: Millis = Millis::from_secs(12);

/// What all workers of a fleet share.
pub struct Shared {
    /// How they behave.
    pub plan: Arc<Plan>,
    /// What they count.
    pub stats: Arc<Stats>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Workers that open their first connection at a time.
    pub openings: Arc<Semaphore>,
    /// Requests of all workers at a time: bounds connections.
    pub requests: Arc<Semaphore>,
}

/// A worker and what it has outside.
pub struct SimWorker {
    shared: Arc<Shared>,
    who: Arc<Who>,
    cloud: Arc<Cloud>,
    brain: Brain,
    spool: Spool,
    entries: Vec<Entry>,
    io: Io,
    dice: Dice,
    faults: Faults,
    /// The order to stop was heard.
    is_stopping: bool,
    /// It is a second machine under another's identity.
    is_twin: bool,
    twin: Option<tokio::task::JoinHandle<()>>,
    beat: Option<(u64, Mono)>,
    counted: (bool, usize),
    opening: Option<OwnedSemaphorePermit>,
}

impl SimWorker {
    /// A worker with its spool and the frames that an earlier run left in it.
    #[must_use]
    pub fn new(shared: Arc<Shared>, who: Arc<Who>, cloud: Cloud, spool: (Spool, Vec<Entry>)) -> Self {
        let now = shared.clock.now().mono;
        let mut dice = Dice::new(shared.plan.seed, who.number);
        let faults = Faults::new(&shared.plan, &mut dice, now);
        let brain = Brain::new(Arc::clone(&who), Arc::clone(&shared.plan), dice.clone(), now);
        let (spool, entries) = spool;
        Self {
            cloud: Arc::new(cloud),
            brain,
            spool,
            entries,
            io: Io::default(),
            dice,
            faults,
            is_stopping: false,
            is_twin: false,
            twin: None,
            beat: None,
            counted: (false, 0),
            opening: None,
            shared,
            who,
        }
    }

    /// Lives until it is told to stop, or the cloud wants it no more.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        if !self.is_twin {
            let openings = Arc::clone(&self.shared.openings);
            tokio::select! {
                place = openings.acquire_owned() => self.opening = place.ok(),
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
        let entries = std::mem::take(&mut self.entries);
        self.feed(Input::Born(entries)).await;
        while !self.brain.is_over() {
            self.turn(&mut stop).await;
        }
        self.io.close().await;
        self.count(true);
        if let Some(twin) = self.twin.take() {
            twin.abort();
        }
    }

    async fn turn(&mut self, stop: &mut watch::Receiver<bool>) {
        let now = self.shared.clock.now().mono;
        let is_silent = self.faults.is_on(FaultKind::Silence, now);
        let due = if is_silent {
            self.faults.until(FaultKind::Silence)
        } else {
            let of_all =
                [self.brain.next_deadline(now), self.io.next_deadline(), self.faults.next_deadline()];
            of_all.into_iter().flatten().min()
        };
        let wait = due.map_or(Millis(u64::MAX), |at| now.until(at));
        let to_hear = (!self.is_stopping).then_some(&mut *stop);
        match self.io.next(wait, is_silent, to_hear).await {
            Woken::Input(input) => self.heard(input).await,
            Woken::Opened | Woken::Nothing => {}
            Woken::Time => {
                self.play(stop).await;
                let due = self.io.take_due(self.shared.clock.now().mono);
                let is_sent = self.send(due).await;
                self.feed(if is_sent { Input::Time } else { Input::Lost }).await;
            }
            Woken::Stop => {
                self.faults = Faults::default();
                self.is_stopping = true;
                self.feed(Input::Stop).await;
            }
        }
    }

    async fn heard(&mut self, input: Input) {
        let now = self.shared.clock.now();
        if let Input::Heard(message) = &input {
            if self.faults.is_on(FaultKind::OneWay, now.mono) {
                return;
            }
            self.measure(message, now);
        }
        if matches!(input, Input::Lost) {
            count(&self.shared.stats.lost);
            self.opening = None;
        }
        if let Input::Uploaded(key, ended) = &input {
            self.count_upload(ended);
            if matches!(ended, Ended::Delivered) && self.faults.is_on(FaultKind::StaleFence, now.mono) {
                self.send_stale(*key);
            }
        }
        self.feed(input).await;
    }

    /// Gives the brain something and does what it wants, until it wants nothing more.
    async fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let outputs = self.brain.take(input, self.shared.clock.now());
            let (mut texts, mut is_line_good) = (Vec::new(), true);
            for output in outputs {
                match output {
                    Output::Say(message) => self.word(&message, &mut texts),
                    Output::Keep(slot, picture) => {
                        let kept = self.spool.keep(picture).map_err(|error| error.to_string());
                        inputs.insert(0, Input::Kept(slot, picture, kept));
                    }
                    // What was said before goes out before: a goodbye before the close.
                    other => {
                        is_line_good &= self.send(std::mem::take(&mut texts)).await;
                        self.perform(other).await;
                    }
                }
            }
            is_line_good &= self.send(texts).await;
            if !is_line_good {
                inputs.insert(0, Input::Lost);
            }
        }
        self.count(false);
    }

    async fn perform(&mut self, output: Output) {
        match output {
            Output::Open => self.io.open(self.who.identity.cloud.clone()),
            Output::Close => self.io.close().await,
            Output::Bearer(bearer) => {
                if bearer.is_some() {
                    count(&self.shared.stats.welcomes);
                    self.opening = None;
                }
                self.cloud.set_bearer(bearer.as_deref());
            }
            Output::PutDirectly(puts_directly) => self.cloud.set_puts_directly(puts_directly),
            Output::Fetch(slot, lease, job, hash) => {
                let call = calls::inputs(Arc::clone(&self.cloud), self.requests(), slot, lease, job, hash);
                self.io.call(Box::pin(call));
            }
            Output::Upload(entry) => {
                let random = self.dice.roll();
                match self.spool.read(entry.key()) {
                    Ok(stored) => {
                        let (cloud, shared) = (Arc::clone(&self.cloud), Arc::clone(&self.shared));
                        self.io.call(Box::pin(calls::upload(cloud, shared, entry, stored, random)));
                    }
                    Err(error) => {
                        let ended = Ended::Unreadable { text: error.to_string() };
                        self.io.call(Box::pin(async move { Input::Uploaded(entry.key(), ended) }));
                    }
                }
            }
            Output::Drop(key, is_unwanted) => {
                self.spool.remove(key);
                if is_unwanted {
                    count(&self.shared.stats.unwanted);
                }
            }
            Output::Barred(words) => {
                count(&self.shared.stats.barred);
                let _ = self.shared.stats.refusal.set(words); // the first one is shown
            }
            Output::Say(_) | Output::Keep(..) => {}
        }
    }

    fn requests(&self) -> Arc<Semaphore> {
        Arc::clone(&self.shared.requests)
    }

    /// Puts a message on its way, as the faults want it.
    fn word(&mut self, message: &FromWorker, texts: &mut Vec<String>) {
        let now = self.shared.clock.now().mono;
        match message {
            FromWorker::Heartbeat(heartbeat) => self.beat = Some((heartbeat.seq, now)),
            FromWorker::Accept(_) => count(&self.shared.stats.offers),
            FromWorker::AttemptEnded(ended) => self.count_end(&ended.outcome),
            FromWorker::Hello(_)
            | FromWorker::MachineChanged(_)
            | FromWorker::Decline(_)
            | FromWorker::AttemptStarted(_)
            | FromWorker::FrameProgress(_)
            | FromWorker::LogLines(_)
            | FromWorker::Warning(_)
            | FromWorker::Goodbye { .. } => {}
        }
        let Ok(text) = encode(message) else { return };
        let is_hello = matches!(message, FromWorker::Hello(_));
        let is_beat = matches!(message, FromWorker::Heartbeat(_));
        let is_doubled = !is_hello && self.faults.is_on(FaultKind::Duplicate, now);
        for _ in 0..=usize::from(is_doubled) {
            if is_beat && self.faults.is_on(FaultKind::SlowBeats, now) {
                self.io.hold(now.plus(SLOW_BEAT), text.clone());
            } else if !is_hello && self.faults.is_on(FaultKind::Late, now) {
                let at = now.plus(Millis(self.dice.roll() % LATE_MAX.0));
                self.io.hold(at, text.clone());
            } else {
                texts.push(text.clone());
            }
        }
    }

    /// False: the line is gone.
    async fn send(&mut self, texts: Vec<String>) -> bool {
        let is_sent = texts.is_empty() || self.io.send(texts).await;
        if !is_sent {
            count(&self.shared.stats.lost);
        }
        is_sent
    }

    /// Begins the faults whose time has come.
    async fn play(&mut self, stop: &mut watch::Receiver<bool>) {
        let now = self.shared.clock.now().mono;
        for kind in self.faults.begin(self.shared.plan.fault_for, &mut self.dice, now) {
            count(&self.shared.stats.faults);
            tracing::debug!(worker = %self.who.identity.name, fault = %kind, "a fault begins");
            match kind {
                FaultKind::Crash => self.crash(stop).await,
                FaultKind::Cut => {
                    self.io.cut();
                    self.heard(Input::Lost).await;
                }
                FaultKind::Twin => self.twin(),
                FaultKind::Silence
                | FaultKind::SlowBeats
                | FaultKind::Duplicate
                | FaultKind::Late
                | FaultKind::StaleFence
                | FaultKind::OneWay => {}
            }
        }
    }

    /// The program dies and is started anew: what it knew is lost, its spool is not.
    async fn crash(&mut self, stop: &mut watch::Receiver<bool>) {
        self.io = Io::default();
        self.cloud.set_bearer(None);
        self.count(true);
        let back = self.dice.around(BACK_AFTER, 0.9).to_duration();
        tokio::select! {
            () = tokio::time::sleep(back) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        let now = self.shared.clock.now().mono;
        let dice = Dice::new(self.dice.roll(), self.who.number);
        self.brain = Brain::new(Arc::clone(&self.who), Arc::clone(&self.shared.plan), dice, now);
        let entries = self.spool.entries();
        self.feed(Input::Born(entries)).await;
    }

    /// A second machine comes up with the same key, and goes again.
    fn twin(&mut self) {
        if self.is_twin || self.twin.as_ref().is_some_and(|twin| !twin.is_finished()) {
            return;
        }
        let (cloud, length) = (self.cloud.sibling(), self.shared.plan.fault_for);
        let (shared, who) = (Arc::clone(&self.shared), Arc::clone(&self.who));
        self.twin = Some(tokio::spawn(async move {
            let mut twin = Self::new(shared, who, cloud, (Spool::default(), Vec::new()));
            twin.faults = Faults::default();
            twin.is_twin = true;
            let (order, stop) = watch::channel(false);
            let leaving = async {
                tokio::time::sleep(length.to_duration()).await;
                let _ = order.send(true); // an error: it has ended already
            };
            tokio::join!(Box::pin(twin.run(stop)), leaving);
        }));
    }

    /// Sends a delivered frame once more, under the fence before its own: the cloud must refuse it.
    fn send_stale(&mut self, key: pictor_worker_domain::outbox::Key) {
        let (Some(entry), Ok(stored)) = (self.spool.entry(key), self.spool.read(key)) else { return };
        let (cloud, shared) = (Arc::clone(&self.cloud), Arc::clone(&self.shared));
        tokio::spawn(calls::stale(cloud, shared, entry, stored));
    }

    fn measure(&mut self, message: &ToWorker, now: pictor_actors::now::Now) {
        match message {
            ToWorker::HeartbeatAck(ack) => {
                if let Some((_, sent)) = self.beat.take_if(|(seq, _)| *seq == ack.seq) {
                    self.shared.stats.beat.add(sent.until(now.mono));
                }
            }
            ToWorker::Offer(offer) if offer.task.attempt == 1 => {
                if let Some(made) = offer.task.task.made_at() {
                    self.shared.stats.offer.add(made.until(now.wall));
                }
            }
            ToWorker::Offer(_)
            | ToWorker::Challenge(_)
            | ToWorker::Welcome(_)
            | ToWorker::Refused(_)
            | ToWorker::Cancel(_)
            | ToWorker::SetPause { .. }
            | ToWorker::Bye { .. } => {}
        }
    }

    fn count_end(&self, outcome: &pictor_actors::protocol::AttemptOutcome) {
        use pictor_actors::protocol::AttemptOutcome;
        match outcome {
            AttemptOutcome::Rendered => count(&self.shared.stats.attempts_done),
            AttemptOutcome::Failed { .. } => count(&self.shared.stats.attempts_failed),
            AttemptOutcome::Stopped => {}
        }
    }

    fn count_upload(&self, ended: &Ended) {
        let stats = &self.shared.stats;
        match ended {
            Ended::Delivered => count(&stats.frames),
            Ended::Unavailable { .. } => count(&stats.uploads_again),
            Ended::Refused { .. } => count(&stats.uploads_refused),
            Ended::Superseded | Ended::Unreadable { .. } => {}
        }
    }

    /// Keeps the fleet's sums true. A twin is no worker of its own.
    fn count(&mut self, is_gone: bool) {
        if self.is_twin {
            return;
        }
        let now = if is_gone { (false, 0) } else { (self.brain.is_connected(), self.brain.rendering()) };
        let before = std::mem::replace(&mut self.counted, now);
        let stats = &self.shared.stats;
        stats.connected.fetch_add(i64::from(now.0) - i64::from(before.0), Relaxed);
        let rendering = |count: usize| i64::try_from(count).unwrap_or(0);
        stats.rendering.fetch_add(rendering(now.1) - rendering(before.1), Relaxed);
    }
}
