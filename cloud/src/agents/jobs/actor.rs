//! One live job: its tasks, attempts, retries, progress, log. Everything it knows can be read from the store
//! again.

use std::cell::Cell;
use std::rc::Rc;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::prelude::{Actor, ActorContext, AsyncContext, Context, Running, SpawnHandle};
use pictor_actors::ids::JobId;
use pictor_actors::now::Mono;
use pictor_actors::protocol::{CancelReason, LeaseRef};
use pictor_actors::supervise::{BuildError, Gone};
use pictor_actors::units::Millis;
use pictor_cloud_domain::job::{self, JobEffect, JobEvent, JobState};

use super::effects::{self, Reach};
use super::happened::{Happened, Rows};
use super::lines::Lines;
use super::messages::{JobEnded, SlotsSeen};
use super::tracking::Tracking;
use crate::agents::broadcast::{Announce, LiveEvent};
use crate::agents::ports::Ask;
use crate::bus::Nudge;
use crate::store::StoreError;

/// Log lines are gathered for so long.
const LINES_AFTER: Millis = Millis(400);
/// Progress is told at most this often.
const ANNOUNCE_AFTER: Millis = Millis(200);
/// The rows are read anew this often, in case word of a change was lost.
const LOOK_AGAIN_EVERY: Millis = Millis::from_secs(30);
/// The same where other replicas change them and cannot tell.
const LOOK_OFTEN_EVERY: Millis = Millis::from_secs(5);
/// Looks that others ask for are so far apart at least, where others take its tasks so fast that more must be
/// cut soon, and at most.
const LOOKS_APART: (Millis, Millis) = (Millis(200), Millis(2_000));

/// The actor of one job.
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) reach: Rc<Reach>,
    pub(super) tracking: Tracking,
    pub(super) lines: Lines,
    registry: Rc<dyn Ask<JobEnded>>,
    /// What the fleet could render on; shared with the registry, which keeps it current.
    slots: Rc<Cell<SlotsSeen>>,
    /// One cut at a time: each begins where the last one ended.
    is_cutting: bool,
    /// Its end is not the job's fault.
    is_excused: Rc<Cell<bool>>,
    /// This replica owns the job; else it attends it. Shared with the registry, which keeps it current.
    owns: Rc<Cell<bool>>,
    looked_at: Mono,
    /// The next look that others ask for comes so long after the last.
    look_after: Millis,
    looking_soon: Option<SpawnHandle>,
    /// Others asked for a look then, for the first time since the last.
    asked_at: Option<Mono>,
    /// The rows are being read, so long after others began to say that they change them.
    reading: Option<Millis>,
    /// They are to be read once more then.
    reads_again: bool,
    announcing: Option<SpawnHandle>,
    keeping_lines: Option<SpawnHandle>,
}

/// What a job's actor is built from.
#[derive(Clone)]
pub(super) struct Parts {
    pub reach: Rc<Reach>,
    pub registry: Rc<dyn Ask<JobEnded>>,
    pub slots: Rc<Cell<SlotsSeen>>,
    pub owns: Rc<Cell<bool>>,
}

impl Job {
    /// Reads the job; [`Gone`] if it is not live. `is_excused` is set before it ends because of the database.
    pub async fn build(id: JobId, parts: Parts, is_excused: Rc<Cell<bool>>) -> Result<Self, BuildError> {
        let store = &parts.reach.ports.store;
        let (Rows { job, open, leases }, times) = match effects::read_to_build(store, id).await {
            Err(StoreError::NotFound) => return Err(Box::new(Gone)),
            rows => rows?,
        };
        if !job.state.is_live() {
            return Err(Box::new(Gone));
        }
        let looked_at = parts.reach.ports.clock.now().mono;
        let tracking = Tracking::of_rows(&job, &open, &leases, times).ok_or("its frames cannot be read")?;
        Ok(Self {
            id,
            reach: parts.reach,
            tracking,
            lines: Lines::new(id),
            registry: parts.registry,
            slots: parts.slots,
            is_cutting: false,
            is_excused,
            owns: parts.owns,
            looked_at,
            look_after: LOOKS_APART.0,
            looking_soon: None,
            asked_at: None,
            reading: None,
            reads_again: false,
            announcing: None,
            keeping_lines: None,
        })
    }

    /// Runs an effect; its result comes back to [`Self::on_happened`].
    pub(super) fn run(&self, effect: impl Future<Output = Happened> + 'static, context: &mut Context<Self>) {
        let told = wrap_future::<_, Self>(effect).map(|happened, actor, context: &mut Context<Self>| {
            actor.on_happened(happened, context);
        });
        context.spawn(told);
    }

    /// Carries out what the job's machine asks for.
    pub(super) fn step(&mut self, event: &JobEvent, context: &mut Context<Self>) {
        match job::step(&self.tracking.life, event, self.reach.now()) {
            Ok((life, effects)) => {
                debug_assert_eq!(job::machine::holds(&life), Ok(()), "{event:?}");
                self.tracking.life = life;
                for effect in effects {
                    self.carry_out(effect, context);
                }
            }
            // What comes late changes nothing: the rows have decided already.
            Err(refusal) => tracing::debug!(job = %self.id, %refusal, "too late"),
        }
    }

    fn carry_out(&mut self, effect: JobEffect, context: &mut Context<Self>) {
        match effect {
            JobEffect::CutTasks => self.cut_if_needed(context),
            JobEffect::WakeDispatcher => self.reach.wake(),
            JobEffect::RecallLeases(reason) => self.recall_all(reason),
            JobEffect::Announce => self.announce(LiveEvent::JobChanged(self.id)),
            JobEffect::LetGo => self.let_go(),
        }
    }

    pub(super) fn recall_all(&mut self, reason: CancelReason) {
        for (lease, held) in self.tracking.leases() {
            self.reach.cancel(held.worker, LeaseRef { lease, fence: held.fence }, reason);
            if reason != CancelReason::JobPaused {
                self.tracking.released(lease);
            }
        }
    }

    pub(super) fn let_go(&self) {
        let ended = self.registry.ask(JobEnded(self.id));
        // Should the registry not hear it, it finds out at its next look at the rows.
        actix_rt::spawn(async move {
            let _ = ended.await;
        });
    }

    pub(super) fn announce(&self, event: LiveEvent) {
        self.reach.announce(Announce { account: self.tracking.account, event });
    }

    /// Tells of progress, gathered.
    pub(super) fn announce_soon(&mut self, context: &mut Context<Self>) {
        if self.announcing.is_none() {
            self.announcing = Some(context.run_later(ANNOUNCE_AFTER.to_duration(), |actor, _context| {
                actor.announcing = None;
                actor.announce(LiveEvent::JobChanged(actor.id));
            }));
        }
    }

    /// Stores log lines, gathered.
    pub(super) fn keep_lines_soon(&mut self, context: &mut Context<Self>) {
        if self.keeping_lines.is_none() && !self.lines.is_empty() {
            self.keeping_lines = Some(context.run_later(LINES_AFTER.to_duration(), |actor, context| {
                let (lines, store) = (actor.lines.take(), actor.reach.ports.store.clone());
                actor.run(async move { Happened::LinesKept(store.append_log(&lines).await, lines) }, context);
            }));
        }
    }

    pub(super) fn lines_kept(&mut self, context: &mut Context<Self>) {
        self.keeping_lines = None;
        self.keep_lines_soon(context);
    }

    /// Tasks are the owner's to cut.
    pub(super) fn cut_if_needed(&mut self, context: &mut Context<Self>) {
        if self.is_cutting || !self.owns.get() {
            return;
        }
        let sets = self.tracking.next_tasks(self.slots.get().able(self.tracking.engine));
        if sets.is_empty() {
            return;
        }
        self.is_cutting = true;
        let planned = self.tracking.frames_planned;
        self.run(effects::cut(Rc::clone(&self.reach), self.id, planned, sets), context);
    }

    pub(super) fn cut_ended(&mut self) {
        self.is_cutting = false;
    }

    /// Every task has ended: the rows decide how the job ends.
    pub(super) fn end_if_through(&mut self, context: &mut Context<Self>) {
        if self.tracking.is_through() {
            self.run(effects::check_end(Rc::clone(&self.reach), self.id), context);
        }
    }

    /// What was stored here concerns whoever owns the job.
    pub(super) fn tell_owner(&self) {
        if !self.owns.get() {
            self.reach.ports.peers.tell(Nudge::Job { job: self.id, by_hand: false });
        }
    }

    /// Looks at the rows, soon and not too often.
    pub(super) fn look_soon(&mut self, context: &mut Context<Self>) {
        if self.looking_soon.is_some() {
            return;
        }
        self.asked_at = Some(self.mono());
        // Who does not own the job only shows it.
        let apart = if self.owns.get() { self.look_after } else { LOOKS_APART.1 };
        let since = self.looked_at.until(self.mono());
        let after = Millis(apart.0.saturating_sub(since.0));
        self.looking_soon = Some(context.run_later(after.to_duration(), |actor, context| {
            actor.looking_soon = None;
            actor.reload(context);
        }));
    }

    /// Looks at the rows if the last look was too long ago.
    fn look_now_and_then(&mut self, context: &mut Context<Self>) {
        let every = if self.reach.ports.peers.must_look() { LOOK_OFTEN_EVERY } else { LOOK_AGAIN_EVERY };
        if self.looked_at.until(self.mono()) >= every {
            self.reload(context);
        }
    }

    fn mono(&self) -> Mono {
        self.reach.ports.clock.now().mono
    }

    /// Reads the rows: once at a time, and once more if somebody asked meanwhile.
    pub(super) fn reload(&mut self, context: &mut Context<Self>) {
        if self.reading.is_some() {
            self.reads_again = true;
            return;
        }
        let now = self.mono();
        // Nothing was taken before others said so.
        let since = self.asked_at.take().unwrap_or(self.looked_at);
        self.reading = Some(since.until(now));
        self.looked_at = now;
        self.tracking.read_begins();
        self.run(effects::reload(Rc::clone(&self.reach), self.id), context);
    }

    /// The rows were read, or not; returns within which time others had changed them.
    pub(super) fn read_ended(&mut self) -> Millis {
        self.reading.take().unwrap_or(Millis(0))
    }

    /// Reads the rows if somebody asked while they were read.
    pub(super) fn read_again(&mut self, context: &mut Context<Self>) {
        if std::mem::take(&mut self.reads_again) {
            self.reload(context);
        }
    }

    /// Others took so many of its waiting tasks in that time, unseen, and so many are left: the next look is
    /// to come before half of these are gone too.
    pub(super) fn plan_look(&mut self, within: Millis, taken: u32, left: u32) {
        let half = (within.0 * u64::from(left)).checked_div(2 * u64::from(taken));
        self.look_after = Millis(half.unwrap_or(u64::MAX).clamp(LOOKS_APART.0.0, LOOKS_APART.1.0));
    }

    /// What may have been done makes the memory worthless: the keeper builds a new actor from the rows.
    pub(super) fn failed(&mut self, what: &str, error: &StoreError, context: &mut Context<Self>) {
        match error {
            StoreError::Unknown(_) => {
                tracing::warn!(job = %self.id, %error, "{what}: starts anew from the rows");
                self.is_excused.set(true);
                context.stop();
            }
            StoreError::NotFound | StoreError::Conflict(_) | StoreError::StaleFence => {
                tracing::debug!(job = %self.id, %error, "{what}: the rows have changed");
                self.reload(context);
            }
            StoreError::Unavailable(_) => tracing::warn!(job = %self.id, %error, "{what}: not done"),
        }
    }
}

impl Actor for Job {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        if self.tracking.life.state != JobState::Paused {
            self.cut_if_needed(context);
        }
        self.end_if_through(context);
        self.reach.wake();
        context.run_interval(LOOK_OFTEN_EVERY.to_duration(), Self::look_now_and_then);
    }

    fn stopping(&mut self, _context: &mut Context<Self>) -> Running {
        if !self.lines.is_empty() {
            self.reach.keep_last_lines(self.lines.take());
        }
        Running::Stop
    }
}
