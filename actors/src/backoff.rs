//! How long to wait before the next try: doubling, capped, with jitter from a random number that the caller
//! gives.

use crate::units::Millis;

/// A growing sequence of delays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Millis,
    max: Millis,
    failures: u32,
}

impl Backoff {
    /// Delays that start at `first`, double with each failure and never pass `max`.
    #[must_use]
    pub const fn new(first: Millis, max: Millis) -> Self {
        Self { first, max, failures: 0 }
    }

    /// Notes a failure; the delay before the next try lies in the upper half of the doubled value, at the
    /// place that `random` picks, so that many clients do not come back at the same moment.
    pub fn failed(&mut self, random: u64) -> Millis {
        let doubled = self.first.0.saturating_mul(1u64.checked_shl(self.failures).unwrap_or(u64::MAX));
        self.failures = self.failures.saturating_add(1).min(63);
        let whole = doubled.clamp(1, self.max.0.max(1));
        let half = whole / 2;
        Millis(half + random % (whole - half + 1))
    }

    /// Notes a success: the next failure starts from the first delay.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_is_within_half_and_whole_of_the_doubled_value(failures in 0u32..200, random: u64) {
            let mut backoff = Backoff::new(Millis(100), Millis(30_000));
            let mut last = Millis(0);
            for _ in 0..=failures {
                last = backoff.failed(random);
            }
            let doubled = 1u64.checked_shl(failures.min(63)).unwrap_or(u64::MAX);
            let whole = 100u64.saturating_mul(doubled).min(30_000);
            prop_assert!(last.0 >= whole / 2 && last.0 <= whole, "{last:?} of {whole}");
        }
    }

    #[test]
    fn success_starts_anew() {
        let mut backoff = Backoff::new(Millis(100), Millis(1_000));
        for _ in 0..5 {
            backoff.failed(1);
        }
        backoff.succeeded();
        assert!(backoff.failed(u64::MAX).0 <= 100);
    }
}
