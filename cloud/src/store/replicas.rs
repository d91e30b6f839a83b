//! Processes of the cloud on one database: who lives, who owns which job, who has which worker's socket.
//!
//! All times here are the database's own, because the clocks of replicas differ. Nothing that must be right
//! rests on an ownership: each change of a job, task or lease has its own condition, so that two owners for a
//! moment cost work done twice and nothing else.

use pictor_actors::ids::{JobId, LeaseId, LinkId, ReplicaId, WorkerId};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::job::JobState;

use super::sql::{Column as _, Session, args, row, table};
use super::{HeartbeatRow, Result, Store, WorkerRow};

/// A replica that has been gone for so long is forgotten.
const FORGET_AFTER: Millis = Millis::from_secs(600);
/// Rows that one statement names.
const ROWS_A_STATEMENT: usize = 500;
/// Jobs that have an actor.
const LIVE: &str = "state IN ('ready', 'running', 'paused')";

row! {
    /// A replica that lives.
    pub struct ReplicaRow {
        /// Which.
        pub id: ReplicaId,
        /// How it is reached, for people.
        pub address: String,
        /// Version of its program.
        pub version: String,
        /// The slots of its workers, as its writer shaped it.
        pub slots: serde_json::Value,
        /// Its start.
        pub started_at: UnixMillis,
        /// It counts as dead from then on, unless it says otherwise.
        pub lease_until: UnixMillis,
    }
}

/// A replica's sign of life.
#[derive(Debug, Clone, PartialEq)]
pub struct Beat {
    /// Which.
    pub id: ReplicaId,
    /// How it is reached, for people.
    pub address: String,
    /// Version of its program.
    pub version: String,
    /// The slots of its workers.
    pub slots: serde_json::Value,
    /// It counts as dead this long after it.
    pub lease: Millis,
}

row! {
    /// What another replica or a person may have changed about a worker.
    pub struct WorkerNews {
        /// Which.
        pub id: WorkerId,
        /// Its newest connection.
        pub link_id: Option<LinkId>,
        /// Newest change by a person or by a connection.
        pub updated_at: UnixMillis,
    }
}

row! {
    /// A lease that its worker should no longer work on.
    pub struct LeaseNews {
        /// Which.
        pub id: LeaseId,
        /// Whose.
        pub worker_id: WorkerId,
        /// Its fence.
        pub fence: u64,
        /// When it ended; nothing: its job is paused.
        pub ended_at: Option<UnixMillis>,
        /// State of its job.
        pub job_state: JobState,
    }
}

row! {
    /// Only the id of a job.
    pub struct JobOnly {
        /// The job.
        pub id: JobId,
    }
}

impl Store {
    /// Keeps a replica's sign of life; returns all that live, itself among them, by id.
    pub async fn keep_replica(&self, beat: &Beat) -> Result<Vec<ReplicaRow>> {
        let beat = beat.clone();
        self.begin_write(move |session| {
            Box::pin(async move {
                let now = session.now_text();
                let sql = format!(
                    "INSERT INTO replicas (id, address, version, slots, started_at, lease_until)
                     VALUES ($1, $2, $3, $4, {now}, {now} + $5)
                     ON CONFLICT (id) DO UPDATE
                         SET slots = excluded.slots, lease_until = excluded.lease_until"
                );
                let Beat { id, address, version, slots, lease } = beat;
                session.run(sql, args![id, address, version, slots, lease.0]).await?;
                let sql = format!("DELETE FROM replicas WHERE lease_until < {now} - $1");
                session.run(sql, args![FORGET_AFTER.0]).await?;
                session.all(living(session, "*"), args![]).await
            })
        })
        .await
    }

    /// The replicas that live, by id.
    pub async fn replicas(&self) -> Result<Vec<ReplicaRow>> {
        let mut session = self.reader().await?;
        session.all(living(&session, "*"), args![]).await
    }

    /// A replica ends, or is known to have ended: what it owned is free at once.
    pub async fn end_replica(&self, id: ReplicaId) -> Result<()> {
        self.begin_write(move |session| {
            Box::pin(async move {
                // In the order of their ids, as all who hold several: others still work on them.
                session.lock_rows("SELECT id FROM jobs WHERE owner = $1".to_owned(), args![id]).await?;
                session.run("UPDATE jobs SET owner = NULL WHERE owner = $1", args![id]).await?;
                session.run("DELETE FROM replicas WHERE id = $1", args![id]).await.map(drop)
            })
        })
        .await
    }

    /// Makes the replica the owner of live jobs that have none, or one that is dead; at most `limit`, and
    /// only such as nobody else takes or changes at this moment. Returns how many.
    pub async fn claim_jobs(&self, replica: ReplicaId, limit: u32) -> Result<u64> {
        self.begin_write(move |session| {
            Box::pin(async move {
                let (alive, take) = (living(session, "id"), session.take_free_rows());
                let sql = format!(
                    "UPDATE jobs SET owner = $1 WHERE id IN
                         (SELECT id FROM jobs WHERE {LIVE} AND (owner IS NULL OR owner NOT IN ({alive}))
                          ORDER BY id LIMIT $2 {take})"
                );
                session.run(sql, args![replica, limit]).await
            })
        })
        .await
    }

    /// The same for one job; true if the replica owns it now.
    pub async fn claim_job(&self, replica: ReplicaId, job: JobId) -> Result<bool> {
        self.begin_write(move |session| {
            Box::pin(async move {
                let alive = living(session, "id");
                let sql = format!(
                    "UPDATE jobs SET owner = $1 WHERE id = $2 AND {LIVE}
                       AND (owner IS NULL OR owner = $1 OR owner NOT IN ({alive}))"
                );
                Ok(session.run(sql, args![replica, job]).await? > 0)
            })
        })
        .await
    }

    /// Live jobs that the replica owns.
    pub async fn jobs_of_replica(&self, replica: ReplicaId) -> Result<Vec<JobId>> {
        let sql = format!("SELECT id FROM jobs WHERE owner = $1 AND {LIVE} ORDER BY id");
        let found: Vec<JobOnly> = self.all(sql, args![replica]).await?;
        Ok(found.into_iter().map(|job| job.id).collect())
    }

    /// Ends connections to replicas that are dead. Bearers stay good, so that a frame on its way is not
    /// refused. Returns how many.
    pub async fn close_dead_links(&self, now: UnixMillis) -> Result<u64> {
        self.begin_write(move |session| {
            Box::pin(async move {
                let alive = living(session, "id");
                let sql = format!(
                    "UPDATE workers SET link_id = NULL, disconnected_at = $1
                     WHERE link_id IS NOT NULL AND (replica_id IS NULL OR replica_id NOT IN ({alive}))"
                );
                session.run(sql, args![now]).await
            })
        })
        .await
    }

    /// Workers that are connected to other replicas and may work, at most `limit`: somebody to ask whether
    /// there is anybody else.
    pub async fn workers_elsewhere(&self, now: UnixMillis, limit: u32) -> Result<Vec<WorkerRow>> {
        self.all(
            "SELECT * FROM workers WHERE link_id IS NOT NULL AND replica_id IS NOT NULL
               AND ($1 IS NULL OR replica_id <> $1) AND removed_at IS NULL AND pause IS NULL
               AND (rested_until IS NULL OR rested_until <= $2)
             ORDER BY id LIMIT $3",
            args![self.replica, now, limit],
        )
        .await
    }

    /// Workers with a live lease of one of these jobs that are connected to other replicas.
    pub async fn workers_elsewhere_on(&self, jobs: &[JobId]) -> Result<Vec<WorkerRow>> {
        let wanted: Vec<String> = (2..jobs.len() + 2).map(|number| format!("${number}")).collect();
        let sql = format!(
            "SELECT * FROM workers WHERE link_id IS NOT NULL AND ($1 IS NULL OR replica_id <> $1)
               AND id IN (SELECT worker_id FROM leases WHERE job_id IN ({}) AND ended_at IS NULL)
             ORDER BY id",
            wanted.join(", ")
        );
        let mut values = args![self.replica];
        values.extend(jobs.iter().map(JobId::value));
        self.all(sql, values).await
    }

    /// What others may have changed about these workers.
    pub async fn worker_news(&self, beats: &[HeartbeatRow]) -> Result<Vec<WorkerNews>> {
        let mut session = self.reader().await?;
        let mut news = Vec::new();
        for some in beats.chunks(ROWS_A_STATEMENT) {
            let wanted = table(1, some.len());
            let sql = format!("SELECT id, link_id, updated_at FROM workers WHERE id IN {wanted}");
            let found: Vec<WorkerNews> =
                session.all(sql, some.iter().map(|beat| beat.worker.value()).collect()).await?;
            news.extend(found);
        }
        Ok(news)
    }

    /// Those of these leases that have ended, or whose job is paused.
    pub async fn lease_news(&self, leases: &[LeaseId]) -> Result<Vec<LeaseNews>> {
        let mut session = self.reader().await?;
        let mut news = Vec::new();
        for some in leases.chunks(ROWS_A_STATEMENT) {
            let wanted = table(1, some.len());
            let sql = format!(
                "SELECT leases.id, leases.worker_id, leases.fence, leases.ended_at, jobs.state AS job_state
                 FROM leases JOIN jobs ON jobs.id = leases.job_id
                 WHERE leases.id IN {wanted} AND (leases.ended_at IS NOT NULL OR jobs.state = 'paused')"
            );
            let found: Vec<LeaseNews> = session.all(sql, some.iter().map(LeaseId::value).collect()).await?;
            news.extend(found);
        }
        Ok(news)
    }
}

/// The replicas that live.
fn living(session: &Session, columns: &str) -> String {
    let now = session.now_text();
    format!("SELECT {columns} FROM replicas WHERE lease_until > {now} ORDER BY id")
}
