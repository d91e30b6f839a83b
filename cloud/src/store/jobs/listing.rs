//! Jobs made, found and changed by hand.

use pictor_actors::ids::{AccountId, JobId, WorkerId};
use pictor_actors::units::{BlobHash, UnixMillis};
use pictor_cloud_domain::job::JobState;

use super::{JobPatch, JobRow, NewJobRow};
use crate::store::sql::page::like;
use crate::store::sql::{Session, args, row};
use crate::store::{ConflictKind, PageOf, PageRequest, Result, Store, StoreError};

pub(super) const JOB: &str = "SELECT * FROM jobs WHERE id = $1";

row! {
    /// A manifest.
    pub struct InputsRow {
        pub hash: BlobHash,
    }
}

impl Store {
    /// Makes a job without tasks. `Conflict(Exists)` if the id is taken.
    pub async fn create_job(&self, new: &NewJobRow, now: UnixMillis) -> Result<JobRow> {
        let new = new.clone();
        self.begin_write(move |session| {
            Box::pin(async move {
                session
                    .one_unique(
                        "INSERT INTO jobs (id, account_id, name, state, priority, source_hash, inputs_hash,
                            main,
                             settings, engine, frame_time_limit_ms, frames, frames_total, chunk, created_at,
                             updated_at)
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)
                         RETURNING *",
                        args![
                            new.id,
                            new.account_id,
                            new.name,
                            new.state,
                            new.priority,
                            new.source_hash,
                            new.inputs_hash,
                            new.main,
                            new.settings,
                            new.engine,
                            new.frame_time_limit_ms,
                            new.frames,
                            new.frames_total,
                            new.chunk,
                            now,
                        ],
                        ConflictKind::Exists,
                    )
                    .await
            })
        })
        .await
    }

    /// The job.
    pub async fn job(&self, id: JobId) -> Result<JobRow> {
        self.one(JOB, args![id]).await
    }

    /// The account's job; `NotFound` if it is another's.
    pub async fn job_of(&self, account: AccountId, id: JobId) -> Result<JobRow> {
        self.one("SELECT * FROM jobs WHERE id = $1 AND account_id = $2", args![id, account]).await
    }

    /// The account's jobs in these states (none named: all) whose name contains `search`, newest first.
    pub async fn list_jobs(
        &self,
        account: AccountId,
        states: &[JobState],
        search: Option<&str>,
        page: &PageRequest,
    ) -> Result<PageOf<JobRow>> {
        let rows = page.rows();
        let mut values = args![account, rows + 1, search.map(like)];
        let mut sql = String::from(
            "SELECT * FROM jobs WHERE account_id = $1
               AND ($3 IS NULL OR LOWER(name) LIKE $3 ESCAPE '!')",
        );
        if !states.is_empty() {
            sql.push_str(&format!(" AND state IN ({})", quoted(states)));
        }
        if let Some([id]) = page.keys::<1>("jobs")? {
            sql.push_str(" AND id < $4");
            values.extend(args![id]);
        }
        sql.push_str(" ORDER BY id DESC LIMIT $2");
        let found: Vec<JobRow> = self.all(sql, values).await?;
        Ok(PageOf::cut(found, rows, "jobs", |row| [row.id.to_string()]))
    }

    /// Every job that has an actor: ready, running or paused.
    pub async fn live_jobs(&self) -> Result<Vec<JobRow>> {
        self.all("SELECT * FROM jobs WHERE state IN ('ready', 'running', 'paused') ORDER BY id", args![])
            .await
    }

    /// The job, if the worker holds a live lease of it.
    pub async fn job_of_worker(&self, worker: WorkerId, job: JobId) -> Result<Option<JobRow>> {
        let sql = "SELECT * FROM jobs WHERE id = $2 AND EXISTS (
                       SELECT leases.id FROM leases
                       WHERE leases.worker_id = $1 AND leases.job_id = jobs.id AND leases.ended_at IS NULL)";
        self.optional(sql, args![worker, job]).await
    }

    /// Manifests of the jobs of which the worker holds live leases, each once.
    pub async fn inputs_of_worker(&self, worker: WorkerId) -> Result<Vec<BlobHash>> {
        let sql = "SELECT DISTINCT jobs.inputs_hash AS hash FROM leases JOIN jobs ON jobs.id = leases.job_id
                   WHERE leases.worker_id = $1 AND leases.ended_at IS NULL AND jobs.inputs_hash IS NOT NULL
                   ORDER BY jobs.inputs_hash";
        let found: Vec<InputsRow> = self.all(sql, args![worker]).await?;
        Ok(found.into_iter().map(|row| row.hash).collect())
    }

    /// Changes a job by hand. `Conflict(Version)` if it is no longer the version that was read.
    pub async fn update_job(
        &self,
        account: AccountId,
        id: JobId,
        patch: &JobPatch,
        if_version: Option<i64>,
        now: UnixMillis,
    ) -> Result<JobRow> {
        let patch = patch.clone();
        self.begin_write(move |session| {
            Box::pin(async move {
                hold_job(session, id).await?;
                let sql = "SELECT * FROM jobs WHERE id = $1 AND account_id = $2";
                let row: JobRow = session.one(sql, args![id, account]).await?;
                if if_version.is_some_and(|version| version != row.version) {
                    return Err(StoreError::Conflict(ConflictKind::Version));
                }
                session
                    .one(
                        "UPDATE jobs SET priority = COALESCE($2, priority), name = COALESCE($3, name),
                             updated_at = $4, version = version + 1
                         WHERE id = $1 RETURNING *",
                        args![id, patch.priority, patch.name, now],
                    )
                    .await
            })
        })
        .await
    }
}

/// Takes turns on the job, its open tasks and their leases, as all do who change these together, and reads
/// the job as it then is. Nothing of it is granted meanwhile.
pub(in crate::store) async fn locked_whole_job(session: &mut Session, id: JobId) -> Result<JobRow> {
    let open = "SELECT id FROM tasks WHERE job_id = $1 AND (ended_at IS NULL OR state <> 'completed')";
    session.lock_rows(open.to_owned(), args![id]).await?;
    let live = "SELECT id FROM leases WHERE job_id = $1 AND ended_at IS NULL";
    session.lock_rows(live.to_owned(), args![id]).await?;
    session.lock_job(id).await?;
    session.one(JOB, args![id]).await
}

/// Takes turns on the job and reads it as it then is; its tasks may be granted meanwhile.
pub(in crate::store) async fn held_job(session: &mut Session, id: JobId) -> Result<JobRow> {
    hold_job(session, id).await?;
    session.one(JOB, args![id]).await
}

async fn hold_job(session: &mut Session, id: JobId) -> Result<()> {
    session.lock_rows("SELECT id FROM jobs WHERE id = $1".to_owned(), args![id]).await
}

/// Moves a job that is held.
pub(in crate::store) async fn move_job(
    session: &mut Session,
    id: JobId,
    to: JobState,
    reason: Option<&str>,
    now: UnixMillis,
) -> Result<JobRow> {
    let ended_at = to.is_ended().then_some(now);
    let started_at = (to == JobState::Running).then_some(now);
    session
        .one(
            "UPDATE jobs SET state = $2, reason = $3, ended_at = $4, started_at = COALESCE(started_at, $5),
                 updated_at = $6, version = version + 1
             WHERE id = $1 RETURNING *",
            args![id, to, reason, ended_at, started_at, now],
        )
        .await
}

/// The names of states are ours, so they may stand in the text.
fn quoted(states: &[JobState]) -> String {
    states.iter().map(|state| format!("'{}'", state.as_str())).collect::<Vec<_>>().join(", ")
}
