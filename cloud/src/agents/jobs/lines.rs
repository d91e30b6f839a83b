//! Log lines on their way to the store, gathered so that a chatty engine costs few writes.

use std::collections::BTreeMap;

use pictor_actors::ids::{JobId, LeaseId, TaskId, WorkerId};
use pictor_actors::limits::{LOG_LINE_CHARS_MAX, LOG_LINES_PER_MESSAGE_MAX};
use pictor_actors::protocol::LogLines;
use pictor_actors::units::UnixMillis;

use crate::store::LogRow;

/// Lines that wait at most; above, the oldest go and are counted.
const WAITING_MAX: usize = 2_000;
/// Leases whose counters are remembered; one that is dropped begins anew above what it had.
const COUNTERS_MAX: usize = 256;

/// The lines of one job.
#[derive(Debug)]
pub(super) struct Lines {
    job: JobId,
    waiting: Vec<LogRow>,
    next_seq: BTreeMap<LeaseId, u64>,
}

impl Lines {
    pub fn new(job: JobId) -> Self {
        Self { job, waiting: Vec::new(), next_seq: BTreeMap::new() }
    }

    /// Takes in what a worker said, cut to the bounds it should have kept.
    pub fn take_in(&mut self, said: &LogLines, task: TaskId, worker: WorkerId, at: UnixMillis) {
        if said.dropped > 0 {
            self.push(said.lease.lease, task, worker, at, format!("… {} lines left out …", said.dropped));
        }
        for line in said.lines.iter().take(LOG_LINES_PER_MESSAGE_MAX) {
            let text = line.chars().take(LOG_LINE_CHARS_MAX).collect();
            self.push(said.lease.lease, task, worker, at, text);
        }
        if self.waiting.len() > WAITING_MAX {
            let surplus = self.waiting.len() - WAITING_MAX;
            self.waiting.drain(..surplus);
            tracing::warn!(job = %self.job, surplus, "log lines came faster than they could be stored");
        }
    }

    fn push(&mut self, lease: LeaseId, task: TaskId, worker: WorkerId, at: UnixMillis, text: String) {
        if self.next_seq.len() >= COUNTERS_MAX && !self.next_seq.contains_key(&lease) {
            self.next_seq.pop_first();
        }
        // Starts at the time of day, so that a rebuilt actor goes on above what it had stored. The gap is
        // harmless: the store counts lines, not numbers.
        let first = u64::try_from(at.0).unwrap_or(0).saturating_mul(1_000);
        let seq = self.next_seq.entry(lease).or_insert(first);
        self.waiting.push(LogRow {
            lease_id: lease,
            seq: *seq,
            job_id: self.job,
            task_id: task,
            worker_id: worker,
            at,
            text,
        });
        *seq += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn take(&mut self) -> Vec<LogRow> {
        std::mem::take(&mut self.waiting)
    }

    /// Lines that were certainly not stored go back to the front.
    pub fn put_back(&mut self, mut lines: Vec<LogRow>) {
        lines.append(&mut self.waiting);
        self.waiting = lines;
        let surplus = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..surplus);
    }
}
