//! The registry: starts a job's actor when it hears of the job, hands on what is said, lets it go at the end.
//! Which jobs are this replica's own is [`super::ownership`].

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use actix::dev::ToEnvelope;
use actix::prelude::{Actor, AsyncContext, Context, Handler, Message, ResponseFuture};
use futures_util::future::join_all;
use pictor_actors::ids::JobId;
use pictor_actors::now::Mono;
use pictor_actors::supervise::{Door, DoorError, Keeping, RestartBudget, keep};
use pictor_actors::units::Millis;

use super::actor::{Job, Parts};
use super::faults::Faults;
use super::messages::{
    AttemptSaid, FrameStored, GetJobsLive, GetLive, GetSlotsSeen, JobChanged, JobEnded, JobLook, JobsWait,
    LeasesGranted, LeasesReleased, SlotsSeen,
};
use crate::agents::job_live::JobLive;
use crate::agents::ports::ANSWER_WITHIN;

/// Messages one job may have waiting: a burst of log lines and progress from many slots.
const JOB_MAILBOX: usize = 1_024;
/// One job's faults must not end the process, so its keeper's budget is far above what its own ([`Faults`])
/// lets it spend.
const KEEPER_BUDGET: RestartBudget = RestartBudget { restarts: 10_000, within: Millis::from_secs(60) };
/// Jobs whose word of a change was lost are found this often.
const LOOK_AGAIN_EVERY: Millis = Millis::from_secs(30);
/// A job has so long to say what it does: less than whoever asks waits for a page of them, so that one that
/// is being built anew does not cost the others' answers.
const LIVE_WITHIN: Millis = Millis::from_secs(1);
/// Messages that wait for actors which are being built.
const LATE_MAX: usize = 4_096;

/// The registry.
pub struct Jobs {
    pub(super) parts: Parts,
    pub(super) open: BTreeMap<JobId, Open>,
    /// One look at a time.
    pub(super) is_looking: bool,
    /// The slots of this replica's own workers.
    own_slots: SlotsSeen,
    late: Rc<Cell<usize>>,
}

/// A job that has an actor here.
pub(super) struct Open {
    pub door: Door<Job>,
    /// This replica owns the job; else it attends it. Shared with the actor.
    pub owns: Rc<Cell<bool>>,
    /// When something last concerned it.
    pub used_at: Mono,
    /// When it was claimed by itself: a look that began before does not know.
    pub claimed_at: Option<Mono>,
}

impl Jobs {
    pub(super) fn new(parts: Parts) -> Self {
        let own_slots = SlotsSeen::default();
        Self { parts, open: BTreeMap::new(), is_looking: false, own_slots, late: Rc::default() }
    }

    /// The job's actor, started if there is none; a new one owns the job or not.
    pub(super) fn open(&mut self, id: JobId, owns: bool) -> Door<Job> {
        let now = self.parts.reach.ports.clock.now().mono;
        if let Some(open) = self.open.get_mut(&id)
            && !matches!(open.door.try_send(Nothing), Err(DoorError::Closed))
        {
            open.used_at = now;
            return open.door.clone();
        }
        let keeping = Keeping {
            name: "job",
            budget: KEEPER_BUDGET,
            mailbox: JOB_MAILBOX,
            // Jobs come in such numbers that asking each would cost more than it tells.
            stuck_after: None,
        };
        let owns = Rc::new(Cell::new(owns));
        let parts = Parts { owns: Rc::clone(&owns), ..self.parts.clone() };
        let shutdown = self.parts.reach.ports.shutdown.clone();
        let faults = Rc::new(Faults::new(id));
        let door = keep(keeping, &shutdown, move || {
            let (parts, faults) = (parts.clone(), Rc::clone(&faults));
            async move { faults.build(parts).await }
        });
        self.open.insert(id, Open { door: door.clone(), owns, used_at: now, claimed_at: None });
        door
    }

    /// Those that have ended are forgotten.
    pub(super) fn forget_closed(&mut self) {
        self.open.retain(|_, open| !matches!(open.door.try_send(Nothing), Err(DoorError::Closed)));
    }

    /// Hands a message on; to an actor that is being built or has no room it goes as soon as it can be taken.
    pub(super) fn hand_on<M>(&self, door: &Door<Job>, message: M)
    where
        M: Message<Result = ()> + Clone + Send + 'static,
        Job: Handler<M>,
        Context<Job>: ToEnvelope<Job, M>,
    {
        match door.try_send(message.clone()) {
            Ok(()) | Err(DoorError::Closed) => return,
            Err(DoorError::Full | DoorError::Restarting | DoorError::TimedOut) => {}
        }
        if self.late.get() >= LATE_MAX {
            tracing::warn!("too much waits for jobs that are being built; a message is lost");
            return;
        }
        let (door, late) = (door.clone(), Rc::clone(&self.late));
        late.set(late.get() + 1);
        actix_rt::spawn(async move {
            if let Err(error) = door.ask(message, ANSWER_WITHIN).await {
                tracing::debug!(%error, "a job did not take a message");
            }
            late.set(late.get() - 1);
        });
    }

    /// Hands a message on to a job that has an actor here.
    pub(super) fn hand_on_known<M>(&self, id: JobId, message: M)
    where
        M: Message<Result = ()> + Clone + Send + 'static,
        Job: Handler<M>,
        Context<Job>: ToEnvelope<Job, M>,
    {
        if let Some(open) = self.open.get(&id) {
            self.hand_on(&open.door, message);
        }
    }

    /// Hands on what happened here to a job; where another replica owns it, an actor that attends it is
    /// started.
    fn hand_on_here<M>(&mut self, id: JobId, message: M)
    where
        M: Message<Result = ()> + Clone + Send + 'static,
        Job: Handler<M>,
        Context<Job>: ToEnvelope<Job, M>,
    {
        if self.is_shared() {
            let door = self.open(id, false);
            self.hand_on(&door, message);
        } else {
            self.hand_on_known(id, message);
        }
    }

    /// The slots that there are in all have changed, or not.
    pub(super) fn note_slots(&mut self) {
        let seen = self.own_slots.plus(self.parts.reach.ports.peers.seen().slots);
        if self.parts.slots.replace(seen) != seen {
            for open in self.open.values() {
                // Losing it costs a wait until the job's next event.
                let _ = open.door.try_send(seen);
            }
        }
    }
}

impl Drop for Jobs {
    /// A registry that is rebuilt starts its own actors: two of one job would contradict each other.
    fn drop(&mut self) {
        self.open.values().for_each(|open| open.door.close());
    }
}

impl Actor for Jobs {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.look_for_jobs(context);
        context.run_interval(LOOK_AGAIN_EVERY.to_duration(), Self::look_for_jobs);
    }
}

/// Asks a door whether it is closed.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
struct Nothing;

impl Handler<Nothing> for Job {
    type Result = ();

    fn handle(&mut self, _nothing: Nothing, _context: &mut Context<Self>) {}
}

impl Handler<JobChanged> for Jobs {
    type Result = ();

    fn handle(&mut self, changed: JobChanged, context: &mut Context<Self>) {
        if self.is_shared() {
            self.claim_changed(changed, context);
            return;
        }
        let is_new = !self.open.contains_key(&changed.0);
        let door = self.open(changed.0, true);
        // A new actor reads the rows as they are now.
        if !is_new {
            self.hand_on(&door, changed);
        }
    }
}

impl Handler<JobLook> for Jobs {
    type Result = ();

    fn handle(&mut self, look: JobLook, _context: &mut Context<Self>) {
        self.hand_on_known(look.job, look);
    }
}

impl Handler<AttemptSaid> for Jobs {
    type Result = ();

    fn handle(&mut self, said: AttemptSaid, _context: &mut Context<Self>) {
        self.hand_on_here(said.job, said);
    }
}

impl Handler<FrameStored> for Jobs {
    type Result = ();

    fn handle(&mut self, stored: FrameStored, _context: &mut Context<Self>) {
        self.hand_on_here(stored.0.job, stored);
    }
}

impl Handler<LeasesGranted> for Jobs {
    type Result = ();

    fn handle(&mut self, LeasesGranted(leases): LeasesGranted, _context: &mut Context<Self>) {
        for (job, leases) in by_job(leases) {
            self.hand_on_here(job, LeasesGranted(leases));
        }
    }
}

impl Handler<LeasesReleased> for Jobs {
    type Result = ();

    fn handle(&mut self, LeasesReleased(leases): LeasesReleased, _context: &mut Context<Self>) {
        for (job, leases) in by_job(leases) {
            self.hand_on_here(job, LeasesReleased(leases));
        }
    }
}

fn by_job(leases: Vec<crate::store::LeaseRow>) -> BTreeMap<JobId, Vec<crate::store::LeaseRow>> {
    let mut of_job: BTreeMap<JobId, Vec<_>> = BTreeMap::new();
    for lease in leases {
        of_job.entry(lease.job_id).or_default().push(lease);
    }
    of_job
}

impl Handler<JobsWait> for Jobs {
    type Result = ();

    fn handle(&mut self, JobsWait(mut waiting): JobsWait, _context: &mut Context<Self>) {
        for (id, open) in &self.open {
            let own = waiting.remove_entry(id).into_iter().collect();
            // Losing it costs a stale line until the next change.
            let _ = open.door.try_send(JobsWait(own));
        }
    }
}

impl Handler<SlotsSeen> for Jobs {
    type Result = ();

    fn handle(&mut self, seen: SlotsSeen, _context: &mut Context<Self>) {
        self.own_slots = seen;
        self.note_slots();
    }
}

impl Handler<GetSlotsSeen> for Jobs {
    type Result = actix::MessageResult<GetSlotsSeen>;

    fn handle(&mut self, _get: GetSlotsSeen, _context: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(self.own_slots)
    }
}

impl Handler<JobEnded> for Jobs {
    type Result = ();

    fn handle(&mut self, JobEnded(id): JobEnded, _context: &mut Context<Self>) {
        if let Some(open) = self.open.remove(&id) {
            open.door.close();
        }
    }
}

impl Handler<GetJobsLive> for Jobs {
    type Result = ResponseFuture<BTreeMap<JobId, JobLive>>;

    fn handle(&mut self, GetJobsLive(jobs): GetJobsLive, _context: &mut Context<Self>) -> Self::Result {
        if let ([job], true) = (jobs.as_slice(), self.is_shared()) {
            // The page of a job that is worked on elsewhere: from now on it is attended here too.
            self.open(*job, false);
        }
        let doors = jobs.into_iter().filter_map(|job| Some((job, self.open.get(&job)?.door.clone())));
        let asking = |(job, door): (JobId, Door<Job>)| async move {
            Some((job, door.ask(GetLive, LIVE_WITHIN).await.ok()?))
        };
        let asked = join_all(doors.map(asking).collect::<Vec<_>>());
        Box::pin(async move { asked.await.into_iter().flatten().collect() })
    }
}
