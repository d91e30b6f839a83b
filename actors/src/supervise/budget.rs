//! How many restarts within what window: pure, the moments come in.

use std::collections::VecDeque;

use crate::now::Mono;
use crate::units::Millis;

/// At most `restarts` restarts within any window of length `within`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartBudget {
    /// Restarts allowed in the window; 0: the first end is the last.
    pub restarts: u32,
    /// Length of the sliding window.
    pub within: Millis,
}

impl Default for RestartBudget {
    /// Five within a minute: enough for a database that blinks, too few for a fault that comes back each
    /// time.
    fn default() -> Self {
        Self { restarts: 5, within: Millis::from_secs(60) }
    }
}

/// The budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {} restarts within {} ms", budget.restarts, budget.within.0)]
pub struct RestartsSpent {
    /// The budget that was spent.
    pub budget: RestartBudget,
}

/// What was spent of a budget; its memory is bounded by the budget itself.
#[derive(Debug, Clone)]
pub struct Spending {
    budget: RestartBudget,
    moments: VecDeque<Mono>,
}

impl Spending {
    /// Nothing spent yet.
    #[must_use]
    pub const fn new(budget: RestartBudget) -> Self {
        Self { budget, moments: VecDeque::new() }
    }

    /// Spends one restart at `now` (never earlier than the last call's): how many are left in the window, or
    /// that there was none.
    pub fn spend(&mut self, now: Mono) -> Result<u32, RestartsSpent> {
        while self.moments.front().is_some_and(|&first| first.until(now) >= self.budget.within) {
            self.moments.pop_front();
        }
        let spent = u32::try_from(self.moments.len()).unwrap_or(u32::MAX);
        if spent >= self.budget.restarts {
            return Err(RestartsSpent { budget: self.budget });
        }
        self.moments.push_back(now);
        Ok(self.budget.restarts - spent - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_budget(
            restarts in 0u32..6,
            within in 1u64..50,
            steps in proptest::collection::vec(0u64..20, 1..60),
        ) {
            let mut spending = Spending::new(RestartBudget { restarts, within: Millis(within) });
            let mut granted: Vec<u64> = Vec::new();
            let mut now = 0;
            for step in steps {
                now += step;
                let in_window = granted.iter().filter(|&&at| now - at < within).count();
                let allowed = spending.spend(Mono(now)).is_ok();
                prop_assert_eq!(allowed, in_window < restarts as usize);
                if allowed {
                    granted.push(now);
                }
            }
        }
    }

    #[test]
    fn says_what_is_left_and_recovers_with_time() {
        let mut spending = Spending::new(RestartBudget { restarts: 2, within: Millis(10) });
        assert_eq!(spending.spend(Mono(0)), Ok(1));
        assert_eq!(spending.spend(Mono(1)), Ok(0));
        assert!(spending.spend(Mono(9)).is_err());
        assert_eq!(spending.spend(Mono(10)), Ok(0), "the first has left the window");
    }
}
