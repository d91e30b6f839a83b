//! Time that jumps when nobody is busy: an hour of ticks in milliseconds.
//!
//! Good for actors, timers and channels on one thread. Not for sockets or databases: the clock would jump
//! while they are waited for, and their time-outs would fire.

use std::future::Future;

use tokio::task::LocalSet;

use crate::now::{Clock, Mono, Now, runtime_mono};
use crate::units::{Millis, UnixMillis};

/// Runs a test on one thread whose clock stands still while anything can run, and jumps to the next timer
/// otherwise.
///
/// # Panics
/// When the runtime cannot be made.
#[allow(clippy::expect_used)]
pub fn virtual_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime needs only memory");
    LocalSet::new().block_on(&runtime, test)
}

/// The clock of [`virtual_time`]: both of its readings move with the timers.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    start: Mono,
    wall_at_start: UnixMillis,
}

impl VirtualClock {
    /// A clock that shows `wall` now. Must be called inside [`virtual_time`].
    #[must_use]
    pub fn starting_at(wall: UnixMillis) -> Self {
        Self { start: runtime_mono(), wall_at_start: wall }
    }

    /// How much virtual time has passed since it was made.
    #[must_use]
    pub fn passed(&self) -> Millis {
        self.start.until(runtime_mono())
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Now {
        Now { mono: Mono(self.passed().0), wall: self.wall_at_start.plus(self.passed()) }
    }
}
