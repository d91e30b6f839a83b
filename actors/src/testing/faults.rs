//! Failures by plan: at the n-th call of a place, fail in this way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Planned failures of kind `W`; clones share the plan, so that a test keeps one while a fake store holds
/// another.
#[derive(Debug, Clone)]
pub struct FaultPlan<W>(Arc<Mutex<Plan<W>>>);

#[derive(Debug)]
struct Plan<W> {
    calls: BTreeMap<&'static str, u32>,
    faults: BTreeMap<(&'static str, u32), W>,
}

impl<W> FaultPlan<W> {
    /// Nothing fails.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::new(Mutex::new(Plan { calls: BTreeMap::new(), faults: BTreeMap::new() })))
    }

    /// The `nth` call (from 1) of `place` from the start fails in way `way`.
    pub fn fail(&self, place: &'static str, nth: u32, way: W) {
        self.with(|plan| plan.faults.insert((place, nth), way));
    }

    /// Called by the place itself: how to fail this time, if at all.
    pub fn at(&self, place: &'static str) -> Option<W> {
        self.with(|plan| {
            let calls = plan.calls.entry(place).or_default();
            *calls += 1;
            plan.faults.remove(&(place, *calls))
        })
    }

    /// Calls of `place` so far.
    #[must_use]
    pub fn calls(&self, place: &'static str) -> u32 {
        self.with(|plan| plan.calls.get(place).copied().unwrap_or(0))
    }

    /// Planned failures that did not come: a test that ends with some has not tested what it meant to.
    #[must_use]
    pub fn unused(&self) -> Vec<(&'static str, u32)> {
        self.with(|plan| plan.faults.keys().copied().collect())
    }

    fn with<R>(&self, act: impl FnOnce(&mut Plan<W>) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
