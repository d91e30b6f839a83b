//! The only place that reads a clock. Everything else is told the time.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::units::{Millis, UnixMillis};

/// One reading of both clocks: `mono` to measure and to set deadlines (it never jumps), `wall` to store and
/// to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Time since some fixed moment of this process.
    pub mono: Mono,
    /// Time of day.
    pub wall: UnixMillis,
}

impl Now {
    /// How long ago `earlier` was by the steady clock; zero if it lies ahead.
    #[must_use]
    pub fn elapsed(&self, earlier: Mono) -> Millis {
        Millis(self.mono.0.saturating_sub(earlier.0))
    }
}

/// A moment of the steady clock, in milliseconds since this process first asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// The moment this much later.
    #[must_use]
    pub fn plus(self, after: Millis) -> Self {
        Self(self.0.saturating_add(after.0))
    }

    /// How long from this moment until `later`; zero if it has passed.
    #[must_use]
    pub fn until(self, later: Self) -> Millis {
        Millis(later.0.saturating_sub(self.0))
    }
}

/// Whoever can be asked for the time; a test's clock is moved by hand.
pub trait Clock: Send + Sync + 'static {
    /// Both clocks, read together.
    fn now(&self) -> Now;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place the ban in clippy.toml points to
    fn now(&self) -> Now {
        static START: OnceLock<Instant> = OnceLock::new();
        let since_start = Instant::now().saturating_duration_since(*START.get_or_init(Instant::now));
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Now {
            mono: Mono(Millis::from(since_start).0),
            wall: UnixMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// The clock that the runtime's timers go by: in tests with virtual time it jumps with them. For what must
/// agree with a timer, inside this crate.
#[cfg(feature = "runtime")]
#[must_use]
pub(crate) fn runtime_mono() -> Mono {
    static START: OnceLock<tokio::time::Instant> = OnceLock::new();
    let now = tokio::time::Instant::now();
    Mono(Millis::from(now.saturating_duration_since(*START.get_or_init(|| now))).0)
}
