//! The coordinator's life: what it knows, how its machines are stepped, one timer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::prelude::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use pictor_actors::protocol::{LeaseRef, MetricSample, Refusal};
use pictor_actors::supervise::{Holding, Phase as StopPhase};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_worker_domain::outbox::Depth;
use pictor_worker_domain::presence::{self, Presence};
use pictor_worker_domain::session::{self, Session};
use pictor_worker_domain::unheard::Unheard;

use super::messages::{
    DeadlineDue, GetStatus, LeaseEmptied, LinkHeard, LinkLost, OutboxChanged, PauseAsked, ResumeAnswer,
    ResumeAsked, RunnerSaid, SampleTaken, SlotChanged, SoftwareFound, SpoolKnown, StopAsked,
};
use super::pause_file::PauseFile;
use crate::agents::runner::{self, SlotReport};
use crate::agents::{Workplace, tell};
use crate::config::pause;

/// The actor.
pub struct Coordinator {
    pub(super) place: Arc<Workplace>,
    pub(super) session: Session,
    pub(super) presence: Presence,
    pub(super) slots: BTreeMap<u16, SlotReport>,
    pub(super) outbox: Depth,
    pub(super) outbox_leases: Vec<LeaseRef>,
    pub(super) sample: Option<MetricSample>,
    pub(super) disk_free_bytes: Option<u64>,
    pub(super) line: Line,
    pub(super) unheard: Unheard,
    /// Leases whose end was told; bounded, the oldest go first.
    pub(super) ended: BTreeSet<LeaseRef>,
    pub(super) is_stopping: bool,
    pub(super) pause_file: PauseFile,
    is_spool_known: bool,
    timer: Option<SpawnHandle>,
    hold: Option<Holding>,
}

/// What is known of the line to the cloud.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Number of the newest socket.
    pub connection: u64,
    /// It has not ended yet.
    pub is_open: bool,
    /// What the cloud asked to sign.
    pub nonce: Option<String>,
    /// The [`crate::agents::Known::revision`] that the cloud was told of on this socket.
    pub told_revision: u64,
    /// Since when it is as it is.
    pub since: UnixMillis,
    /// Why it was lost the last time.
    pub trouble: Option<String>,
    /// The cloud's last refusal.
    pub refusal: Option<Refusal>,
    /// This machine's clock is this far from the cloud's, where that matters.
    pub clock_off: Option<Millis>,
    /// The worker's name, as its owner wrote it last.
    pub name: Option<String>,
    /// The owner's wallet address.
    pub wallet: Option<String>,
}

impl Coordinator {
    /// Of the worker at this place.
    #[must_use]
    pub fn new(place: Arc<Workplace>) -> Self {
        let now = place.clock.now();
        let hold = Some(place.shutdown.hold(StopPhase::Draining, "coordinator"));
        let presence = Presence::restored(pause::load(&place.data));
        Self {
            session: Session::new(now.mono),
            presence,
            slots: BTreeMap::new(),
            outbox: Depth::default(),
            outbox_leases: Vec::new(),
            sample: None,
            disk_free_bytes: None,
            line: Line { since: now.wall, ..Line::default() },
            unheard: Unheard::default(),
            ended: BTreeSet::new(),
            is_stopping: false,
            pause_file: PauseFile::default(),
            is_spool_known: false,
            timer: None,
            hold,
            place,
        }
    }

    /// Steps the session and does what it wants.
    pub(super) fn session(&mut self, event: session::Event, context: &mut Context<Self>) {
        let now = self.place.clock.now();
        let (before, was_up) = (self.session.phase.word(), self.session.is_up());
        match self.session.clone().step(event, now.mono) {
            Ok((session, effects)) => {
                self.session = session;
                if before != self.session.phase.word() {
                    tracing::debug!(from = before, to = self.session.phase.word(), "session");
                }
                if was_up != self.session.is_up() {
                    self.line.since = now.wall;
                }
                for effect in effects {
                    self.run_session(effect);
                }
            }
            Err(refused) => tracing::debug!(%refused, "nothing to do"),
        }
        self.arm(context);
        self.end_if_done();
    }

    /// Steps the presence and does what it wants.
    pub(super) fn presence(&mut self, event: presence::Event, context: &mut Context<Self>) {
        let (presence, effects) = std::mem::take(&mut self.presence).step(event, self.place.clock.now().wall);
        self.presence = presence;
        for effect in effects {
            match effect {
                presence::Effect::Save(span) => self.save_pause(span, context),
                presence::Effect::Announce(pause) => {
                    match &pause {
                        Some(pause) => tracing::info!(?pause, "no new work is taken"),
                        None => tracing::info!("work is welcome"),
                    }
                    self.session(session::Event::NewsCame, context);
                }
            }
        }
        self.arm(context);
    }

    /// No program counts as missing only when the look for one is over.
    fn see_software(&mut self, context: &mut Context<Self>) {
        let known = self.place.known();
        let event = match (known.can_render(), known.is_searching()) {
            (true, _) => Some(presence::Event::EngineFound),
            (false, false) => Some(presence::Event::EngineMissing),
            (false, true) => None,
        };
        drop(known);
        if let Some(event) = event {
            self.presence(event, context);
        }
    }

    /// Delivery is over, or cannot go on: say goodbye.
    pub(super) fn drain_if_done(&mut self, context: &mut Context<Self>) {
        let is_quiet = self.outbox.frames == 0 && self.all_closed();
        if self.is_stopping && is_quiet && matches!(self.session.phase, session::Phase::Draining { .. }) {
            self.session(session::Event::Drained, context);
        }
        self.end_if_done();
    }

    fn end_if_done(&mut self) {
        let is_over = matches!(self.session.phase, session::Phase::Ended) && !self.line.is_open;
        if self.is_stopping && is_over && self.all_closed() {
            self.hold = None;
        }
    }

    fn all_closed(&self) -> bool {
        self.slots.values().all(|report| report.is_closed)
    }

    fn arm(&mut self, context: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        if !self.is_spool_known {
            return;
        }
        let now = self.place.clock.now();
        let session = self.session.next_deadline().map(|(at, why)| (now.mono.until(at), why));
        let presence = self.presence.next_deadline().map(|(at, why)| (now.wall.until(at), why));
        if let Some((wait, why)) = session.into_iter().chain(presence).min() {
            tracing::trace!(wait_ms = wait.0, why, "timer set");
            // A pause may end in days; timers are asked for a day at most and armed again.
            let wait = wait.min(Millis::from_secs(86_400));
            self.timer = Some(context.notify_later(DeadlineDue, wait.to_duration()));
        }
    }
}

impl Actor for Coordinator {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        let doors = self.place.doors();
        // An earlier life may have left a socket; its bearer and all it said are void.
        tell(&doors.link, crate::agents::link::CloseSocket);
        tell(&doors.uploader, crate::agents::uploader::CloudDown);
        doors.runners.values().for_each(|runner| tell(runner, runner::ReportYourself));
        self.see_software(context);
        let shutdown = self.place.shutdown.clone();
        let stopping = async move { shutdown.cancelled().await };
        context.spawn(stopping.into_actor(self).map(|(), _, context| context.notify(StopAsked)));
        if self.place.is_spool_read.load(std::sync::atomic::Ordering::Relaxed) {
            context.notify(SpoolKnown);
        }
    }
}

impl Handler<SpoolKnown> for Coordinator {
    type Result = ();

    fn handle(&mut self, _: SpoolKnown, context: &mut Context<Self>) {
        self.place.is_spool_read.store(true, std::sync::atomic::Ordering::Relaxed);
        self.is_spool_known = true;
        if self.session.is_up() {
            tell(&self.place.doors().uploader, crate::agents::uploader::CloudUp);
        }
        self.session(session::Event::DeadlineDue { random: crate::random() }, context);
    }
}

impl Handler<DeadlineDue> for Coordinator {
    type Result = ();

    fn handle(&mut self, _: DeadlineDue, context: &mut Context<Self>) {
        self.timer = None;
        self.session(session::Event::DeadlineDue { random: crate::random() }, context);
        self.presence(presence::Event::DeadlineDue, context);
    }
}

impl Handler<LinkHeard> for Coordinator {
    type Result = ();

    fn handle(&mut self, LinkHeard { connection, message }: LinkHeard, context: &mut Context<Self>) {
        if connection == self.line.connection {
            self.heard(message, context);
        }
    }
}

impl Handler<LinkLost> for Coordinator {
    type Result = ();

    fn handle(&mut self, LinkLost { connection, why }: LinkLost, context: &mut Context<Self>) {
        if connection.is_some_and(|connection| connection != self.line.connection) {
            return;
        }
        self.line.is_open = false;
        if !matches!(self.session.phase, session::Phase::Disconnected { .. } | session::Phase::Ended) {
            tracing::warn!(%why, "no connection with the cloud");
            self.line.trouble = Some(why);
        }
        self.session(session::Event::SocketLost { random: crate::random() }, context);
    }
}

impl Handler<RunnerSaid> for Coordinator {
    type Result = ();

    fn handle(&mut self, RunnerSaid { slot: _, said }: RunnerSaid, _: &mut Context<Self>) {
        self.say(said);
    }
}

impl Handler<SlotChanged> for Coordinator {
    type Result = ();

    fn handle(&mut self, SlotChanged { slot, report }: SlotChanged, context: &mut Context<Self>) {
        let before = self.slots.get(&slot);
        let is_news = runner::is_news(before, &report);
        let vanished: Vec<LeaseRef> = before
            .iter()
            .flat_map(|before| &before.held)
            .filter(|lease| !report.held.contains(lease) && !self.ended.contains(lease))
            .copied()
            .collect();
        self.slots.insert(slot, report);
        let is_busy = self.slots.values().any(|report| !report.held.is_empty());
        self.place.busy.send_if_modified(|before| std::mem::replace(before, is_busy) != is_busy);
        for lease in vanished {
            self.say(super::wire::lost_with_its_runner(lease));
        }
        if is_news {
            self.session(session::Event::NewsCame, context);
        }
        self.drain_if_done(context);
    }
}

impl Handler<OutboxChanged> for Coordinator {
    type Result = ();

    fn handle(&mut self, OutboxChanged { depth, leases }: OutboxChanged, context: &mut Context<Self>) {
        self.outbox = depth;
        self.outbox_leases = leases;
        self.drain_if_done(context);
    }
}

impl Handler<LeaseEmptied> for Coordinator {
    type Result = ();

    fn handle(&mut self, LeaseEmptied(lease): LeaseEmptied, _: &mut Context<Self>) {
        self.lease_emptied(lease);
    }
}

impl Handler<SampleTaken> for Coordinator {
    type Result = ();

    fn handle(&mut self, taken: SampleTaken, context: &mut Context<Self>) {
        self.sample = Some(taken.sample);
        self.disk_free_bytes = taken.disk_free_bytes.or(self.disk_free_bytes);
        if let Some(event) = self.disk_event() {
            self.presence(event, context);
        }
    }
}

impl Handler<SoftwareFound> for Coordinator {
    type Result = ();

    fn handle(&mut self, _: SoftwareFound, context: &mut Context<Self>) {
        self.see_software(context);
        if self.session.is_up() {
            self.say_machine();
        }
    }
}

impl Handler<GetStatus> for Coordinator {
    type Result = actix::MessageResult<GetStatus>;

    fn handle(&mut self, _: GetStatus, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(self.status())
    }
}

impl Handler<PauseAsked> for Coordinator {
    type Result = ();

    fn handle(&mut self, PauseAsked(span): PauseAsked, context: &mut Context<Self>) {
        self.presence(presence::Event::UserPaused(span), context);
    }
}

impl Handler<ResumeAsked> for Coordinator {
    type Result = ResumeAnswer;

    fn handle(&mut self, _: ResumeAsked, context: &mut Context<Self>) -> ResumeAnswer {
        self.presence(presence::Event::UserResumed, context);
        ResumeAnswer(self.presence.pause())
    }
}

impl Handler<StopAsked> for Coordinator {
    type Result = ();

    fn handle(&mut self, _: StopAsked, context: &mut Context<Self>) {
        self.is_stopping = true;
        tracing::info!("stopping: engines end, finished frames are kept");
        self.session(session::Event::DrainAsked, context);
        self.place.doors().runners.values().for_each(|runner| tell(runner, runner::StopAsked));
        self.drain_if_done(context);
    }
}
