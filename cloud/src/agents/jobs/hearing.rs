//! What a job's actor hears, and what follows from it.

use std::rc::Rc;

use actix::prelude::{Context, Handler, MessageResult};
use pictor_actors::ids::LeaseId;
use pictor_actors::protocol::outcome::FrameState;
use pictor_actors::protocol::{
    AttemptEnded, AttemptOutcome, AttemptStarted, CancelReason, FailureClass, FrameProgress, FromWorker,
    LeaseRef, TaskWarning,
};
use pictor_actors::units::Millis;
use pictor_cloud_domain::job::{JobEvent, JobState};
use pictor_cloud_domain::lease::{LeaseState, Outcome};
use pictor_cloud_domain::task::{Blame, Verdict, blame};

use super::actor::Job;
use super::effects::{self, FailedLease, retried};
use super::happened::{Happened, Rows};
use super::messages::{
    AttemptSaid, FrameStored, GetLive, JobChanged, JobLook, JobsWait, LeasesGranted, LeasesReleased,
    SlotsSeen,
};
use super::tracking::Held;
use crate::agents::broadcast::LiveEvent;
use crate::store::{EndedAttempt, JobRow, LogRow, StoreError, between};

impl Job {
    fn hear(&mut self, message: AttemptSaid, context: &mut Context<Self>) {
        let AttemptSaid { task, worker, lease, said, .. } = message;
        let held = Held { task, worker, fence: lease.fence, is_running: false, in_hand: None };
        match said {
            FromWorker::Accept(_) => self.mark(lease, None, context),
            FromWorker::Decline(_) => {
                self.run(effects::give_back(Rc::clone(&self.reach), lease.lease, Outcome::Declined), context);
            }
            FromWorker::AttemptStarted(started) => {
                self.tracking.started(lease.lease, held);
                self.step(&JobEvent::AttemptStarted, context);
                self.mark(lease, Some(started), context);
            }
            FromWorker::FrameProgress(progress) => self.on_progress(&progress, context),
            FromWorker::LogLines(lines) => {
                self.lines.take_in(&lines, task, worker, self.reach.now());
                self.keep_lines_soon(context);
            }
            FromWorker::Warning(warning) => self.on_warning(warning, context),
            FromWorker::AttemptEnded(ended) => self.on_attempt_ended(held, ended, context),
            FromWorker::Hello(_)
            | FromWorker::MachineChanged(_)
            | FromWorker::Heartbeat(_)
            | FromWorker::Goodbye { .. } => {
                tracing::debug!(job = %self.id, "heard what is not about an attempt");
            }
        }
    }

    fn mark(&mut self, lease: LeaseRef, started: Option<AttemptStarted>, context: &mut Context<Self>) {
        let reach = Rc::clone(&self.reach);
        let marking = async move {
            let (state, engine, device) = match &started {
                None => (LeaseState::Accepted, None, None),
                Some(started) => {
                    (LeaseState::Running, Some(started.engine.as_str()), Some(started.device.as_str()))
                }
            };
            let store = &reach.ports.store;
            let mark = || store.mark_lease(lease.lease, lease.fence, state, engine, device, reach.now());
            Happened::LeaseMarked(between("mark.before", retried(mark), "mark.after").await)
        };
        self.run(marking, context);
    }

    fn on_progress(&mut self, progress: &FrameProgress, context: &mut Context<Self>) {
        let (lease, frame) = (progress.lease.lease, progress.frame);
        match progress.state {
            FrameState::Started => self.tracking.in_hand(lease, Some((frame, None))),
            FrameState::Rendering { done, .. } => self.tracking.in_hand(lease, Some((frame, done))),
            FrameState::Rendered { render_ms, .. } => {
                self.tracking.in_hand(lease, None);
                self.tracking.rendered_in(Millis(render_ms));
            }
        }
        self.announce_soon(context);
    }

    fn on_warning(&mut self, warning: TaskWarning, context: &mut Context<Self>) {
        let (reach, id) = (Rc::clone(&self.reach), self.id);
        let keeping = async move {
            let store = &reach.ports.store;
            let keep = || store.add_job_warning(id, warning.class, &warning.text, reach.now());
            Happened::WarningKept(retried(keep).await)
        };
        self.run(keeping, context);
    }

    fn on_attempt_ended(&mut self, held: Held, ended: AttemptEnded, context: &mut Context<Self>) {
        let lease = ended.lease;
        match ended.outcome {
            AttemptOutcome::Rendered => {
                self.tracking.rendered(lease.lease);
                self.run(effects::keep_rendered(Rc::clone(&self.reach), lease), context);
                self.reach.wake_here();
            }
            AttemptOutcome::Stopped => {
                self.run(effects::give_back(Rc::clone(&self.reach), lease.lease, Outcome::Stopped), context);
            }
            AttemptOutcome::Failed { class, message, frame } => {
                self.tracking.rendered(lease.lease);
                let message = match frame {
                    Some(frame) => format!("frame {frame}: {message}"),
                    None => message,
                };
                self.judge(lease, held, class, message, context);
            }
        }
        self.announce_soon(context);
    }

    fn judge(
        &mut self,
        lease: LeaseRef,
        held: Held,
        class: FailureClass,
        message: String,
        context: &mut Context<Self>,
    ) {
        let failed = FailedLease {
            lease,
            job: self.id,
            task: held.task,
            worker: held.worker,
            class,
            message,
            engine: self.tracking.engine,
            job_has_frames: self.tracking.frames_done > 0,
            worker_failed_job_before: !self.tracking.failed_on.insert(held.worker),
        };
        self.run(effects::judge_failure(Rc::clone(&self.reach), failed), context);
    }

    pub(super) fn on_happened(&mut self, happened: Happened, context: &mut Context<Self>) {
        match happened {
            Happened::TasksCut(result, tasks) => {
                self.cut_ended();
                match result {
                    Ok(row) => {
                        self.tracking.cut(&row, &tasks);
                        self.reach.wake();
                    }
                    Err(error) => self.failed("cut of tasks", &error, context),
                }
            }
            Happened::LeaseMarked(Ok(_)) | Happened::WarningKept(Ok(false)) => {}
            // It ended meanwhile; whoever ended it tells.
            Happened::LeaseMarked(Err(StoreError::StaleFence)) => {}
            Happened::LeaseMarked(Err(error)) => self.failed("mark of a lease", &error, context),
            Happened::WarningKept(Ok(true)) => self.announce(LiveEvent::JobChanged(self.id)),
            Happened::WarningKept(Err(error)) => self.failed("a warning", &error, context),
            Happened::LeaseGivenBack(lease, Ok(_)) => self.on_given_back(lease, context),
            Happened::LeaseGivenBack(_, Err(error)) => self.failed("return of a lease", &error, context),
            Happened::AttemptJudged(lease, judged) => match *judged {
                Ok((ended, verdict)) => self.on_judged(lease, &ended, &verdict, context),
                Err(error) => self.failed("end of an attempt", &error, context),
            },
            Happened::Reloaded(rows) => {
                let within = self.read_ended();
                match *rows {
                    Ok(rows) => self.on_reloaded(&rows, within, context),
                    Err(error @ StoreError::Unknown(_)) => self.failed("look at the rows", &error, context),
                    Err(error) => tracing::warn!(job = %self.id, %error, "rows were not read"),
                }
                self.read_again(context);
            }
            Happened::EndChecked(Ok(Some(row))) => self.on_ended(&row),
            Happened::EndChecked(Ok(None)) => {}
            Happened::EndChecked(Err(error)) => self.failed("end of the job", &error, context),
            Happened::FailedAtOnce(Ok(leases)) => {
                tracing::info!(job = %self.id, leases = leases.len(), "job failed at once");
                self.tell_owner();
                self.reload(context);
            }
            Happened::FailedAtOnce(Err(error)) => self.failed("failing at once", &error, context),
            Happened::LinesKept(result, lines) => self.on_lines_kept(result, lines, context),
        }
    }

    fn on_lines_kept(
        &mut self,
        result: Result<(), StoreError>,
        lines: Vec<LogRow>,
        context: &mut Context<Self>,
    ) {
        match result {
            Ok(()) => self.announce(LiveEvent::LogAppended { job: self.id }),
            // The same lines again change nothing, so that this is safe also if they were stored.
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => self.lines.put_back(lines),
            Err(error) => tracing::warn!(job = %self.id, %error, "log lines are lost"),
        }
        self.lines_kept(context);
    }

    fn on_given_back(&mut self, lease: LeaseId, context: &mut Context<Self>) {
        if let Some(held) = self.tracking.released(lease) {
            self.reach.ended(vec![(held.worker, lease)]);
        }
        self.tell_owner();
        self.reach.wake();
        self.announce_soon(context);
    }

    fn on_judged(
        &mut self,
        lease: LeaseId,
        ended: &EndedAttempt,
        verdict: &Verdict,
        context: &mut Context<Self>,
    ) {
        self.tracking.released(lease);
        self.tracking.frames_failed = ended.job.frames_failed;
        let job_fault = match verdict {
            Verdict::Again { .. } => None,
            Verdict::JobFault { message } => Some(message),
            Verdict::GivenUp { .. } => {
                self.tracking.task_ended(ended.task.id);
                None
            }
        };
        if let Some(message) = job_fault {
            self.tracking.task_ended(ended.task.id);
            // By the row: frames may have come by another replica.
            if ended.job.frames_done == 0 {
                let reason = in_words(ended, message);
                self.run(effects::fail_at_once(Rc::clone(&self.reach), self.id, reason), context);
            }
        }
        self.tell_owner();
        self.reach.wake();
        self.announce(LiveEvent::JobChanged(self.id));
        self.end_if_through(context);
    }

    fn on_reloaded(&mut self, rows: &Rows, within: Millis, context: &mut Context<Self>) {
        let (state_before, is_live) = (self.tracking.life.state, rows.job.state.is_live());
        // A lease that has ended is dropped at once, also of a paused job; `JobPaused` is for those that
        // still run.
        let reason = match rows.job.state {
            JobState::Cancelled => CancelReason::JobCancelled,
            JobState::Paused
            | JobState::Uploading
            | JobState::Ready
            | JobState::Running
            | JobState::Completed
            | JobState::Failed => CancelReason::Superseded,
        };
        let waiting = self.tracking.pending();
        let gone = self.tracking.take_rows(&rows.job, &rows.open, &rows.leases);
        self.plan_look(within, waiting.saturating_sub(self.tracking.pending()), self.tracking.pending());
        for (lease, held) in gone {
            self.reach.cancel(held.worker, LeaseRef { lease, fence: held.fence }, reason);
        }
        if rows.job.state != state_before {
            self.announce(LiveEvent::JobChanged(self.id));
        }
        if !is_live {
            self.let_go();
            return;
        }
        if rows.job.state == JobState::Paused && state_before != JobState::Paused {
            self.recall_all(CancelReason::JobPaused);
        }
        self.cut_if_needed(context);
        self.end_if_through(context);
        self.reach.wake_here();
    }

    fn on_ended(&mut self, row: &JobRow) {
        tracing::info!(job = %self.id, state = %row.state, "job ended");
        self.tell_owner();
        self.announce(LiveEvent::JobChanged(self.id));
        self.let_go();
    }
}

/// Why the whole job fails; a second opinion's message names the class itself.
fn in_words(ended: &EndedAttempt, message: &str) -> String {
    match ended.task.failure_class {
        Some(class) if blame(class) == Blame::Job => format!("{}: {message}", class.words()),
        Some(_) | None => message.to_owned(),
    }
}

impl Handler<AttemptSaid> for Job {
    type Result = ();

    fn handle(&mut self, message: AttemptSaid, context: &mut Context<Self>) {
        self.hear(message, context);
    }
}

impl Handler<FrameStored> for Job {
    type Result = ();

    fn handle(&mut self, FrameStored(stored): FrameStored, context: &mut Context<Self>) {
        let (lease, frame) = (stored.receipt.lease, stored.receipt.frame);
        if !stored.already {
            self.tracking.frame_stored(lease, frame);
            self.announce(LiveEvent::FrameStored { job: self.id, frame });
        }
        if stored.task_completed {
            self.tracking.task_ended(stored.task);
            self.reach.ended(vec![(stored.worker, lease)]);
            for other in &stored.not_needed {
                let lease = LeaseRef { lease: other.id, fence: other.fence };
                self.reach.cancel(other.worker_id, lease, CancelReason::Superseded);
            }
            self.tell_owner();
            self.reach.wake_here();
        }
        self.cut_if_needed(context);
        if stored.job_completed {
            self.step(&JobEvent::AllFramesStored, context);
            return;
        }
        self.announce_soon(context);
        if stored.task_completed {
            self.end_if_through(context);
        }
    }
}

impl Handler<JobChanged> for Job {
    type Result = ();

    fn handle(&mut self, _changed: JobChanged, context: &mut Context<Self>) {
        self.announce(LiveEvent::JobChanged(self.id));
        self.reload(context);
    }
}

impl Handler<JobLook> for Job {
    type Result = ();

    fn handle(&mut self, look: JobLook, context: &mut Context<Self>) {
        if look.at_once {
            self.reload(context);
        } else {
            self.look_soon(context);
        }
    }
}

impl Handler<LeasesGranted> for Job {
    type Result = ();

    fn handle(&mut self, LeasesGranted(leases): LeasesGranted, context: &mut Context<Self>) {
        leases.iter().for_each(|lease| self.tracking.granted(lease));
        self.tell_owner();
        self.cut_if_needed(context);
        self.announce_soon(context);
    }
}

impl Handler<LeasesReleased> for Job {
    type Result = ();

    fn handle(&mut self, LeasesReleased(leases): LeasesReleased, context: &mut Context<Self>) {
        let mut is_known = true;
        for lease in leases {
            is_known &= self.tracking.released(lease.id).is_some();
        }
        if !is_known {
            self.reload(context);
        }
        self.tell_owner();
        self.reach.wake();
        self.announce_soon(context);
    }
}

impl Handler<JobsWait> for Job {
    type Result = ();

    fn handle(&mut self, JobsWait(mut waiting): JobsWait, context: &mut Context<Self>) {
        let lines = waiting.remove(&self.id).unwrap_or_default();
        if lines != self.tracking.waiting {
            self.tracking.waiting = lines;
            self.announce_soon(context);
        }
    }
}

impl Handler<SlotsSeen> for Job {
    type Result = ();

    fn handle(&mut self, _seen: SlotsSeen, context: &mut Context<Self>) {
        self.cut_if_needed(context);
    }
}

impl Handler<GetLive> for Job {
    type Result = MessageResult<GetLive>;

    fn handle(&mut self, _get: GetLive, context: &mut Context<Self>) -> Self::Result {
        if self.reach.ports.peers.seen().others > 0 {
            // Somebody watches: the next answer knows what happened elsewhere meanwhile.
            self.look_soon(context);
        }
        MessageResult(self.tracking.live(self.reach.now()))
    }
}
