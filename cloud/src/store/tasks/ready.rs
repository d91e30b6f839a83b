//! What could be handed out now, with all that placement looks at.
//!
//! Asked at every turn of the dispatcher: it walks jobs in their order by an index and reads a bounded number
//! of tasks of each, of many jobs at once, so it costs the same whether a job has ten tasks or ten thousand.

use std::collections::BTreeMap;

use pictor_actors::ids::{AccountId, JobId, TaskId, WorkerId};
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::job::FrameSet;

use crate::store::sql::{Number, Session, Template, args, items, row};
use crate::store::{JobRow, Result, Store};

/// A task that could be handed out now, with what placement looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadyTask {
    /// The task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// The job's account.
    pub account: AccountId,
    /// The job's priority.
    pub priority: u8,
    /// The job's age.
    pub job_created_at: UnixMillis,
    /// Engine the job needs.
    pub engine: Option<RenderEngine>,
    /// Frames not stored yet, ascending; never empty.
    pub frames_left: Vec<i32>,
    /// To be expected by the grant.
    pub fence: u64,
    /// Attempts so far.
    pub attempts: u32,
    /// Workers on which an attempt of it failed, ascending.
    pub failed_on: Vec<WorkerId>,
    /// Live leases of the account, for fairness.
    pub running_of_account: u32,
}

row! {
    /// A worker on which an attempt of a task failed.
    pub struct FailedOn {
        /// The task.
        pub task_id: TaskId,
        /// The worker.
        pub worker_id: WorkerId,
    }
}

row! {
    /// A stored frame of a task.
    pub struct DoneFrame {
        /// The task.
        pub task_id: TaskId,
        /// Its number.
        pub frame: i32,
    }
}

row! {
    /// What placement looks at of a job.
    pub struct WaitingJob {
        /// It.
        pub id: JobId,
        /// Whose.
        pub account_id: AccountId,
        /// 0 (last) to 100 (first).
        pub priority: u8,
        /// Made.
        pub created_at: UnixMillis,
        /// Engine it needs.
        pub engine: Option<RenderEngine>,
    }
}

row! {
    /// What placement looks at of a task.
    pub struct WaitingTask {
        /// It.
        pub id: TaskId,
        /// Its job.
        pub job_id: JobId,
        /// Frame expression.
        pub frames: String,
        /// Frames stored.
        pub frames_done: u32,
        /// To be expected by the grant.
        pub fence: u64,
        /// Attempts so far.
        pub attempts: u32,
    }
}

static FIRST: Template = Template::new(
    "SELECT tasks.id, tasks.job_id, tasks.frames, tasks.frames_done, tasks.fence, tasks.attempts
     FROM {items} CROSS JOIN {first_tasks}
         WHERE first.job_id = item.value ->> 0 AND first.state = 'pending' AND first.lease_id IS NULL
           AND first.not_before <= $2
         ORDER BY first.id LIMIT $3{of_each}",
);

static JOBS: Template =
    Template::new("SELECT * FROM jobs WHERE id IN (SELECT item.value ->> 0 FROM {items})");

impl Store {
    /// Tasks that could be handed out now: of ready and running jobs by priority and age, at most `per_job`
    /// of each job and `limit` in all.
    pub async fn ready_tasks(&self, now: UnixMillis, per_job: u32, limit: u32) -> Result<Vec<ReadyTask>> {
        let mut session = self.reader().await?;
        let jobs: Vec<WaitingJob> = session
            .all(
                "SELECT id, account_id, priority, created_at, engine FROM jobs
                 WHERE state IN ('ready', 'running')
                   AND EXISTS (SELECT tasks.id FROM tasks
                               WHERE tasks.job_id = jobs.id AND tasks.state = 'pending'
                               AND tasks.lease_id IS NULL AND tasks.not_before <= $1)
                 ORDER BY priority DESC, created_at, id LIMIT $2",
                args![now, limit],
            )
            .await?;
        let (mut ready, mut running) = (Vec::new(), BTreeMap::new());
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() && ready.len() < limit as usize {
            // Each has one task at least: of so many jobs at most as many tasks come as there is room for.
            let room = limit as usize - ready.len();
            let some: Vec<_> = jobs.by_ref().take((room / per_job.max(1) as usize).max(1)).collect();
            let mut first = first_tasks(&mut session, &some, now, (per_job as usize).min(room)).await?;
            for job in some {
                let of_account = match running.get(&job.account_id) {
                    Some(count) => *count,
                    None => in_hand(&mut session, job.account_id).await?,
                };
                running.insert(job.account_id, of_account);
                let tasks = of_job(&mut session, &job, first.remove(&job.id).unwrap_or_default()).await?;
                ready.extend(
                    tasks.into_iter().map(|task| ReadyTask { running_of_account: of_account, ..task }),
                );
            }
        }
        Ok(ready)
    }

    /// These jobs; without those that there are not.
    pub async fn jobs_by_id(&self, jobs: impl IntoIterator<Item = JobId>) -> Result<Vec<JobRow>> {
        let jobs = items(jobs.into_iter().map(|job| args![job]));
        let mut session = self.reader().await?;
        session.all(JOBS.text(&session), vec![jobs]).await
    }
}

async fn in_hand(session: &mut Session, account: AccountId) -> Result<u32> {
    let sql = "SELECT COUNT(*) AS number FROM tasks WHERE account_id = $1 AND lease_id IS NOT NULL";
    let count: Number = session.one(sql, args![account]).await?;
    Ok(u32::try_from(count.number).unwrap_or(u32::MAX))
}

/// The first tasks of each of these jobs, in order.
async fn first_tasks(
    session: &mut Session,
    jobs: &[WaitingJob],
    now: UnixMillis,
    limit: usize,
) -> Result<BTreeMap<JobId, Vec<WaitingTask>>> {
    let jobs = items(jobs.iter().map(|job| args![job.id]));
    let mut values = vec![jobs];
    values.extend(args![now, limit]);
    let mut tasks: Vec<WaitingTask> = session.all(FIRST.text(session), values).await?;
    tasks.sort_by_key(|task| task.id);
    let mut of_job: BTreeMap<JobId, Vec<WaitingTask>> = BTreeMap::new();
    for task in tasks {
        of_job.entry(task.job_id).or_default().push(task);
    }
    Ok(of_job)
}

async fn of_job(session: &mut Session, job: &WaitingJob, tasks: Vec<WaitingTask>) -> Result<Vec<ReadyTask>> {
    let mut failed: BTreeMap<TaskId, Vec<WorkerId>> = BTreeMap::new();
    if tasks.iter().any(|task| task.attempts > 0) {
        let found: Vec<FailedOn> = session
            .all(
                "SELECT DISTINCT leases.task_id, leases.worker_id FROM leases
                 JOIN tasks ON tasks.id = leases.task_id
                 WHERE leases.job_id = $1 AND leases.failure_class IS NOT NULL AND tasks.state = 'pending'
                   AND leases.ended_at > COALESCE(tasks.retried_at, 0)
                 ORDER BY leases.task_id, leases.worker_id",
                args![job.id],
            )
            .await?;
        for one in found {
            failed.entry(one.task_id).or_default().push(one.worker_id);
        }
    }
    let mut done: BTreeMap<TaskId, Vec<i32>> = BTreeMap::new();
    if tasks.iter().any(|task| task.frames_done > 0) {
        let found: Vec<DoneFrame> = session
            .all(
                "SELECT frames.task_id, frames.frame FROM tasks JOIN frames ON frames.task_id = tasks.id
                 WHERE tasks.job_id = $1 AND tasks.state = 'pending' AND tasks.lease_id IS NULL
                   AND tasks.frames_done > 0",
                args![job.id],
            )
            .await?;
        for one in found {
            done.entry(one.task_id).or_default().push(one.frame);
        }
    }
    let described = tasks.into_iter().filter_map(|task| {
        let failed_on = failed.remove(&task.id).unwrap_or_default();
        describe(job, &task, failed_on, &done.remove(&task.id).unwrap_or_default())
    });
    Ok(described.collect())
}

/// Nothing for a task whose frames cannot be read: it would fail on every worker.
fn describe(
    job: &WaitingJob,
    task: &WaitingTask,
    failed_on: Vec<WorkerId>,
    done: &[i32],
) -> Option<ReadyTask> {
    let frames: FrameSet = match task.frames.parse() {
        Ok(frames) => frames,
        Err(error) => {
            tracing::error!(task = %task.id, %error, "the frames of a task cannot be read");
            return None;
        }
    };
    let frames_left: Vec<i32> = frames.iter().filter(|frame| !done.contains(frame)).collect();
    if frames_left.is_empty() {
        return None;
    }
    Some(ReadyTask {
        task: task.id,
        job: job.id,
        account: job.account_id,
        priority: job.priority,
        job_created_at: job.created_at,
        engine: job.engine,
        frames_left,
        fence: task.fence,
        attempts: task.attempts,
        failed_on,
        running_of_account: 0,
    })
}
