//! The registry: starts a job's actor when it hears of the job, hands on what is said, lets it go at the end.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use actix::dev::ToEnvelope;
use actix::prelude::{Actor, AsyncContext, Context, Handler, Message, ResponseFuture, WrapFuture};
use futures_util::future::join_all;
use pictor_actors::ids::JobId;
use pictor_actors::supervise::{Door, DoorError, Keeping, RestartBudget, keep};
use pictor_actors::units::Millis;

use super::actor::{Job, Parts};
use super::effects::retried;
use super::faults::Faults;
use super::messages::{
    AttemptSaid, FrameStored, GetJobsLive, GetLive, JobChanged, JobEnded, JobsWait, LeasesGranted,
    LeasesReleased, SlotsSeen,
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
    parts: Parts,
    doors: BTreeMap<JobId, Door<Job>>,
    late: Rc<Cell<usize>>,
}

impl Jobs {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, doors: BTreeMap::new(), late: Rc::default() }
    }

    fn open(&mut self, id: JobId) -> Door<Job> {
        if let Some(door) = self.doors.get(&id)
            && !matches!(door.try_send(Nothing), Err(DoorError::Closed))
        {
            return door.clone();
        }
        let keeping = Keeping {
            name: "job",
            budget: KEEPER_BUDGET,
            mailbox: JOB_MAILBOX,
            // Jobs come in such numbers that asking each would cost more than it tells.
            stuck_after: None,
        };
        let parts = self.parts.clone();
        let shutdown = self.parts.reach.ports.shutdown.clone();
        let faults = Rc::new(Faults::new(id));
        let door = keep(keeping, &shutdown, move || {
            let (parts, faults) = (parts.clone(), Rc::clone(&faults));
            async move { faults.build(parts).await }
        });
        self.doors.insert(id, door.clone());
        door
    }

    /// Hands a message on; to an actor that is being built or has no room it goes as soon as it can be taken.
    fn hand_on<M>(&self, door: &Door<Job>, message: M)
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

    fn hand_on_known<M>(&self, id: JobId, message: M)
    where
        M: Message<Result = ()> + Clone + Send + 'static,
        Job: Handler<M>,
        Context<Job>: ToEnvelope<Job, M>,
    {
        if let Some(door) = self.doors.get(&id) {
            self.hand_on(door, message);
        }
    }

    /// Starts what the store knows to be live, and forgets what has closed.
    fn look_again(&mut self, context: &mut Context<Self>) {
        self.doors.retain(|_, door| !matches!(door.try_send(Nothing), Err(DoorError::Closed)));
        let store = self.parts.reach.ports.store.clone();
        let reading = async move { retried(|| store.live_jobs()).await };
        context.spawn(actix::fut::ActorFutureExt::map(
            reading.into_actor(self),
            |jobs, registry, _context| match jobs {
                Ok(jobs) => jobs.iter().for_each(|job| drop(registry.open(job.id))),
                Err(error) => tracing::warn!(%error, "live jobs were not read"),
            },
        ));
    }
}

impl Drop for Jobs {
    /// A registry that is rebuilt starts its own actors: two of one job would contradict each other.
    fn drop(&mut self) {
        self.doors.values().for_each(Door::close);
    }
}

impl Actor for Jobs {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.look_again(context);
        context.run_interval(LOOK_AGAIN_EVERY.to_duration(), Self::look_again);
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

    fn handle(&mut self, changed: JobChanged, _context: &mut Context<Self>) {
        let is_new = !self.doors.contains_key(&changed.0);
        let door = self.open(changed.0);
        // A new actor reads the rows as they are now.
        if !is_new {
            self.hand_on(&door, changed);
        }
    }
}

impl Handler<AttemptSaid> for Jobs {
    type Result = ();

    fn handle(&mut self, said: AttemptSaid, _context: &mut Context<Self>) {
        self.hand_on_known(said.job, said);
    }
}

impl Handler<FrameStored> for Jobs {
    type Result = ();

    fn handle(&mut self, stored: FrameStored, _context: &mut Context<Self>) {
        self.hand_on_known(stored.0.job, stored);
    }
}

impl Handler<LeasesGranted> for Jobs {
    type Result = ();

    fn handle(&mut self, LeasesGranted(leases): LeasesGranted, _context: &mut Context<Self>) {
        for (job, leases) in by_job(leases) {
            self.hand_on_known(job, LeasesGranted(leases));
        }
    }
}

impl Handler<LeasesReleased> for Jobs {
    type Result = ();

    fn handle(&mut self, LeasesReleased(leases): LeasesReleased, _context: &mut Context<Self>) {
        for (job, leases) in by_job(leases) {
            self.hand_on_known(job, LeasesReleased(leases));
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
        for (id, door) in &self.doors {
            let own = waiting.remove_entry(id).into_iter().collect();
            // Losing it costs a stale line until the next change.
            let _ = door.try_send(JobsWait(own));
        }
    }
}

impl Handler<SlotsSeen> for Jobs {
    type Result = ();

    fn handle(&mut self, seen: SlotsSeen, _context: &mut Context<Self>) {
        self.parts.slots.set(seen);
        for door in self.doors.values() {
            // Losing it costs a wait until the job's next event.
            let _ = door.try_send(seen);
        }
    }
}

impl Handler<JobEnded> for Jobs {
    type Result = ();

    fn handle(&mut self, JobEnded(id): JobEnded, _context: &mut Context<Self>) {
        if let Some(door) = self.doors.remove(&id) {
            door.close();
        }
    }
}

impl Handler<GetJobsLive> for Jobs {
    type Result = ResponseFuture<BTreeMap<JobId, JobLive>>;

    fn handle(&mut self, GetJobsLive(jobs): GetJobsLive, _context: &mut Context<Self>) -> Self::Result {
        let doors = jobs.into_iter().filter_map(|job| Some((job, self.doors.get(&job)?.clone())));
        let asking = |(job, door): (JobId, Door<Job>)| async move {
            Some((job, door.ask(GetLive, LIVE_WITHIN).await.ok()?))
        };
        let asked = join_all(doors.map(asking).collect::<Vec<_>>());
        Box::pin(async move { asked.await.into_iter().flatten().collect() })
    }
}
