//! What is to be stored of all workers: gathered here, written together. Pure.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{LeaseId, WorkerId};
use pictor_actors::units::Millis;

use crate::store::{HeartbeatRow, WorkerMinuteRow};

/// Rows of one write: a transaction of this size takes some milliseconds.
const BATCH: usize = 2_000;
/// Minutes kept while the store is away: the newest values of every worker matter more than their history.
const MINUTES_MAX: usize = 50_000;

/// Gathered rows. Of heartbeats only the newest of each worker is kept, so their number is bounded by the
/// workers.
#[derive(Debug, Default)]
pub(super) struct Writes {
    heartbeats: BTreeMap<WorkerId, HeartbeatRow>,
    /// With the silence after which each is lost.
    renewals: BTreeMap<LeaseId, Millis>,
    minutes: Vec<WorkerMinuteRow>,
    /// Renewals of the write under way.
    renewing: BTreeSet<LeaseId>,
    /// The last write was not done, or nobody knows.
    is_failing: bool,
}

/// Rows of one write.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    pub heartbeats: Vec<HeartbeatRow>,
    pub renewals: Vec<(LeaseId, Millis)>,
    pub minutes: Vec<WorkerMinuteRow>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.heartbeats.is_empty() && self.renewals.is_empty() && self.minutes.is_empty()
    }
}

impl Writes {
    /// A sign of life; one without values keeps those of the one before.
    pub fn heartbeat(&mut self, mut row: HeartbeatRow) {
        if row.sample.is_none() {
            row.sample = self.heartbeats.remove(&row.worker).and_then(|before| before.sample);
        }
        self.heartbeats.insert(row.worker, row);
    }

    /// Leases to renew.
    pub fn renew(&mut self, leases: impl IntoIterator<Item = (LeaseId, Millis)>) {
        self.renewals.extend(leases);
    }

    /// A minute that is over.
    pub fn minute(&mut self, row: WorkerMinuteRow) {
        if self.minutes.len() < MINUTES_MAX {
            self.minutes.push(row);
        }
    }

    /// The next write, at most 2,000 rows of each kind.
    pub fn take(&mut self) -> Batch {
        let heartbeats = (0..BATCH).map_while(|_| self.heartbeats.pop_first().map(|(_, row)| row)).collect();
        let renewals: Vec<_> = (0..BATCH).map_while(|_| self.renewals.pop_first()).collect();
        self.renewing = renewals.iter().map(|(lease, _)| *lease).collect();
        let minutes = self.minutes.drain(..self.minutes.len().min(BATCH)).collect();
        Batch { heartbeats, renewals, minutes }
    }

    /// The write is done.
    pub fn stored(&mut self) {
        self.renewing.clear();
        self.is_failing = false;
    }

    /// Those of these leases whose renewal is not stored yet; nothing while writes fail.
    pub fn waiting_of(&self, mut leases: Vec<LeaseId>) -> Option<Vec<LeaseId>> {
        leases.retain(|lease| self.renewals.contains_key(lease) || self.renewing.contains(lease));
        (!self.is_failing).then_some(leases)
    }

    /// A write that was not done: what has not come anew meanwhile is kept for the next one.
    pub fn put_back(&mut self, batch: Batch) {
        self.renewing.clear();
        self.is_failing = true;
        for row in batch.heartbeats {
            self.heartbeats.entry(row.worker).or_insert(row);
        }
        for (lease, lost_after) in batch.renewals {
            self.renewals.entry(lease).or_insert(lost_after);
        }
        batch.minutes.into_iter().for_each(|row| self.minute(row));
    }

    /// Rows that wait.
    pub fn len(&self) -> usize {
        self.heartbeats.len() + self.renewals.len() + self.minutes.len()
    }
}

#[cfg(test)]
mod tests {
    use pictor_actors::ids::LinkId;
    use pictor_actors::protocol::MetricSample;
    use pictor_actors::units::UnixMillis;

    use super::*;

    fn row(worker: u128, at: i64, cpu: Option<f32>) -> HeartbeatRow {
        HeartbeatRow {
            worker: WorkerId::from_u128(worker),
            link_id: LinkId::from_u128(1),
            at: UnixMillis(at),
            sample: cpu.map(|cpu| MetricSample { cpu_percent: Some(cpu), ..MetricSample::default() }),
            live: None,
        }
    }

    #[test]
    fn only_the_newest_of_a_worker_is_written_and_values_outlive_a_beat_without_any() {
        let mut writes = Writes::default();
        for at in 0..100 {
            writes.heartbeat(row(1, at, Some(1.0)));
        }
        writes.heartbeat(row(1, 100, None));
        let batch = writes.take();
        assert_eq!(batch.heartbeats, [row(1, 100, Some(1.0))]);
        assert!(writes.take().is_empty());
    }

    #[test]
    fn a_failed_write_is_repeated_unless_something_newer_came() {
        let mut writes = Writes::default();
        writes.heartbeat(row(1, 1, None));
        writes.heartbeat(row(2, 1, None));
        writes.renew([(LeaseId::from_u128(7), Millis(60))]);
        let failed = writes.take();
        writes.heartbeat(row(1, 5, None));
        writes.put_back(failed);
        let again = writes.take();
        assert_eq!(again.heartbeats, [row(1, 5, None), row(2, 1, None)]);
        assert_eq!(again.renewals, [(LeaseId::from_u128(7), Millis(60))]);
    }

    #[test]
    fn a_renewal_waits_until_its_write_is_done_and_nothing_is_known_while_writes_fail() {
        let (one, other) = (LeaseId::from_u128(1), LeaseId::from_u128(2));
        let mut writes = Writes::default();
        writes.renew([(one, Millis(60))]);
        assert_eq!(writes.waiting_of(vec![one, other]), Some(vec![one]));
        let batch = writes.take();
        assert_eq!(writes.waiting_of(vec![one, other]), Some(vec![one]), "under way");
        writes.put_back(batch);
        assert_eq!(writes.waiting_of(vec![other]), None);
        writes.take();
        writes.stored();
        assert_eq!(writes.waiting_of(vec![one, other]), Some(vec![]));
    }

    #[test]
    fn a_write_is_bounded() {
        let mut writes = Writes::default();
        for worker in 0..5_000 {
            writes.heartbeat(row(worker, 1, None));
        }
        assert_eq!((writes.take().heartbeats.len(), writes.len()), (BATCH, 5_000 - BATCH));
    }
}
