//! Does a worker deserve more work? After some failed attempts in a row it is rested for a while and says
//! why.
//!
//! Only failures that count against the worker arrive here ([`crate::task::retry`] decides that); a stored
//! frame clears them.

use pictor_actors::protocol::FailureClass;
use pictor_actors::units::{Millis, UnixMillis};

/// Failed attempts in a row, whatever the job, after which a worker is rested.
pub const FAILURES_IN_ROW_MAX: u32 = 3;
/// How long a rest lasts.
pub const REST_FOR: Millis = Millis::from_secs(600);

/// A worker's record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Failed attempts since the last stored frame.
    pub failures_in_row: u32,
    /// The rest in force or over.
    pub rest: Option<Rest>,
}

/// A worker gets nothing until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// Its end.
    pub until: UnixMillis,
    /// Why, in words for the worker's page.
    pub reason: String,
}

impl Standing {
    /// Whether it gets no work now.
    #[must_use]
    pub fn is_rested(&self, now: UnixMillis) -> bool {
        self.rest.as_ref().is_some_and(|rest| now < rest.until)
    }

    /// Whether its failures may be held against a job: it has not just failed at everything else as well.
    #[must_use]
    pub fn is_good(&self, now: UnixMillis) -> bool {
        self.failures_in_row < FAILURES_IN_ROW_MAX && !self.is_rested(now)
    }

    /// An attempt failed and it counts. The rest is new only in the returned record.
    #[must_use]
    pub fn after_failure(&self, class: FailureClass, message: &str, now: UnixMillis) -> Self {
        let failures_in_row = self.failures_in_row.saturating_add(1);
        match rest_due(failures_in_row, class, message, now) {
            // After its rest it gets a fresh chance.
            Some(rest) => Self { failures_in_row: 0, rest: Some(rest) },
            None => Self { failures_in_row, rest: self.rest.clone() },
        }
    }

    /// A frame of it was stored.
    #[must_use]
    pub fn after_success(&self) -> Self {
        Self { failures_in_row: 0, rest: self.rest.clone() }
    }
}

/// The rest that so many failures in a row bring, if any; the newest failure is named in its reason.
#[must_use]
pub fn rest_due(failures_in_row: u32, class: FailureClass, message: &str, now: UnixMillis) -> Option<Rest> {
    (failures_in_row >= FAILURES_IN_ROW_MAX).then(|| Rest {
        until: now.plus(REST_FOR),
        reason: format!(
            "rested for {} minutes after {failures_in_row} failed attempts in a row; \
             the last: {} ({message})",
            REST_FOR.0 / 60_000,
            class.words()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::table;

    #[test]
    fn the_whole_table() {
        const NOW: UnixMillis = UnixMillis(1_000_000);
        let after = |failures_in_row| Standing { failures_in_row, rest: None };
        let rest = |until| Some(Rest { until: UnixMillis(until), reason: "an earlier one".to_owned() });
        let states = [
            ("no failure", after(0)),
            ("one failure", after(1)),
            ("two failures", after(2)),
            ("three failures", after(3)),
            ("rested", Standing { failures_in_row: 0, rest: rest(1_000_001) }),
            ("rest is over", Standing { failures_in_row: 0, rest: rest(1_000_000) }),
            ("rest is over, two failures", Standing { failures_in_row: 2, rest: rest(1_000_000) }),
        ];
        type Event = fn(&Standing) -> Standing;
        let events: [(&str, Event); 3] = [
            ("time passes", Standing::clone),
            ("attempt failed", |standing| standing.after_failure(FailureClass::Crash, "signal 11", NOW)),
            ("frame stored", Standing::after_success),
        ];
        insta::assert_snapshot!(table(&states, &events, |standing, event| {
            let next = event(standing);
            let word = if next.is_rested(NOW) { "rested" } else { "gets work" };
            let good = if next.is_good(NOW) { "its failures count" } else { "its failures do not count" };
            let until = next.rest.as_ref().map(|rest| rest.until);
            format!("{word}, {good}, {} in a row, rest until {until:?}", next.failures_in_row)
        }));
    }

    #[test]
    fn the_third_failure_in_a_row_rests_a_worker_and_a_frame_clears_the_count() {
        let now = UnixMillis(1_000);
        let fail = |standing: &Standing| standing.after_failure(FailureClass::Crash, "signal 11", now);
        let twice = fail(&fail(&Standing::default()));
        assert!(!twice.is_rested(now) && twice.is_good(now));
        assert!(!fail(&twice.after_success()).is_rested(now));
        let rested = fail(&twice);
        assert!(rested.is_rested(now) && !rested.is_good(now));
        let later = now.plus(REST_FOR);
        assert!(!rested.is_rested(later) && rested.is_good(later));
        assert!(!rested.after_failure(FailureClass::Crash, "again", later).is_rested(later));
        assert_eq!(
            rested.rest.unwrap().reason,
            "rested for 10 minutes after 3 failed attempts in a row; the last: Blender crashed (signal 11)"
        );
    }
}
