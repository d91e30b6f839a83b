//! The silence of one connected worker, as a set of one deadline.

use pictor_actors::now::Mono;
use pictor_actors::units::Millis;

use super::{Connection, LivenessLimits};

/// When a worker's connection must be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// Then.
    pub at: Mono,
    /// Because.
    pub reason: DeadlineReason,
}

/// Why there is a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadlineReason {
    /// It will be stale unless a heartbeat comes.
    BecomesStale,
    /// It will be offline unless a heartbeat comes.
    BecomesOffline,
}

impl DeadlineReason {
    /// The reason in words, for logs.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::BecomesStale => "stale unless a heartbeat comes",
            Self::BecomesOffline => "offline unless a heartbeat comes",
        }
    }
}

/// The signs of life of one worker. The connection it reports changes only through its methods, so that every
/// change can be announced once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liveness {
    limits: LivenessLimits,
    interval: Millis,
    last_sign: Option<Mono>,
    is_gone: bool,
    shown: Connection,
}

impl Liveness {
    /// A worker that was never heard of.
    #[must_use]
    pub const fn never(limits: LivenessLimits) -> Self {
        Self { limits, interval: Millis(0), last_sign: None, is_gone: false, shown: Connection::Never }
    }

    /// The connection as of the last call of a method that takes the time.
    #[must_use]
    pub const fn connection(&self) -> Connection {
        self.shown
    }

    /// A sign of life (welcome or heartbeat); the next one is expected after `next_after`. True if the
    /// connection changed by it.
    pub fn on_sign(&mut self, now: Mono, next_after: Millis) -> bool {
        self.last_sign = Some(now);
        self.interval = next_after;
        self.is_gone = false;
        self.look(now)
    }

    /// The worker left on purpose. True if the connection changed by it.
    pub fn on_goodbye(&mut self, now: Mono) -> bool {
        self.is_gone = true;
        self.look(now)
    }

    /// A deadline may have passed. True if the connection changed by it.
    pub fn on_deadline(&mut self, now: Mono) -> bool {
        self.look(now)
    }

    /// When to call [`Self::on_deadline`] next, and why; nothing once it is offline or before the first sign.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Deadline> {
        let last_sign = self.last_sign?;
        let limits = self.limits.for_interval(self.interval);
        match self.shown {
            Connection::Never | Connection::Offline => None,
            Connection::Online => Some(Deadline {
                at: last_sign.plus(limits.stale_after),
                reason: DeadlineReason::BecomesStale,
            }),
            Connection::Stale => Some(Deadline {
                at: last_sign.plus(limits.offline_after),
                reason: DeadlineReason::BecomesOffline,
            }),
        }
    }

    fn look(&mut self, now: Mono) -> bool {
        let seen = match self.last_sign {
            None => Connection::Never,
            Some(_) if self.is_gone => Connection::Offline,
            Some(at) => self.limits.for_interval(self.interval).judge(at.until(now)),
        };
        std::mem::replace(&mut self.shown, seen) != seen
    }
}
