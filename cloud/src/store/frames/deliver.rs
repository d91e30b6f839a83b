//! Delivered frames become stored ones: any number at a time, of whatever jobs, by the same few statements.
//!
//! What is true is read once the tasks are held; then it is decided frame by frame, in the order in which
//! they came, as if each had been alone; then all that changes is written. The jobs come last: until a job is
//! counted up, other replicas store frames of it too.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{AccountId, JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::protocol::upload::FrameReceipt;
use pictor_actors::units::{BlobHash, UnixMillis};
use pictor_cloud_domain::job::{FrameSet, JobState};
use pictor_cloud_domain::lease::Outcome;

use super::{FrameRow, FrameStoredRow, NewFrame, UploadVerdict};
use crate::store::jobs::move_job;
use crate::store::leases::hold_tasks_of;
use crate::store::sql::{Script, Session, Template, Value, args, items, row};
use crate::store::uploads::blobs::{KEEP_OWNERS, keep_blobs};
use crate::store::{LeaseRow, Result, StoreError};

/// A frame to store, and when it came.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// It.
    pub frame: NewFrame,
    /// Then.
    pub at: UnixMillis,
}

row! {
    /// A lease under which a frame comes, with all that decides whether it is wanted.
    pub struct Found {
        pub item: usize,
        pub lease_id: LeaseId,
        pub worker_id: WorkerId,
        pub outcome: Option<Outcome>,
        pub lease_ended_at: Option<UnixMillis>,
        pub task_id: TaskId,
        pub job_id: JobId,
        pub account_id: AccountId,
        pub frames: String,
        pub frames_total: u32,
        pub frames_done: u32,
        pub task_ended_at: Option<UnixMillis>,
        pub worker_removed_at: Option<UnixMillis>,
        pub failures_in_row: u32,
        pub stored_lease: Option<LeaseId>,
        pub stored_task: Option<TaskId>,
        pub stored_worker: Option<WorkerId>,
        pub stored_hash: Option<BlobHash>,
        pub stored_size: Option<u64>,
        pub stored_render_ms: Option<u64>,
        pub stored_at: Option<UnixMillis>,
    }
}

row! {
    /// A job after its frames were counted.
    pub struct Counted {
        pub id: JobId,
        pub state: JobState,
        pub frames_total: u32,
        pub frames_done: u32,
    }
}

static FOUND: Template = Template::new(
    "SELECT CAST(item.value ->> 0 AS BIGINT) AS item, leases.id AS lease_id, leases.worker_id,
         leases.outcome, leases.ended_at AS lease_ended_at, tasks.id AS task_id, tasks.job_id,
         tasks.account_id, tasks.frames, tasks.frames_total, tasks.frames_done,
         tasks.ended_at AS task_ended_at, workers.removed_at AS worker_removed_at, workers.failures_in_row,
         frames.lease_id AS stored_lease, frames.task_id AS stored_task, frames.worker_id AS stored_worker,
         frames.hash AS stored_hash, frames.size AS stored_size, frames.render_ms AS stored_render_ms,
         frames.stored_at
     FROM {items} CROSS JOIN leases
     JOIN tasks ON tasks.id = leases.task_id
     JOIN workers ON workers.id = leases.worker_id
     LEFT JOIN frames ON frames.task_id = tasks.id AND frames.frame = CAST(item.value ->> 3 AS BIGINT)
     WHERE leases.id = item.value ->> 1 AND leases.fence = CAST(item.value ->> 2 AS BIGINT)",
);

const KEEP: &str = "INSERT INTO frames
         (job_id, frame, task_id, lease_id, worker_id, hash, size, render_ms, stored_at)
     SELECT item.value ->> 0, CAST(item.value ->> 1 AS BIGINT), item.value ->> 2, item.value ->> 3,
         item.value ->> 4, item.value ->> 5, CAST(item.value ->> 6 AS BIGINT),
         CAST(item.value ->> 7 AS BIGINT), CAST(item.value ->> 8 AS BIGINT)
     FROM {items}";

const COUNT_IN_TASKS: &str = "UPDATE tasks SET frames_done = frames_done + found.more
     FROM (SELECT item.value ->> 0 AS id, CAST(item.value ->> 1 AS BIGINT) AS more FROM {items}) AS found
     WHERE tasks.id = found.id";

const COMPLETE_TASKS: &str = "UPDATE tasks SET frames_done = frames_total, state = 'completed',
         lease_id = NULL, ended_at = found.at, failure_class = NULL, failure_message = NULL
     FROM (SELECT item.value ->> 0 AS id, CAST(item.value ->> 2 AS BIGINT) AS at FROM {items}) AS found
     WHERE tasks.id = found.id";

const COMPLETE_LEASES: &str = "WITH held AS (
         SELECT leases.id, CAST(item.value ->> 2 AS BIGINT) AS at FROM {items} CROSS JOIN leases
         WHERE leases.id = item.value ->> 1 AND leases.ended_at IS NULL {lock})
     UPDATE leases SET state = 'ended', outcome = 'completed', ended_at = held.at
     FROM held WHERE leases.id = held.id AND leases.ended_at IS NULL";

/// After jobs, as all that change workers do: not part of [`STORE`].
static CLEAR_FAILURES: Template = Template::new(
    "WITH held AS (
         SELECT id FROM workers WHERE failures_in_row > 0
           AND id IN (SELECT item.value ->> 0 FROM {items}) {lock})
     UPDATE workers SET failures_in_row = 0 FROM held WHERE workers.id = held.id",
);

/// As late in its transaction as can be: other replicas wait for these rows from here on.
static COUNT_IN_JOBS: Template = Template::new(
    "WITH held AS (
         SELECT jobs.id, CAST(item.value ->> 1 AS BIGINT) AS more,
             CAST(item.value ->> 2 AS BIGINT) AS render_ms, CAST(item.value ->> 3 AS BIGINT) AS at
         FROM {items} CROSS JOIN jobs WHERE jobs.id = item.value ->> 0 {lock})
     UPDATE jobs SET frames_done = frames_done + held.more, updated_at = held.at,
         render_ms_total = render_ms_total + held.render_ms
     FROM held WHERE jobs.id = held.id
     RETURNING jobs.id, jobs.state, jobs.frames_total, jobs.frames_done",
);

/// A task is either counted up or completed, so no row is changed twice.
static STORE: Script = Script::new(&[KEEP_OWNERS, KEEP, COUNT_IN_TASKS, COMPLETE_TASKS, COMPLETE_LEASES]);

static END_OTHERS: Template = Template::new(
    "WITH held AS (
         SELECT leases.id AS lease, CAST(item.value ->> 2 AS BIGINT) AS at FROM {items} CROSS JOIN leases
         WHERE leases.task_id = item.value ->> 0 AND leases.ended_at IS NULL {lock})
     UPDATE leases SET state = 'ended', outcome = 'not_needed', ended_at = held.at
     FROM held WHERE leases.id = held.lease AND leases.ended_at IS NULL RETURNING *",
);

/// What is known of frames that are asked about; without those whose lease never had that fence.
async fn found(
    session: &mut Session,
    asked: impl IntoIterator<Item = (LeaseId, u64, i32)>,
) -> Result<Vec<Found>> {
    let row = |(number, asked): (usize, (LeaseId, u64, i32))| args![number, asked.0, asked.1, asked.2];
    let asked = items(asked.into_iter().enumerate().map(row));
    session.all(FOUND.text(session), vec![asked]).await
}

/// Whether frames are wanted. One answer for each, in order.
pub async fn verdicts(
    session: &mut Session,
    asked: &[(LeaseId, u64, i32)],
) -> Result<Vec<Result<UploadVerdict>>> {
    let found = found(session, asked.iter().copied()).await?;
    let mut of_item: BTreeMap<usize, Found> = found.into_iter().map(|found| (found.item, found)).collect();
    let verdict = |(number, (.., frame)): (usize, &(LeaseId, u64, i32))| {
        Ok(of_item.remove(&number).map_or(UploadVerdict::Superseded, |found| found.verdict(*frame)))
    };
    Ok(asked.iter().enumerate().map(verdict).collect())
}

impl Found {
    fn verdict(&self, frame: i32) -> UploadVerdict {
        if !self.is_of_task(frame) {
            return UploadVerdict::Superseded;
        }
        if let Some(stored) = self.stored(frame) {
            return UploadVerdict::Already(stored);
        }
        if !self.may_deliver() {
            return UploadVerdict::Superseded;
        }
        let (job, task) = (self.job_id, self.task_id);
        UploadVerdict::Wanted { job, task, account: self.account_id, worker: self.worker_id }
    }

    fn is_of_task(&self, frame: i32) -> bool {
        self.frames.parse::<FrameSet>().is_ok_and(|frames| frames.contains(frame))
    }

    /// Late but first wins: neither the lease's end nor another grant of the task takes the right away. Its
    /// creator's wish does, the end of the task, and the removal of the worker, which ends its leases.
    fn may_deliver(&self) -> bool {
        let may_late = self.worker_removed_at.is_none() && self.outcome.is_none_or(Outcome::may_deliver_late);
        self.task_ended_at.is_none() && (self.lease_ended_at.is_none() || may_late)
    }

    /// The frame of that number, if it is stored.
    fn stored(&self, frame: i32) -> Option<FrameRow> {
        Some(FrameRow {
            job_id: self.job_id,
            frame,
            task_id: self.stored_task?,
            lease_id: self.stored_lease?,
            worker_id: self.stored_worker?,
            hash: self.stored_hash?,
            size: self.stored_size?,
            render_ms: self.stored_render_ms?,
            stored_at: self.stored_at?,
        })
    }
}

/// A task that gets frames.
struct TaskNow {
    done: u32,
    more: u32,
    /// The lease under which its last frame came, whether that was live, and when.
    whole: Option<(LeaseId, bool, UnixMillis)>,
}

#[derive(Default)]
struct JobNow {
    more: u32,
    render_ms: u64,
    at: UnixMillis,
}

/// What a group of frames changes.
#[derive(Default)]
struct Changes {
    kept: BTreeMap<(JobId, i32), FrameRow>,
    owners: BTreeMap<(BlobHash, AccountId), (u64, UnixMillis)>,
    tasks: BTreeMap<TaskId, TaskNow>,
    jobs: BTreeMap<JobId, JobNow>,
    forgiven: BTreeSet<WorkerId>,
}

/// What ended with a group of frames.
#[derive(Default)]
struct EndedToo {
    /// Leases that are over because another one completed their task.
    leases: BTreeMap<TaskId, Vec<LeaseRow>>,
    /// Jobs that are whole.
    jobs: BTreeSet<JobId>,
}

/// What becomes of one frame, before anything is written.
enum Fate {
    Refused,
    Already(FrameRow, AccountId),
    Kept { row: FrameRow, account: AccountId, completes: bool },
}

/// Stores frames. One answer for each, in order.
pub async fn store_all(
    session: &mut Session,
    deliveries: &[Delivery],
) -> Result<Vec<Result<FrameStoredRow>>> {
    let asked = || deliveries.iter().map(|one| (one.frame.lease, one.frame.fence, one.frame.frame));
    hold_tasks_of(session, deliveries.iter().map(|one| one.frame.lease)).await?;
    let mut of_item: BTreeMap<usize, Found> =
        found(session, asked()).await?.into_iter().map(|found| (found.item, found)).collect();
    let mut changes = Changes::default();
    let fates: Vec<_> = deliveries
        .iter()
        .enumerate()
        .map(|(number, delivery)| match of_item.remove(&number) {
            Some(found) => changes.decide(&found, delivery),
            None => Fate::Refused,
        })
        .collect();
    let mut ended = changes.write(session).await?;
    let last_of: BTreeMap<JobId, usize> = fates
        .iter()
        .enumerate()
        .filter_map(|(number, fate)| match fate {
            Fate::Kept { row, .. } if ended.jobs.contains(&row.job_id) => Some((row.job_id, number)),
            Fate::Kept { .. } | Fate::Already(..) | Fate::Refused => None,
        })
        .collect();
    let answer = |(number, fate)| match fate {
        Fate::Refused => Err(StoreError::StaleFence),
        Fate::Already(row, account) => Ok(answered(&row, account, true)),
        Fate::Kept { row, account, completes } => Ok(FrameStoredRow {
            task_completed: completes,
            job_completed: last_of.get(&row.job_id) == Some(&number),
            not_needed: if completes {
                ended.leases.remove(&row.task_id).unwrap_or_default()
            } else {
                vec![]
            },
            ..answered(&row, account, false)
        }),
    };
    Ok(fates.into_iter().enumerate().map(answer).collect())
}

impl Changes {
    /// As things stand after the frames before this one.
    fn decide(&mut self, found: &Found, Delivery { frame: new, at }: &Delivery) -> Fate {
        if !found.is_of_task(new.frame) {
            return Fate::Refused;
        }
        let of_group = self.kept.get(&(found.job_id, new.frame)).cloned();
        if let Some(row) = of_group.or_else(|| found.stored(new.frame)) {
            return Fate::Already(row, found.account_id);
        }
        let is_over = self.tasks.get(&found.task_id).is_some_and(|task| task.whole.is_some());
        if is_over || !found.may_deliver() {
            return Fate::Refused;
        }
        let row = FrameRow {
            job_id: found.job_id,
            frame: new.frame,
            task_id: found.task_id,
            lease_id: found.lease_id,
            worker_id: found.worker_id,
            hash: new.hash,
            size: new.size,
            render_ms: new.render_ms,
            stored_at: *at,
        };
        self.kept.insert((row.job_id, row.frame), row.clone());
        self.owners.insert((new.hash, found.account_id), (new.size, *at));
        let job = self.jobs.entry(found.job_id).or_default();
        (job.more, job.render_ms, job.at) =
            (job.more + 1, job.render_ms.saturating_add(new.render_ms), job.at.max(*at));
        let task = self.tasks.entry(found.task_id).or_insert(TaskNow {
            done: found.frames_done,
            more: 0,
            whole: None,
        });
        task.more += 1;
        let completes = task.done + task.more == found.frames_total;
        if completes {
            task.whole = Some((found.lease_id, found.lease_ended_at.is_none(), *at));
            if found.failures_in_row > 0 {
                self.forgiven.insert(found.worker_id);
            }
        }
        Fate::Kept { row, account: found.account_id, completes }
    }

    async fn write(&self, session: &mut Session) -> Result<EndedToo> {
        if self.kept.is_empty() {
            return Ok(EndedToo::default());
        }
        let blobs = self.owners.iter().map(|((hash, _), (size, at))| (*hash, (*size, *at)));
        keep_blobs(session, &blobs.collect()).await?;
        session.run_script(&STORE, self.rows()).await?;
        let leases = self.end_others(session).await?;
        let jobs = self.end_jobs(session).await?;
        if !self.forgiven.is_empty() {
            let workers = items(self.forgiven.iter().map(|worker| args![worker]));
            session.run(CLEAR_FAILURES.text(session), vec![workers]).await?;
        }
        Ok(EndedToo { leases, jobs })
    }

    /// Of the statements of [`STORE`].
    fn rows(&self) -> Vec<Value> {
        let kept = self.kept.values().map(|row| {
            args![
                row.job_id,
                row.frame,
                row.task_id,
                row.lease_id,
                row.worker_id,
                row.hash,
                row.size,
                row.render_ms,
                row.stored_at
            ]
        });
        let open = self.tasks.iter().filter(|(_, task)| task.whole.is_none());
        let whole = items(self.whole().map(|(id, lease, _, at)| args![id, lease, at]));
        vec![
            items(self.owners.iter().map(|((hash, owner), (_, at))| args![hash, owner, at])),
            items(kept),
            items(open.map(|(id, task)| args![id, task.more])),
            whole.clone(),
            whole,
        ]
    }

    /// Tasks that are whole now: the lease of the last frame, whether that was live, and when it came.
    fn whole(&self) -> impl Iterator<Item = (TaskId, LeaseId, bool, UnixMillis)> {
        self.tasks.iter().filter_map(|(id, task)| task.whole.map(|(lease, live, at)| (*id, lease, live, at)))
    }

    /// A task has one live lease at most: only where the last frame came under another one is one left.
    async fn end_others(&self, session: &mut Session) -> Result<BTreeMap<TaskId, Vec<LeaseRow>>> {
        let late = self.whole().filter(|(_, _, was_live, _)| !was_live);
        let late: Vec<_> = late.map(|(id, lease, _, at)| args![id, lease, at]).collect();
        let mut not_needed: BTreeMap<TaskId, Vec<LeaseRow>> = BTreeMap::new();
        if !late.is_empty() {
            let ended: Vec<LeaseRow> = session.all(END_OTHERS.text(session), vec![items(late)]).await?;
            for lease in ended {
                not_needed.entry(lease.task_id).or_default().push(lease);
            }
        }
        Ok(not_needed)
    }

    /// Counts the frames in their jobs; those that are whole now have ended.
    async fn end_jobs(&self, session: &mut Session) -> Result<BTreeSet<JobId>> {
        let rows = items(self.jobs.iter().map(|(id, job)| args![id, job.more, job.render_ms, job.at]));
        let counted: Vec<Counted> = session.all(COUNT_IN_JOBS.text(session), vec![rows]).await?;
        let mut whole = BTreeSet::new();
        for job in counted {
            if job.frames_done == job.frames_total && !job.state.is_ended() {
                let at = self.jobs.get(&job.id).map(|job| job.at).unwrap_or_default();
                move_job(session, job.id, JobState::Completed, None, at).await?;
                whole.insert(job.id);
            }
        }
        Ok(whole)
    }
}

fn answered(stored: &FrameRow, account: AccountId, already: bool) -> FrameStoredRow {
    FrameStoredRow {
        receipt: FrameReceipt {
            lease: stored.lease_id,
            frame: stored.frame,
            hash: stored.hash,
            size: stored.size,
            stored_at: stored.stored_at,
        },
        job: stored.job_id,
        task: stored.task_id,
        worker: stored.worker_id,
        account,
        already,
        task_completed: false,
        job_completed: false,
        not_needed: Vec::new(),
    }
}
