//! The model store: rows in memory, changed by the cloud's own machines, one transaction at a time.
//!
//! It stands for the database: what is committed stays, whoever dies. Each transaction checks its condition
//! against the rows as they are when it commits, never as its caller saw them. Blobs lie beside the rows; one
//! that was not flushed is gone after a power cut.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{AccountId, JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::{FailureClass, LeaseRef};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::job::{self, Job, JobEvent, JobState};
use pictor_cloud_domain::lease::{self, Lease, LeaseEvent, LeaseState, Outcome};
use pictor_cloud_domain::task::{self, Task, TaskEvent, TaskState, Verdict};

/// A job with what the store keeps beside its life.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    pub life: Job,
    pub account: AccountId,
    pub priority: u8,
    pub created_at: UnixMillis,
    pub chunk: Option<u32>,
    pub frames_total: u32,
    pub frames_planned: u32,
    pub frames_done: u32,
}

/// A task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    pub life: Task,
    pub job: JobId,
    pub frames: Vec<i32>,
    pub lease: Option<LeaseId>,
    /// Failures before this lease count no more: its creator tried it again by hand.
    pub retried_after: Option<LeaseId>,
}

/// A lease.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseRow {
    pub life: Lease,
    pub task: TaskId,
    pub job: JobId,
    pub worker: WorkerId,
    pub slot: u16,
    pub has_begun: bool,
    pub failed: Option<FailureClass>,
}

/// A stored frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRow {
    pub task: TaskId,
    pub lease: LeaseId,
    pub worker: WorkerId,
    pub blob: u64,
}

/// A grant that is asked for.
#[derive(Debug, Clone)]
pub struct Grant {
    pub lease: LeaseId,
    pub task: TaskId,
    pub worker: WorkerId,
    pub slot: u16,
    pub fence_seen: u64,
}

/// A frame that is asked to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewFrame {
    pub lease: LeaseRef,
    pub frame: i32,
    pub blob: u64,
}

/// What a person asks of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Pause,
    Resume,
    Cancel,
    Retry,
}

/// A transaction.
#[derive(Debug, Clone)]
pub enum Write {
    Submit { job: JobId, row: JobRow },
    Cut { job: JobId, planned_before: u32, sizes: Vec<u32>, first: TaskId },
    Grant { grants: Vec<Grant>, until: UnixMillis },
    Accepted(LeaseRef),
    Started(LeaseRef),
    Rendered(LeaseRef),
    Failed { lease: LeaseRef, class: FailureClass, verdict: Verdict },
    Release { leases: Vec<LeaseId>, outcome: Outcome },
    Expire { again: Vec<LeaseId>, given_up: Vec<LeaseId> },
    Renew { leases: Vec<(LeaseId, UnixMillis)>, signs: BTreeMap<WorkerId, UnixMillis> },
    Frame(NewFrame),
    EndIfDone(JobId),
    Wish(JobId, Wish),
    OpenLink { worker: WorkerId, connection: u64 },
}

/// What a committed transaction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Done,
    /// The lease or the state does not allow it; nothing was changed.
    Refused,
    Granted(Vec<LeaseId>),
    Released(Vec<LeaseId>),
    Stored {
        already: bool,
        by: WorkerId,
    },
    Link {
        number: u64,
    },
}

/// The database and the folder of blobs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Store {
    pub jobs: BTreeMap<JobId, JobRow>,
    pub tasks: BTreeMap<TaskId, TaskRow>,
    pub leases: BTreeMap<LeaseId, LeaseRow>,
    pub frames: BTreeMap<(JobId, i32), FrameRow>,
    /// Number of the newest connection of each worker.
    pub links: BTreeMap<WorkerId, (u64, u64)>,
    /// Blob and whether it was flushed.
    pub blobs: BTreeMap<u64, bool>,
    /// When each worker was heard last.
    pub signs: BTreeMap<WorkerId, UnixMillis>,
    /// Rises with each change.
    pub changes: u64,
}

impl Store {
    /// Commits it: all or nothing.
    pub fn commit(&mut self, write: &Write, now: UnixMillis) -> Said {
        self.changes += 1;
        match write {
            Write::Submit { job, row } => {
                self.jobs.insert(*job, row.clone());
                Said::Done
            }
            Write::Cut { job, planned_before, sizes, first } => {
                self.cut(*job, *planned_before, sizes, *first)
            }
            Write::Grant { grants, until } => {
                let granted = grants.iter().filter(|grant| self.grant(grant, *until, now));
                Said::Granted(granted.map(|grant| grant.lease).collect::<Vec<_>>())
            }
            Write::Accepted(lease) => self.mark(*lease, LeaseEvent::Accepted, now),
            Write::Started(lease) => self.mark(*lease, LeaseEvent::Started, now),
            Write::Rendered(lease) => self.mark(*lease, LeaseEvent::Rendered, now),
            Write::Failed { lease, class, verdict } => self.fail(*lease, *class, verdict, now),
            Write::Release { leases, outcome } => {
                let event = LeaseEvent::of_end(*outcome);
                Said::Released(self.end_all(leases, |_| event, now))
            }
            Write::Expire { again, given_up } => self.expire(again, given_up, now),
            Write::Renew { leases, signs } => {
                for (id, until) in leases {
                    if let Some(row) = self.leases.get_mut(id) {
                        let event = LeaseEvent::Renewed { until: *until };
                        if let Ok((life, _)) = lease::step(&row.life, row.life.fence, event, now) {
                            row.life = life;
                        }
                    }
                }
                self.signs.extend(signs);
                Said::Done
            }
            Write::Frame(frame) => self.store_frame(*frame, now),
            Write::EndIfDone(job) => self.end_if_done(*job, now),
            Write::Wish(job, wish) => self.wish(*job, *wish, now),
            Write::OpenLink { worker, connection } => {
                let link = self.links.entry(*worker).or_default();
                *link = (link.0 + 1, *connection);
                Said::Link { number: link.0 }
            }
        }
    }

    /// Whether the bytes of a frame are wanted; `Some`: they are there, from this worker.
    pub fn wants(&self, lease: LeaseRef, frame: i32, now: UnixMillis) -> Result<Option<WorkerId>, ()> {
        let row = self.leases.get(&lease.lease).filter(|row| row.life.fence == lease.fence).ok_or(())?;
        let task = self.tasks.get(&row.task).ok_or(())?;
        if !task.frames.contains(&frame) {
            return Err(());
        }
        if let Some(stored) = self.frames.get(&(row.job, frame)) {
            return Ok(Some(stored.worker));
        }
        task::step(&task.life, &frame_stored(&row.life), now).map(|_| None).map_err(|_| ())
    }

    /// Frames of a task that are not stored.
    pub fn frames_left(&self, id: TaskId) -> Vec<i32> {
        let Some(task) = self.tasks.get(&id) else { return Vec::new() };
        let frames = task.frames.iter().copied();
        frames.filter(|frame| !self.frames.contains_key(&(task.job, *frame))).collect()
    }

    /// Live leases.
    pub fn live(&self) -> impl Iterator<Item = (&LeaseId, &LeaseRow)> {
        self.leases.iter().filter(|(_, row)| row.life.state != LeaseState::Ended)
    }

    /// The task's leases that count, oldest first.
    pub fn attempts(&self, id: TaskId) -> impl Iterator<Item = (&LeaseId, &LeaseRow)> {
        let after = self.tasks.get(&id).and_then(|task| task.retried_after);
        self.leases.iter().filter(move |(lease, row)| row.task == id && Some(**lease) > after)
    }

    /// A power cut: what was not flushed is gone.
    pub fn power_cut(&mut self) {
        self.changes += 1;
        self.blobs.retain(|_, is_flushed| *is_flushed);
    }

    fn cut(&mut self, id: JobId, planned_before: u32, sizes: &[u32], first: TaskId) -> Said {
        let Some(job) = self.jobs.get_mut(&id) else { return Said::Refused };
        if job.frames_planned != planned_before || job.life.state.is_ended() {
            return Said::Refused;
        }
        let state = if job.life.state == JobState::Paused { TaskState::Paused } else { TaskState::Pending };
        for (offset, size) in (0u128..).zip(sizes) {
            let frames: Vec<i32> = (job.frames_planned..job.frames_planned + size)
                .map(|frame| i32::try_from(frame).unwrap())
                .collect();
            job.frames_planned += size;
            let life = Task {
                state,
                fence: 0,
                is_leased: false,
                frames_total: *size,
                frames_done: 0,
                not_before: UnixMillis(0),
                failure: None,
            };
            let row = TaskRow { life, job: id, frames, lease: None, retried_after: None };
            self.tasks.insert(id_after(first, offset), row);
        }
        Said::Done
    }

    fn grant(&mut self, grant: &Grant, until: UnixMillis, now: UnixMillis) -> bool {
        let Some(task) = self.tasks.get_mut(&grant.task) else { return false };
        let may_run = matches!(self.jobs[&task.job].life.state, JobState::Ready | JobState::Running);
        let stepped = task::step(&task.life, &TaskEvent::Granted { fence: grant.fence_seen }, now);
        let (true, Ok((life, _))) = (may_run, stepped) else { return false };
        let lease = Lease { fence: life.fence, state: LeaseState::Offered, outcome: None, expires_at: until };
        (task.life, task.lease) = (life, Some(grant.lease));
        let row = LeaseRow {
            life: lease,
            task: grant.task,
            job: task.job,
            worker: grant.worker,
            slot: grant.slot,
            has_begun: false,
            failed: None,
        };
        self.leases.insert(grant.lease, row);
        true
    }

    fn mark(&mut self, lease: LeaseRef, event: LeaseEvent, now: UnixMillis) -> Said {
        let Some(row) = self.leases.get_mut(&lease.lease) else { return Said::Refused };
        let Ok((life, _)) = lease::step(&row.life, lease.fence, event, now) else { return Said::Refused };
        row.life = life;
        if event == LeaseEvent::Started && !row.has_begun {
            row.has_begun = true;
            let (task, job) = (row.task, row.job);
            self.step_task(task, &TaskEvent::AttemptStarted { fence: lease.fence }, now);
            self.step_job(job, &JobEvent::AttemptStarted, now);
        }
        Said::Done
    }

    fn fail(&mut self, lease: LeaseRef, class: FailureClass, verdict: &Verdict, now: UnixMillis) -> Said {
        let Some(row) = self.leases.get_mut(&lease.lease) else { return Said::Refused };
        let Ok((life, _)) = lease::step(&row.life, lease.fence, LeaseEvent::Failed, now) else {
            return Said::Refused;
        };
        (row.life, row.failed) = (life, Some(class));
        let (task, job) = (row.task, row.job);
        self.step_task(task, &TaskEvent::AttemptFailed { fence: lease.fence, verdict: verdict.clone() }, now);
        self.hold_back(task, job);
        Said::Done
    }

    fn expire(&mut self, again: &[LeaseId], given_up: &[LeaseId], now: UnixMillis) -> Said {
        let mut ended = self.end_all(again, |_| LeaseEvent::DeadlineDue, now);
        for id in given_up {
            let Some(row) = self.leases.get_mut(id) else { continue };
            let fence = row.life.fence;
            match lease::step(&row.life, fence, LeaseEvent::DeadlineDue, now) {
                Ok((life, _)) if life.state == LeaseState::Ended => row.life = life,
                Ok(_) | Err(_) => continue,
            }
            let (task, message) = (row.task, "workers fell silent".to_owned());
            self.step_task(
                task,
                &TaskEvent::AttemptFailed { fence, verdict: Verdict::GivenUp { message } },
                now,
            );
            ended.push(*id);
        }
        Said::Released(ended)
    }

    /// Ends those of these leases that the event ends, and puts their tasks back.
    fn end_all(
        &mut self,
        ids: &[LeaseId],
        event: impl Fn(LeaseId) -> LeaseEvent,
        now: UnixMillis,
    ) -> Vec<LeaseId> {
        let mut ended = Vec::new();
        for id in ids {
            let Some(row) = self.leases.get_mut(id) else { continue };
            let fence = row.life.fence;
            let Ok((life, _)) = lease::step(&row.life, fence, event(*id), now) else { continue };
            row.life = life;
            if let (LeaseState::Ended, Some(outcome)) = (life.state, life.outcome) {
                let (task, job) = (row.task, row.job);
                self.step_task(task, &TaskEvent::LeaseEnded { fence, outcome }, now);
                self.hold_back(task, job);
                ended.push(*id);
            }
        }
        ended
    }

    /// A task that comes back into a paused job waits for the resume.
    fn hold_back(&mut self, task: TaskId, job: JobId) {
        let is_paused = self.jobs[&job].life.state == JobState::Paused;
        if let Some(row) =
            self.tasks.get_mut(&task).filter(|row| is_paused && row.life.state == TaskState::Pending)
        {
            row.life.state = TaskState::Paused;
        }
    }

    fn store_frame(&mut self, new: NewFrame, now: UnixMillis) -> Said {
        match self.wants(new.lease, new.frame, now) {
            Err(()) => return Said::Refused,
            Ok(Some(by)) => return Said::Stored { already: true, by },
            Ok(None) => {}
        }
        let lease = &self.leases[&new.lease.lease];
        let (task, job, by) = (lease.task, lease.job, lease.worker);
        let event = frame_stored(&lease.life);
        let row = FrameRow { task, lease: new.lease.lease, worker: by, blob: new.blob };
        self.frames.insert((job, new.frame), row);
        self.step_task(task, &event, now);
        let row = self.jobs.get_mut(&job).unwrap();
        row.frames_done += 1;
        if row.frames_done == row.frames_total {
            self.step_job(job, &JobEvent::AllFramesStored, now);
        }
        Said::Stored { already: false, by }
    }

    fn end_if_done(&mut self, id: JobId, now: UnixMillis) -> Said {
        let job = &self.jobs[&id];
        let mut tasks = self.tasks.values().filter(|task| task.job == id);
        if job.frames_planned < job.frames_total || tasks.any(|task| !task.life.state.is_ended()) {
            return Said::Refused;
        }
        self.step_job(id, &JobEvent::AllTasksEnded { failed: self.failed_tasks(id) }, now)
    }

    fn failed_tasks(&self, id: JobId) -> u32 {
        let is_failed = |task: &&TaskRow| task.job == id && task.life.state == TaskState::Failed;
        u32::try_from(self.tasks.values().filter(is_failed).count()).unwrap()
    }

    fn unsuccessful_tasks(&self, id: JobId) -> u32 {
        let is_one = |task: &&TaskRow| {
            task.job == id && matches!(task.life.state, TaskState::Failed | TaskState::Cancelled)
        };
        u32::try_from(self.tasks.values().filter(is_one).count()).unwrap()
    }

    fn wish(&mut self, id: JobId, wish: Wish, now: UnixMillis) -> Said {
        let (event, of_task) = match wish {
            Wish::Pause => (JobEvent::PauseAsked, TaskEvent::PauseAsked),
            Wish::Resume => (JobEvent::ResumeAsked, TaskEvent::ResumeAsked),
            Wish::Cancel => (JobEvent::CancelAsked, TaskEvent::CancelAsked),
            Wish::Retry => {
                (JobEvent::RetryAsked { unsuccessful: self.unsuccessful_tasks(id) }, TaskEvent::RetryAsked)
            }
        };
        if self.step_job(id, &event, now) == Said::Refused {
            return Said::Refused;
        }
        let newest = self.leases.keys().next_back().copied();
        let ids: Vec<TaskId> =
            self.tasks.iter().filter(|(_, task)| task.job == id).map(|(task, _)| *task).collect();
        for task in ids {
            self.step_task(task, &of_task, now);
            if wish == Wish::Retry {
                self.tasks.get_mut(&task).unwrap().retried_after = newest;
                // In a paused job it waits for the resume.
                self.hold_back(task, id);
            }
        }
        Said::Done
    }

    /// Steps a task and ends its lease where its machine says so.
    fn step_task(&mut self, id: TaskId, event: &TaskEvent, now: UnixMillis) {
        let row = self.tasks.get_mut(&id).unwrap();
        let Ok((life, effects)) = task::step(&row.life, event, now) else { return };
        row.life = life;
        let held = row.lease.filter(|_| !row.life.is_leased);
        if !row.life.is_leased {
            row.lease = None;
        }
        for effect in effects {
            let task::TaskEffect::EndLease(outcome) = effect else { continue };
            let Some(lease) = held.and_then(|lease| self.leases.get_mut(&lease)) else { continue };
            let event = LeaseEvent::of_end(outcome);
            if let Ok((life, _)) = lease::step(&lease.life, lease.life.fence, event, now) {
                lease.life = life;
            }
        }
    }

    fn step_job(&mut self, id: JobId, event: &JobEvent, now: UnixMillis) -> Said {
        let Some(row) = self.jobs.get_mut(&id) else { return Said::Refused };
        let Ok((life, _)) = job::step(&row.life, event, now) else { return Said::Refused };
        row.life = life;
        Said::Done
    }
}

/// A frame that was rendered under this lease, live or over.
fn frame_stored(lease: &Lease) -> TaskEvent {
    let ended = lease.outcome.filter(|_| lease.state == LeaseState::Ended);
    TaskEvent::FrameStored { fence: lease.fence, ended }
}

fn id_after(first: TaskId, offset: u128) -> TaskId {
    let hex = first.to_string();
    let bits = u128::from_str_radix(hex.trim_start_matches("tsk_"), 16).unwrap();
    TaskId::from_u128(bits + offset)
}

/// A job that was just submitted.
pub fn new_job(
    account: u128,
    frames_total: u32,
    chunk: Option<u32>,
    priority: u8,
    now: UnixMillis,
) -> JobRow {
    JobRow {
        life: Job { state: JobState::Ready, started_at: None, ended_at: None, reason: None },
        account: AccountId::from_u128(account),
        priority,
        created_at: now,
        chunk,
        frames_total,
        frames_planned: 0,
        frames_done: 0,
    }
}

/// Workers on which an attempt of the task failed.
pub fn failed_on(store: &Store, task: TaskId) -> BTreeSet<WorkerId> {
    store.attempts(task).filter(|(_, row)| row.failed.is_some()).map(|(_, row)| row.worker).collect()
}

/// How long a silent worker keeps a lease.
pub const LEASE_TTL: Millis = Millis::from_secs(120);
