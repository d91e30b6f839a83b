//! What a job's actor remembers: a copy of the rows, small enough to throw away.
//!
//! Pure. Every method costs the logarithm of what is open (tasks that wait or run), never the number of
//! frames.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{AccountId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::job::chunking::{self, Cut};
use pictor_cloud_domain::job::eta::{self, FrameTimes, Outlook};
use pictor_cloud_domain::job::{FrameSet, Job, JobState};

use crate::agents::job_live::{InHand, JobLive};
use crate::store::{JobRow, LeaseRow, NewTaskRow, TaskRow};

/// A live job.
#[derive(Debug, Clone)]
pub(super) struct Tracking {
    pub account: AccountId,
    pub life: Job,
    pub frames: FrameSet,
    pub engine: Option<RenderEngine>,
    pub frames_planned: u32,
    pub frames_done: u32,
    pub frames_failed: u32,
    pub times: FrameTimes,
    /// Why its tasks wait, in words.
    pub waiting: Vec<String>,
    /// Workers that failed at it.
    pub failed_on: BTreeSet<WorkerId>,
    chunk: Option<u32>,
    open: BTreeMap<TaskId, OpenTask>,
    leases: BTreeMap<LeaseId, Held>,
    pending: u32,
    /// Rises with each change to tasks and leases: rows that were read before are then no news.
    changes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OpenTask {
    frames_total: u32,
    lease: Option<LeaseId>,
}

/// A live lease of the job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Held {
    pub task: TaskId,
    pub worker: WorkerId,
    pub fence: u64,
    /// Its attempt has begun and not ended.
    pub is_running: bool,
    /// The frame it renders.
    pub in_hand: Option<(i32, Option<f32>)>,
}

impl Tracking {
    /// The job as its rows say; `None` if its frame expression cannot be read, which the constructor of jobs
    /// prevents.
    pub fn of_rows(row: &JobRow, open: &[TaskRow], leases: &[LeaseRow], times: FrameTimes) -> Option<Self> {
        let mut tracking = Self {
            account: row.account_id,
            life: life_of(row),
            frames: row.frames.parse().ok()?,
            engine: row.engine,
            frames_planned: row.frames_planned,
            frames_done: row.frames_done,
            frames_failed: row.frames_failed,
            times,
            waiting: Vec::new(),
            failed_on: BTreeSet::new(),
            chunk: row.chunk,
            open: BTreeMap::new(),
            leases: BTreeMap::new(),
            pending: 0,
            changes: 0,
        };
        tracking.take_rows(row, open, leases);
        Some(tracking)
    }

    /// The rows anew; what is known beyond them (frames in hand) stays. Returns the leases that are no more.
    pub fn take_rows(&mut self, row: &JobRow, open: &[TaskRow], leases: &[LeaseRow]) -> Vec<(LeaseId, Held)> {
        self.life = life_of(row);
        (self.frames_planned, self.chunk) = (row.frames_planned, row.chunk);
        (self.frames_done, self.frames_failed) = (row.frames_done, row.frames_failed);
        let before = std::mem::take(&mut self.leases);
        self.open = open
            .iter()
            .map(|task| (task.id, OpenTask { frames_total: task.frames_total, lease: None }))
            .collect();
        self.pending = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        for lease in leases {
            self.granted(lease);
            if let (Some(now), Some(then)) = (self.leases.get_mut(&lease.id), before.get(&lease.id)) {
                now.in_hand = then.in_hand;
            }
        }
        before.into_iter().filter(|(lease, _)| !self.leases.contains_key(lease)).collect()
    }

    /// Moves on whenever tasks or leases change.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Tasks were cut and stored.
    pub fn cut(&mut self, row: &JobRow, tasks: &[NewTaskRow]) {
        self.changes += 1;
        self.frames_planned = row.frames_planned;
        for task in tasks {
            let open = OpenTask { frames_total: task.frames_total, lease: None };
            if self.open.insert(task.id, open).is_none() {
                self.pending += 1;
            }
        }
    }

    /// A lease was stored.
    pub fn granted(&mut self, lease: &LeaseRow) {
        let is_running = lease.started_at.is_some() && lease.outcome.is_none();
        let held = Held {
            task: lease.task_id,
            worker: lease.worker_id,
            fence: lease.fence,
            is_running,
            in_hand: None,
        };
        self.hold(lease.id, held);
    }

    fn hold(&mut self, lease: LeaseId, held: Held) {
        self.changes += 1;
        let Some(task) = self.open.get_mut(&held.task) else { return };
        match task.lease.replace(lease) {
            None => self.pending = self.pending.saturating_sub(1),
            Some(older) if older != lease => drop(self.leases.remove(&older)),
            Some(_) => {}
        }
        self.leases.insert(lease, held);
    }

    /// The attempt began; takes the lease in if its grant was not heard of.
    pub fn started(&mut self, lease: LeaseId, held: Held) {
        if !self.leases.contains_key(&lease) {
            self.hold(lease, held);
        }
        if let Some(held) = self.leases.get_mut(&lease) {
            held.is_running = true;
        }
    }

    /// Where the lease's frame stands; nothing: none is in hand.
    pub fn in_hand(&mut self, lease: LeaseId, frame: Option<(i32, Option<f32>)>) {
        if let Some(held) = self.leases.get_mut(&lease) {
            held.is_running |= frame.is_some();
            held.in_hand = frame;
        }
    }

    /// The attempt ended; the lease lives until its frames are delivered.
    pub fn rendered(&mut self, lease: LeaseId) {
        if let Some(held) = self.leases.get_mut(&lease) {
            (held.is_running, held.in_hand) = (false, None);
        }
    }

    /// The lease is over and its task waits again.
    pub fn released(&mut self, lease: LeaseId) -> Option<Held> {
        self.changes += 1;
        let held = self.leases.remove(&lease)?;
        if let Some(task) = self.open.get_mut(&held.task)
            && task.lease == Some(lease)
        {
            task.lease = None;
            self.pending += 1;
        }
        Some(held)
    }

    /// A frame was stored for the first time.
    pub fn frame_stored(&mut self, lease: LeaseId, frame: i32) {
        self.frames_done = (self.frames_done + 1).min(self.frames.len());
        if let Some(held) = self.leases.get_mut(&lease)
            && held.in_hand.is_some_and(|(number, _)| number == frame)
        {
            held.in_hand = None;
        }
    }

    /// The task has ended.
    pub fn task_ended(&mut self, task: TaskId) {
        self.changes += 1;
        let Some(open) = self.open.remove(&task) else { return };
        match open.lease {
            Some(lease) => drop(self.leases.remove(&lease)),
            None => self.pending = self.pending.saturating_sub(1),
        }
    }

    /// Every live lease.
    pub fn leases(&self) -> Vec<(LeaseId, Held)> {
        self.leases.iter().map(|(lease, held)| (*lease, *held)).collect()
    }

    /// Every frame is planned and every task has ended.
    pub fn is_through(&self) -> bool {
        self.open.is_empty() && self.frames_planned >= self.frames.len()
    }

    /// Frame sets of the tasks to cut now.
    pub fn next_tasks(&self, slots: u32) -> Vec<FrameSet> {
        let may_cut = matches!(self.life.state, JobState::Ready | JobState::Running);
        if !may_cut {
            return Vec::new();
        }
        let sizes = chunking::next_tasks(&Cut {
            frames_total: self.frames.len(),
            frames_planned: self.frames_planned,
            tasks_pending: self.pending,
            slots,
            frame_mean: self.times.mean(),
            chunk: self.chunk,
        });
        let mut skip = self.frames_planned;
        let mut sets = Vec::new();
        for size in sizes {
            sets.extend(self.frames.slice(skip, size));
            skip += size;
        }
        sets
    }

    /// What pages and API show beyond the rows.
    pub fn live(&self, now: UnixMillis) -> JobLive {
        let in_hand: Vec<_> = self
            .leases
            .values()
            .filter_map(|held| {
                let (frame, done) = held.in_hand?;
                Some(InHand { task: held.task, worker: held.worker, frame, done })
            })
            .collect();
        let running = self.leases.values().filter(|held| held.is_running).count();
        let outlook = Outlook {
            frames_left: self.frames.len().saturating_sub(self.frames_done + self.frames_failed),
            in_hand_done: in_hand.iter().filter_map(|hand| hand.done).map(f64::from).sum(),
            slots_busy: u32::try_from(running).unwrap_or(u32::MAX),
            frame_mean: self.times.mean(),
        };
        let waiting = if self.pending > 0 { self.waiting.clone() } else { Vec::new() };
        JobLive { eta: eta::eta(&outlook, now), in_hand, waiting }
    }

    /// A frame was rendered in this time.
    pub fn rendered_in(&mut self, render: Millis) {
        self.times.add(render);
    }
}

fn life_of(row: &JobRow) -> Job {
    Job { state: row.state, started_at: row.started_at, ended_at: row.ended_at, reason: row.reason.clone() }
}
