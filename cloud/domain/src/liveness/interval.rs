//! How often workers speak: often when they are few, so rarely when they are many that their sum stays
//! bounded.

use pictor_actors::units::Millis;

/// Heartbeats a second of all workers together that one process takes in without being felt.
pub const RATE_MAX_PER_SECOND: u64 = 500;

/// Sets each worker's next heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatPolicy {
    /// Interval while the workers are few.
    pub interval_min: Millis,
    /// All workers together.
    pub rate_max_per_second: u64,
}

impl HeartbeatPolicy {
    /// The configured interval with the usual rate.
    #[must_use]
    pub const fn new(interval_min: Millis) -> Self {
        Self { interval_min, rate_max_per_second: RATE_MAX_PER_SECOND }
    }

    /// The same with another rate.
    #[must_use]
    pub const fn with_rate(self, rate_max_per_second: u64) -> Self {
        Self { rate_max_per_second, ..self }
    }

    /// The mean interval for so many connected workers: their total rate stays at or under the bound.
    #[must_use]
    pub fn interval(&self, workers: usize) -> Millis {
        let workers = u64::try_from(workers).unwrap_or(u64::MAX);
        let for_rate = workers.saturating_mul(1_000).div_ceil(self.rate_max_per_second.max(1));
        Millis(for_rate.max(self.interval_min.0).max(1))
    }

    /// The interval for one worker: up to a fifth longer than the mean, at the place that `random` picks, so
    /// that workers that came together drift apart. Never shorter, which keeps the bound.
    #[must_use]
    pub fn next_after(&self, workers: usize, random: u64) -> Millis {
        let mean = self.interval(workers).0;
        Millis(mean + random % (mean / 5 + 1))
    }
}
