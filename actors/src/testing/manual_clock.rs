//! A clock that stands still until a test moves it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::now::{Clock, Mono, Now};
use crate::units::{Millis, UnixMillis};

/// Clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Now>>);

impl ManualClock {
    /// A clock at this time of day; the steady clock starts at zero.
    #[must_use]
    pub fn at(wall: UnixMillis) -> Self {
        Self(Arc::new(Mutex::new(Now { mono: Mono(0), wall })))
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Millis) {
        let mut now = self.lock();
        *now = Now { mono: now.mono.plus(by), wall: now.wall.plus(by) };
    }

    /// Sets the time of day alone, as an administrator would: the steady clock does not jump.
    pub fn set_wall(&self, wall: UnixMillis) {
        self.lock().wall = wall;
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    /// 2026-01-01T00:00:00Z: looks like a date in snapshots.
    fn default() -> Self {
        Self::at(UnixMillis(1_767_225_600_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        *self.lock()
    }
}
