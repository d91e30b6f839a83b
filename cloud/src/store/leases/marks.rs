//! What workers say of the attempts under their leases: taken, begun, rendered. Any number at a time, by the
//! same few statements; what is said of one lease at the same time becomes one change.
//!
//! This happens some times for each task, so no job is held for it, but for one whose first attempt begins.

use std::collections::BTreeMap;

use pictor_actors::ids::{JobId, LeaseId};
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::lease::{LeaseState, Outcome};

use super::LeaseRow;
use super::transitions::{hold_leases, hold_tasks_of};
use crate::store::jobs::move_job;
use crate::store::sql::{FromRow, Row, Script, Session, Template, args, items, row};
use crate::store::{Result, StoreError};

/// A word of a worker about an attempt.
#[derive(Debug, Clone)]
pub struct Mark {
    /// Under this lease.
    pub lease: LeaseId,
    /// And this fence.
    pub fence: u64,
    /// What it says.
    pub said: Said,
    /// Then.
    pub at: UnixMillis,
}

/// What a worker says.
#[derive(Debug, Clone)]
pub enum Said {
    /// The lease has come so far.
    State {
        /// So far.
        state: LeaseState,
        /// Engine program and version, where known.
        engine: Option<String>,
        /// Device it renders on, where known.
        device: Option<String>,
    },
    /// Every frame is rendered: the lease stays live until they are delivered.
    Rendered,
}

/// A lease with what there is to know of its job.
struct Found {
    lease: LeaseRow,
    job_has_begun: bool,
}

impl FromRow for Found {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { lease: LeaseRow::from_row(row)?, job_has_begun: row.get::<u32>("job_has_begun")? == 1 })
    }
}

row! {
    /// A job that may be about to begin.
    pub struct Beginning {
        pub id: JobId,
        pub state: JobState,
        pub reason: Option<String>,
        pub started_at: Option<UnixMillis>,
    }
}

static FOUND: Template = Template::new(
    "SELECT leases.*, CAST(CASE WHEN jobs.state <> 'ready' AND jobs.started_at IS NOT NULL THEN 1 ELSE 0 END
         AS BIGINT) AS job_has_begun
     FROM {items} CROSS JOIN leases JOIN jobs ON jobs.id = leases.job_id
     WHERE leases.id = item.value ->> 0 AND leases.ended_at IS NULL",
);

static BEGINNING: Template = Template::new(
    "SELECT id, state, reason, started_at FROM jobs
     WHERE id IN (SELECT item.value ->> 0 FROM {items}) {lock}",
);

const MARK: &str = "UPDATE leases SET state = marked.state, outcome = marked.outcome, engine = marked.engine,
         device = marked.device, started_at = marked.started_at
     FROM (SELECT item.value ->> 0 AS id, item.value ->> 1 AS state, item.value ->> 2 AS outcome,
               item.value ->> 3 AS engine, item.value ->> 4 AS device,
               CAST(item.value ->> 5 AS BIGINT) AS started_at
           FROM {items}) AS marked
     WHERE leases.id = marked.id AND leases.ended_at IS NULL";

const BEGIN_TASKS: &str =
    "UPDATE tasks SET state = 'running', started_at = COALESCE(tasks.started_at, begun.at)
     FROM (SELECT item.value ->> 0 AS id, CAST(item.value ->> 1 AS BIGINT) AS at FROM {items}) AS begun
     WHERE tasks.id = begun.id AND tasks.ended_at IS NULL";

static WRITE: Script = Script::new(&[MARK, BEGIN_TASKS]);

/// Notes what workers said. One answer for each, in order: the lease as it is then, or `StaleFence` where it
/// is not live under that fence.
pub async fn mark_all(session: &mut Session, marks: &[Mark]) -> Result<Vec<Result<LeaseRow>>> {
    let leases = items(marks.iter().map(|mark| args![mark.lease]));
    let begins = |mark: &&Mark| matches!(mark.said, Said::State { state: LeaseState::Running, .. });
    if marks.iter().any(|mark| begins(&mark)) {
        hold_tasks_of(session, marks.iter().filter(begins).map(|mark| mark.lease)).await?;
    }
    hold_leases(session, marks.iter().map(|mark| mark.lease)).await?;
    let found: Vec<Found> = session.all(FOUND.text(session), vec![leases]).await?;
    let mut leases: BTreeMap<LeaseId, (Found, bool)> =
        found.into_iter().map(|found| (found.lease.id, (found, false))).collect();
    let mut begun: BTreeMap<LeaseId, UnixMillis> = BTreeMap::new();
    let mut answers = Vec::with_capacity(marks.len());
    for mark in marks {
        let live = leases.get_mut(&mark.lease).filter(|(found, _)| found.lease.fence == mark.fence);
        let Some((found, is_changed)) = live else {
            answers.push(Err(StoreError::StaleFence));
            continue;
        };
        let before = found.lease.state;
        if apply(&mut found.lease, &mark.said, mark.at) {
            *is_changed = true;
            if before != LeaseState::Running && found.lease.state == LeaseState::Running {
                begun.insert(mark.lease, mark.at);
            }
        }
        answers.push(Ok(found.lease.clone()));
    }
    let begun: Vec<(&Found, UnixMillis)> =
        begun.iter().filter_map(|(lease, at)| leases.get(lease).map(|(found, _)| (found, *at))).collect();
    let changed: Vec<_> = leases.values().filter(|(_, is_changed)| *is_changed).collect();
    if !changed.is_empty() {
        let rows = changed.iter().map(|(Found { lease, .. }, _)| {
            args![lease.id, lease.state, lease.outcome, lease.engine, lease.device, lease.started_at]
        });
        let tasks = begun.iter().map(|(found, at)| args![found.lease.task_id, at]);
        session.run_script(&WRITE, vec![items(rows), items(tasks)]).await?;
        begin_jobs(session, begun).await?;
    }
    Ok(answers)
}

/// Whether that changes the lease. A step back, or the same again, does not.
fn apply(lease: &mut LeaseRow, said: &Said, at: UnixMillis) -> bool {
    match said {
        Said::State { state, .. } if *state <= lease.state || *state == LeaseState::Ended => false,
        Said::State { state, engine, device } => {
            lease.state = *state;
            lease.engine = engine.clone().or(lease.engine.take());
            lease.device = device.clone().or(lease.device.take());
            if *state == LeaseState::Running {
                lease.started_at = lease.started_at.or(Some(at));
            }
            true
        }
        Said::Rendered => lease.outcome.replace(Outcome::Rendered) != Some(Outcome::Rendered),
    }
}

/// Attempts have begun: so have their jobs.
async fn begin_jobs(session: &mut Session, begun: Vec<(&Found, UnixMillis)>) -> Result<()> {
    let first = begun.into_iter().filter(|(found, _)| !found.job_has_begun);
    let at: BTreeMap<JobId, UnixMillis> = first.map(|(found, at)| (found.lease.job_id, at)).collect();
    if at.is_empty() {
        return Ok(());
    }
    let ids = items(at.keys().map(|job| args![job]));
    let jobs: Vec<Beginning> = session.all(BEGINNING.text(session), vec![ids]).await?;
    for job in jobs {
        let Some(at) = at.get(&job.id) else { continue };
        if job.state == JobState::Ready {
            move_job(session, job.id, JobState::Running, job.reason.as_deref(), *at).await?;
        } else if job.started_at.is_none() {
            let sql = "UPDATE jobs SET started_at = $2, updated_at = $2 WHERE id = $1";
            session.run(sql, args![job.id, at]).await?;
        }
    }
    Ok(())
}
