//! What callers ask of leases.

use pictor_actors::ids::{JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::lease::{LeaseState, Outcome};

use super::grants::grant_all;
use super::marks::{Mark, Said};
use super::transitions::{
    count_failure, end_live, expired_lease, live_lease, live_of_job, live_of_worker, release, release_expired,
};
use super::{AttemptEnd, EndedAttempt, Grant, GrantOutcome, LeaseRow};
use crate::store::sql::{Session, args};
use crate::store::{Result, Store, StoreError};

impl Store {
    /// Grants leases in one transaction, each on its own condition. One outcome for each grant, in order.
    /// Where the database does not say whether they were kept, they are looked for by their ids: a lease that
    /// nobody hears of would hold its task until it expires.
    pub async fn grant_leases(&self, grants: &[Grant], now: UnixMillis) -> Result<Vec<GrantOutcome>> {
        match self.grant_once(grants.to_vec(), now).await {
            Err(StoreError::Unknown(source)) => {
                tracing::warn!(%source, "leases may have been granted: reading which");
                self.granted_of(grants).await.map_err(|_| StoreError::Unknown(source))
            }
            certain => certain,
        }
    }

    async fn granted_of(&self, grants: &[Grant]) -> Result<Vec<GrantOutcome>> {
        let mut outcomes = Vec::with_capacity(grants.len());
        for grant in grants {
            outcomes.push(match self.lease(grant.lease).await {
                Ok(lease) if lease.ended_at.is_none() => GrantOutcome::Granted(lease),
                Ok(_) | Err(StoreError::NotFound) => GrantOutcome::Refused,
                Err(error) => return Err(error),
            });
        }
        Ok(outcomes)
    }

    async fn grant_once(&self, grants: Vec<Grant>, now: UnixMillis) -> Result<Vec<GrantOutcome>> {
        self.begin_write(move |session| Box::pin(async move { grant_all(session, &grants, now).await })).await
    }

    /// The lease.
    pub async fn lease(&self, id: LeaseId) -> Result<LeaseRow> {
        self.one("SELECT * FROM leases WHERE id = $1", args![id]).await
    }

    /// Moves a live lease forward (accepted, running), together with others; a running one starts its task
    /// and job. `StaleFence` if it is not live under that fence. The same again, or a step back, changes
    /// nothing.
    pub async fn mark_lease(
        &self,
        lease: LeaseId,
        fence: u64,
        state: LeaseState,
        engine: Option<&str>,
        device: Option<&str>,
        now: UnixMillis,
    ) -> Result<LeaseRow> {
        let said =
            Said::State { state, engine: engine.map(str::to_owned), device: device.map(str::to_owned) };
        self.groups.marks.ask(Mark { lease, fence, said, at: now }).await
    }

    /// Notes that every frame of a live lease is rendered: it stays live until they are delivered.
    /// `StaleFence` if it is not live under that fence.
    pub async fn lease_rendered(&self, lease: LeaseId, fence: u64, now: UnixMillis) -> Result<LeaseRow> {
        self.groups.marks.ask(Mark { lease, fence, said: Said::Rendered, at: now }).await
    }

    /// Ends an attempt. `StaleFence` if the lease is not live under that fence.
    pub async fn end_attempt(
        &self,
        lease: LeaseId,
        fence: u64,
        end: &AttemptEnd,
        now: UnixMillis,
    ) -> Result<EndedAttempt> {
        let end = end.clone();
        self.begin_write(move |session| {
            Box::pin(async move {
                let row = live_lease(session, lease, fence).await?;
                end_as(session, &row, &end, now).await
            })
        })
        .await
    }

    /// Ends an attempt whose worker fell silent. `StaleFence` if the lease is not live under that fence, or
    /// was renewed meanwhile.
    pub async fn end_expired_attempt(
        &self,
        lease: LeaseId,
        fence: u64,
        end: &AttemptEnd,
        now: UnixMillis,
    ) -> Result<EndedAttempt> {
        let end = end.clone();
        self.begin_write(move |session| {
            Box::pin(async move {
                let row = live_lease(session, lease, fence).await?;
                if expired_lease(session, lease, now).await?.is_none() {
                    return Err(StoreError::StaleFence);
                }
                end_as(session, &row, &end, now).await
            })
        })
        .await
    }

    /// Live leases of the worker, oldest first.
    pub async fn live_leases_of_worker(&self, worker: WorkerId) -> Result<Vec<LeaseRow>> {
        live_of_worker(&mut self.reader().await?, worker).await
    }

    /// Live leases of the job, oldest first.
    pub async fn live_leases_of_job(&self, job: JobId) -> Result<Vec<LeaseRow>> {
        live_of_job(&mut self.reader().await?, job).await
    }

    /// Live leases past their time, oldest first. Not those of workers that are connected to another replica
    /// which lives: only it knows what it has not stored yet.
    pub async fn expired_leases(&self, now: UnixMillis, limit: u32) -> Result<Vec<LeaseRow>> {
        let mut session = self.reader().await?;
        let Some(replica) = self.replica else {
            let sql = "SELECT * FROM leases WHERE ended_at IS NULL AND expires_at <= $1
                       ORDER BY expires_at, id LIMIT $2";
            return session.all(sql, args![now, limit]).await;
        };
        let alive = session.now_text();
        let sql = format!(
            "SELECT * FROM leases WHERE ended_at IS NULL AND expires_at <= $1
               AND NOT EXISTS (SELECT workers.id FROM workers
                               JOIN replicas ON replicas.id = workers.replica_id
                               WHERE workers.id = leases.worker_id AND workers.link_id IS NOT NULL
                                 AND replicas.id <> $3 AND replicas.lease_until > {alive})
             ORDER BY expires_at, id LIMIT $2"
        );
        session.all(sql, args![now, limit, replica]).await
    }

    /// Ends those of these leases that are live and can end so now (only an offer ends unanswered, only what
    /// is past its time expires) and puts their tasks back; returns the ones it ended. The
    /// fence rises unless the end is the worker's own word (stopped, declined, left). What was rendered by
    /// then may still come, and counts where it is the first.
    pub async fn release_leases(
        &self,
        leases: &[LeaseId],
        outcome: Outcome,
        now: UnixMillis,
    ) -> Result<Vec<LeaseRow>> {
        let mut leases = leases.to_vec();
        leases.sort_unstable();
        self.begin_write(move |session| {
            Box::pin(async move { release(session, &leases, outcome, now).await })
        })
        .await
    }

    /// Ends those of these leases that are live and past their time, as `release_leases` does; one that was
    /// renewed after it was looked for stays. Returns the ones it ended.
    pub async fn release_expired(&self, leases: &[LeaseId], now: UnixMillis) -> Result<Vec<LeaseRow>> {
        let mut leases = leases.to_vec();
        leases.sort_unstable();
        self.begin_write(move |session| Box::pin(async move { release_expired(session, &leases, now).await }))
            .await
    }

    /// The task's leases since it was last retried by hand, oldest first.
    pub async fn attempts_of(&self, task: TaskId) -> Result<Vec<LeaseRow>> {
        self.all(
            "SELECT leases.* FROM leases JOIN tasks ON tasks.id = leases.task_id
             WHERE leases.task_id = $1 AND leases.granted_at >= COALESCE(tasks.retried_at, 0)
             ORDER BY leases.id",
            args![task],
        )
        .await
    }
}

/// Ends a live lease of a locked job and says what it left behind.
async fn end_as(
    session: &mut Session,
    row: &LeaseRow,
    end: &AttemptEnd,
    now: UnixMillis,
) -> Result<EndedAttempt> {
    end_live(session, row, end, now).await?;
    let failures = count_failure(session, row, end.worker_fault).await?;
    Ok(EndedAttempt {
        task: session.one("SELECT * FROM tasks WHERE id = $1", args![row.task_id]).await?,
        job: session.one("SELECT * FROM jobs WHERE id = $1", args![row.job_id]).await?,
        lease: session.one("SELECT * FROM leases WHERE id = $1", args![row.id]).await?,
        worker_failures_in_row: failures,
    })
}
