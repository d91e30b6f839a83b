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
use crate::store::{JobRow, LeaseRow, LiveLeaseRow, NewTaskRow, OpenTaskRow};

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
    /// Tasks that changed here since rows began to be read: of these the rows are no news.
    touched: BTreeSet<TaskId>,
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
    pub fn of_rows(
        row: &JobRow,
        open: &[OpenTaskRow],
        leases: &[LiveLeaseRow],
        times: FrameTimes,
    ) -> Option<Self> {
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
            touched: BTreeSet::new(),
        };
        tracking.take_rows(row, open, leases);
        Some(tracking)
    }

    /// Rows begin to be read: what changes from here on is newer than they are.
    pub fn read_begins(&mut self) {
        self.touched.clear();
    }

    /// The rows anew, but for what changed here since they began to be read; what is known beyond them
    /// (frames in hand) stays. Returns the leases that are no more.
    pub fn take_rows(
        &mut self,
        row: &JobRow,
        open: &[OpenTaskRow],
        leases: &[LiveLeaseRow],
    ) -> Vec<(LeaseId, Held)> {
        self.life = life_of(row);
        // A cut may be newer than the row; none is ever undone.
        self.frames_planned = self.frames_planned.max(row.frames_planned);
        self.chunk = row.chunk;
        self.frames_done = self.frames_done.max(row.frames_done);
        self.frames_failed = row.frames_failed;
        let touched = std::mem::take(&mut self.touched);
        self.open.retain(|id, _| touched.contains(id));
        let (kept, before): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.leases).into_iter().partition(|(_, held)| touched.contains(&held.task));
        self.leases = kept;
        for task in open.iter().filter(|task| !touched.contains(&task.id)) {
            self.open.insert(task.id, OpenTask { frames_total: task.frames_total, lease: None });
        }
        for lease in leases.iter().filter(|lease| !touched.contains(&lease.task_id)) {
            let Some(task) = self.open.get_mut(&lease.task_id) else { continue };
            task.lease = Some(lease.id);
            let in_hand = before.get(&lease.id).and_then(|then| then.in_hand);
            self.leases.insert(lease.id, Held { in_hand, ..held_of(lease) });
        }
        let pending = self.open.values().filter(|task| task.lease.is_none()).count();
        self.pending = u32::try_from(pending).unwrap_or(u32::MAX);
        before.into_iter().filter(|(lease, _)| !self.leases.contains_key(lease)).collect()
    }

    /// Tasks that wait for a slot.
    pub fn pending(&self) -> u32 {
        self.pending
    }

    /// Tasks were cut and stored.
    pub fn cut(&mut self, row: &JobRow, tasks: &[NewTaskRow]) {
        self.frames_planned = row.frames_planned;
        for task in tasks {
            self.touched.insert(task.id);
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
        let Some(task) = self.open.get_mut(&held.task) else { return };
        self.touched.insert(held.task);
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
        let held = self.leases.remove(&lease)?;
        self.touched.insert(held.task);
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
        self.touched.insert(task);
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

fn held_of(row: &LiveLeaseRow) -> Held {
    let is_running = row.started_at.is_some() && row.outcome.is_none();
    Held { task: row.task_id, worker: row.worker_id, fence: row.fence, is_running, in_hand: None }
}

fn life_of(row: &JobRow) -> Job {
    Job { state: row.state, started_at: row.started_at, ended_at: row.ended_at, reason: row.reason.clone() }
}

#[cfg(test)]
mod tests {
    use pictor_actors::ids::JobId;
    use pictor_actors::protocol::assignment::RenderSettings;
    use pictor_actors::units::BlobHash;

    use super::*;

    fn job(frames_planned: u32) -> JobRow {
        JobRow {
            id: JobId::from_u128(1),
            account_id: AccountId::from_u128(1),
            name: "film".to_owned(),
            state: JobState::Running,
            reason: None,
            priority: 50,
            source_hash: BlobHash::from_bytes([1; 32]),
            inputs_hash: None,
            main: "scene.blend".to_owned(),
            settings: RenderSettings::default(),
            engine: None,
            frame_time_limit_ms: 1_000,
            frames: "1-9".to_owned(),
            frames_total: 9,
            frames_planned,
            frames_done: 0,
            frames_failed: 0,
            render_ms_total: 0,
            chunk: Some(1),
            created_at: UnixMillis(0),
            started_at: Some(UnixMillis(0)),
            ended_at: None,
            updated_at: UnixMillis(0),
            version: 1,
        }
    }

    fn open(tasks: &[u128]) -> Vec<OpenTaskRow> {
        tasks.iter().map(|n| OpenTaskRow { id: TaskId::from_u128(*n), frames_total: 1 }).collect()
    }

    /// Each of the task of the same number.
    fn live(leases: &[u128]) -> Vec<LiveLeaseRow> {
        let row = |n: &u128| LiveLeaseRow {
            id: LeaseId::from_u128(*n),
            task_id: TaskId::from_u128(*n),
            worker_id: WorkerId::from_u128(1),
            fence: 1,
            started_at: None,
            outcome: None,
        };
        leases.iter().map(row).collect()
    }

    fn tracking() -> Tracking {
        let times = FrameTimes { count: 0, total: Millis(0) };
        Tracking::of_rows(&job(4), &open(&[1, 2, 3, 4]), &live(&[1, 2]), times).unwrap()
    }

    fn held(task: u128) -> Held {
        let (task, worker) = (TaskId::from_u128(task), WorkerId::from_u128(1));
        Held { task, worker, fence: 1, is_running: false, in_hand: None }
    }

    fn leases(tracking: &Tracking) -> Vec<u128> {
        tracking.leases().into_iter().map(|(lease, _)| lease.as_u128()).collect()
    }

    #[test]
    fn rows_tell_what_others_did_and_which_leases_are_no_more() {
        let mut tracking = tracking();
        tracking.in_hand(LeaseId::from_u128(1), Some((7, None)));
        tracking.read_begins();
        let gone = tracking.take_rows(&job(5), &open(&[1, 3, 5]), &live(&[1, 3]));
        assert_eq!(gone.iter().map(|(lease, _)| lease.as_u128()).collect::<Vec<_>>(), [2]);
        assert_eq!((leases(&tracking), tracking.pending(), tracking.frames_planned), (vec![1, 3], 1, 5));
        assert_eq!(tracking.live(UnixMillis(0)).in_hand.len(), 1, "the frame in hand stays");
    }

    #[test]
    fn what_changed_here_while_the_rows_were_read_is_newer_than_they_are() {
        let mut tracking = tracking();
        tracking.read_begins();
        tracking.task_ended(TaskId::from_u128(1));
        tracking.released(LeaseId::from_u128(2));
        tracking.started(LeaseId::from_u128(3), held(3));
        let cut = [NewTaskRow { id: TaskId::from_u128(5), frames: "5".to_owned(), frames_total: 1 }];
        tracking.cut(&job(5), &cut);
        let gone = tracking.take_rows(&job(4), &open(&[1, 2, 3, 4]), &live(&[1, 2]));
        assert_eq!(gone, [], "none is taken for one that ended");
        assert_eq!((leases(&tracking), tracking.pending(), tracking.frames_planned), (vec![3], 3, 5));
        // The next rows know it all.
        tracking.read_begins();
        tracking.take_rows(&job(5), &open(&[2, 3, 4, 5]), &live(&[3, 4]));
        assert_eq!((leases(&tracking), tracking.pending()), (vec![3, 4], 2));
    }
}
