//! Tasks and log lines.

use std::collections::BTreeMap;

use pictor_actors::ids::{LeaseId, WorkerId};
use pictor_cloud_api::jobs::{LogLine, Task};

use super::jobs::class_text;
use super::time;
use crate::store::{LeaseRow, LogRow, TaskRow};

/// Who holds which live lease.
#[must_use]
pub fn holders(leases: &[LeaseRow]) -> BTreeMap<LeaseId, WorkerId> {
    leases.iter().map(|lease| (lease.id, lease.worker_id)).collect()
}

/// A task.
#[must_use]
pub fn task(row: &TaskRow, holders: &BTreeMap<LeaseId, WorkerId>) -> Task {
    let worker = row.lease_id.and_then(|lease| holders.get(&lease));
    Task {
        id: row.id.to_string(),
        job: row.job_id.to_string(),
        state: row.state.as_str().into(),
        frames: row.frames.clone(),
        frames_total: row.frames_total,
        frames_done: row.frames_done,
        attempts: row.attempts,
        worker: worker.map(ToString::to_string),
        failure: row.failure_class.map(class_text),
        failure_message: row.failure_message.clone(),
        created_at: time(row.created_at),
        started_at: row.started_at.map(time),
        ended_at: row.ended_at.map(time),
    }
}

/// A line of a job's log.
#[must_use]
pub fn log_line(row: &LogRow) -> LogLine {
    LogLine {
        at: time(row.at),
        task: row.task_id.to_string(),
        worker: row.worker_id.to_string(),
        text: row.text.clone(),
    }
}
