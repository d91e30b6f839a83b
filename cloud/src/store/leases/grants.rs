//! Leases are granted: a turn's worth at a time, by the same few statements.
//!
//! The jobs are held against everybody who would take them away (pause, cancel, failures), but not against
//! frames and marks, nor against another replica that grants too: of a task that both want the first claims
//! the row, and the other passes over it (`SKIP LOCKED`).

use std::collections::BTreeMap;

use pictor_actors::ids::{JobId, TaskId};
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::lease::LeaseState;

use super::{Grant, GrantOutcome, LeaseRow};
use crate::store::Result;
use crate::store::sql::{Session, Template, args, items, row};

row! {
    /// A task that was claimed.
    pub struct Claimed {
        pub id: TaskId,
        pub job_id: JobId,
        pub fence: u64,
    }
}

static HOLD_JOBS: Template = Template::new(
    "SELECT id FROM jobs WHERE id IN (
         SELECT tasks.job_id FROM tasks WHERE tasks.id IN (SELECT item.value ->> 0 FROM {items})) {share}",
);

static CLAIM: Template = Template::new(
    "WITH free AS (
         SELECT tasks.id, item.value ->> 2 AS lease FROM {items} CROSS JOIN tasks
         WHERE tasks.id = item.value ->> 0 AND tasks.fence = CAST(item.value ->> 1 AS BIGINT)
           AND tasks.state = 'pending' AND tasks.lease_id IS NULL
           AND tasks.not_before <= CAST(item.value ->> 4 AS BIGINT)
           AND EXISTS (SELECT jobs.id FROM jobs
                       WHERE jobs.id = tasks.job_id AND jobs.state IN ('ready', 'running'))
           AND EXISTS (SELECT workers.id FROM workers
                       WHERE workers.id = item.value ->> 3 AND workers.removed_at IS NULL)
         {free})
     UPDATE tasks SET fence = fence + 1, lease_id = free.lease, attempts = attempts + 1
     FROM free WHERE tasks.id = free.id
     RETURNING tasks.id, tasks.job_id, tasks.fence",
);

static LEASES: Template = Template::new(
    "INSERT INTO leases (id, task_id, job_id, worker_id, slot, fence, state, granted_at, expires_at,
         lost_after_ms)
     SELECT item.value ->> 0, item.value ->> 1, item.value ->> 2, item.value ->> 3,
         CAST(item.value ->> 4 AS BIGINT), CAST(item.value ->> 5 AS BIGINT), 'offered',
         CAST(item.value ->> 6 AS BIGINT), CAST(item.value ->> 7 AS BIGINT),
         CAST(item.value ->> 8 AS BIGINT)
     FROM {items}",
);

/// Grants what can be granted; of several grants of one task the first. One outcome for each, in order.
pub(super) async fn grant_all(
    session: &mut Session,
    grants: &[Grant],
    now: UnixMillis,
) -> Result<Vec<GrantOutcome>> {
    let mut first: BTreeMap<TaskId, usize> = BTreeMap::new();
    for (number, grant) in grants.iter().enumerate() {
        first.entry(grant.task).or_insert(number);
    }
    let wanted = items(
        first
            .values()
            .map(|number| &grants[*number])
            .map(|grant| args![grant.task, grant.expected_fence, grant.lease, grant.worker, now]),
    );
    session.hold(&HOLD_JOBS, vec![wanted.clone()]).await?;
    let claimed: Vec<Claimed> = session.all(CLAIM.text(session), vec![wanted]).await?;
    let mut outcomes: Vec<_> = grants.iter().map(|_| GrantOutcome::Refused).collect();
    let mut leases = Vec::with_capacity(claimed.len());
    for task in claimed {
        let Some(number) = first.get(&task.id) else { continue };
        let lease = lease_of(&grants[*number], &task, now);
        leases.push(args![
            lease.id,
            lease.task_id,
            lease.job_id,
            lease.worker_id,
            lease.slot,
            lease.fence,
            now,
            lease.expires_at,
            lease.lost_after_ms
        ]);
        outcomes[*number] = GrantOutcome::Granted(lease);
    }
    if !leases.is_empty() {
        session.run(LEASES.text(session), vec![items(leases)]).await?;
    }
    Ok(outcomes)
}

fn lease_of(grant: &Grant, task: &Claimed, now: UnixMillis) -> LeaseRow {
    LeaseRow {
        id: grant.lease,
        task_id: task.id,
        job_id: task.job_id,
        worker_id: grant.worker,
        slot: grant.slot,
        fence: task.fence,
        state: LeaseState::Offered,
        outcome: None,
        failure_class: None,
        failure_message: None,
        engine: None,
        device: None,
        granted_at: now,
        expires_at: grant.expires_at,
        lost_after_ms: grant.lost_after.map(|after| after.0),
        started_at: None,
        ended_at: None,
    }
}
