//! What a simulated fleet counts: shared by all its workers, read by whoever shows it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use pictor_actors::units::Millis;
use serde::Serialize;

/// Buckets a doubling.
const FINE: usize = 4;
/// Up to 2^20 ms, 17 minutes; longer ones count as that.
const BUCKETS: usize = 20 * FINE + 1;

/// Lengths of time, counted by size: each bucket is a fifth wider than the one below it.
#[derive(Debug)]
pub struct Lengths([AtomicU64; BUCKETS]);

impl Default for Lengths {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Lengths {
    /// Counts one.
    pub fn add(&self, length: Millis) {
        let bucket = (0..BUCKETS - 1).find(|bucket| length.0 < upper(*bucket)).unwrap_or(BUCKETS - 1);
        self.0[bucket].fetch_add(1, Relaxed);
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        self.0.iter().map(|count| count.load(Relaxed)).collect()
    }

    /// Percentiles of what was counted since `before` (an earlier answer of [`Lengths::counts`]).
    #[must_use]
    pub fn since(&self, before: &[u64]) -> Percentiles {
        let now = self.counts();
        let counts: Vec<u64> =
            now.iter().enumerate().map(|(at, count)| count - before.get(at).copied().unwrap_or(0)).collect();
        let count = counts.iter().sum();
        Percentiles { count, p50: at(&counts, count, 50), p99: at(&counts, count, 99) }
    }
}

/// The bound below which a bucket's lengths lie, in milliseconds.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn upper(bucket: usize) -> u64 {
    (2_f64.powf(bucket as f64 / FINE as f64)).round() as u64
}

fn at(counts: &[u64], count: u64, percent: u64) -> Option<u64> {
    let wanted = (count * percent).div_ceil(100).max(1);
    let mut seen = 0;
    (count > 0).then(|| {
        let found = counts.iter().position(|of_bucket| {
            seen += of_bucket;
            seen >= wanted
        });
        upper(found.unwrap_or(BUCKETS - 1))
    })
}

/// Half and nearly all of some lengths lie below these milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// How many lengths.
    pub count: u64,
    /// Half of them; nothing of none.
    pub p50: Option<u64>,
    /// 99 of 100.
    pub p99: Option<u64>,
}

/// All counters.
#[derive(Debug, Default)]
pub struct Stats {
    /// Workers that the cloud has welcomed and that are there.
    pub connected: AtomicI64,
    /// Slots that render.
    pub rendering: AtomicI64,
    /// Frames the cloud gave a receipt for.
    pub frames: AtomicU64,
    /// Attempts that rendered everything.
    pub attempts_done: AtomicU64,
    /// Attempts that failed.
    pub attempts_failed: AtomicU64,
    /// Offers taken.
    pub offers: AtomicU64,
    /// Welcomes.
    pub welcomes: AtomicU64,
    /// Connections that were lost or could not be opened.
    pub lost: AtomicU64,
    /// Uploads that had to be tried again.
    pub uploads_again: AtomicU64,
    /// Frames that nobody wanted any more.
    pub unwanted: AtomicU64,
    /// Frames that the cloud refused otherwise.
    pub uploads_refused: AtomicU64,
    /// Frames sent with a stale fence on purpose that the cloud refused, as it must.
    pub stale_refused: AtomicU64,
    /// Those that it took: a fault of the cloud.
    pub stale_taken: AtomicU64,
    /// Workers that the cloud does not want for good.
    pub barred: AtomicU64,
    /// Faults that were played.
    pub faults: AtomicU64,
    /// From a heartbeat to its answer.
    pub beat: Lengths,
    /// From the making of a task to its offer at the worker, first attempts only; says something only where
    /// both run on one machine, and while there are free slots.
    pub offer: Lengths,
    /// From the begin of an upload to its receipt.
    pub upload: Lengths,
    /// The first refusal for ever, in words.
    pub refusal: OnceLock<String>,
    /// Milliseconds from the start until all were connected.
    pub all_connected_after: OnceLock<u64>,
}

/// Adds one.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_span_asked_about() {
        let lengths = Lengths::default();
        assert_eq!(lengths.since(&[]), Percentiles { count: 0, p50: None, p99: None });
        (0..99).for_each(|_| lengths.add(Millis(1_000_000_000)));
        let before = lengths.counts();
        (0..98).for_each(|_| lengths.add(Millis(3)));
        lengths.add(Millis(100));
        lengths.add(Millis(100));
        let since = lengths.since(&before);
        assert_eq!((since.count, since.p50), (100, Some(4)));
        assert!(since.p99.is_some_and(|p99| (100..130).contains(&p99)), "{since:?}");
    }

    #[test]
    fn a_length_is_below_the_bound_it_is_shown_with() {
        for length in 0..5_000 {
            let lengths = Lengths::default();
            lengths.add(Millis(length));
            let shown = lengths.since(&[]).p50.unwrap();
            assert!(shown > length && shown <= length + length / 4 + 2, "{length} is shown as {shown}");
        }
    }
}
