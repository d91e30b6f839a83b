//! Is a worker there? Judged by the cloud's clock from the last sign of life, never by the worker's.
//!
//! `never → online → stale → offline`: a heartbeat leads back to *online* from anywhere; a goodbye leads to
//! *offline* at once. A closed socket alone changes nothing: short cuts cost nothing. A stale worker gets
//! nothing new and keeps what it has; its leases are lost one by one, each after [`lost_after`], and none
//! while the [`Brake`] holds.

mod brake;
mod interval;
mod lost;
mod watch;

pub use brake::{Brake, Census, Hold, STORM_MAX, STORM_PERCENT, STORM_WITHIN};
pub use interval::{HeartbeatPolicy, RATE_MAX_PER_SECOND};
pub use lost::{LOST_AFTER_MAX, lost_after};
pub use watch::{Deadline, DeadlineReason, Liveness};

use pictor_actors::units::{Millis, UnixMillis};

use crate::named::named;

named! {
    /// A worker's connection (product.md, Words).
    pub enum Connection("worker connection") {
        /// Created, never heard of.
        Never = "never",
        /// It gives signs of life.
        Online = "online",
        /// Its sign of life is overdue.
        Stale = "stale",
        /// Silent for long, or it said goodbye.
        Offline = "offline",
    }
}

/// How long a silence means what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LivenessLimits {
    /// From then on it is stale.
    pub stale_after: Millis,
    /// From then on it is offline; not before `stale_after`.
    pub offline_after: Millis,
}

impl LivenessLimits {
    /// The limits for a worker that was told to speak every `interval`: where many workers speak seldom,
    /// three missed heartbeats take longer than the configured time.
    #[must_use]
    pub fn for_interval(self, interval: Millis) -> Self {
        let stale_after = self.stale_after.max(Millis(interval.0.saturating_mul(3)));
        Self { stale_after, offline_after: self.offline_after.max(Millis(stale_after.0.saturating_mul(2))) }
    }

    /// What a silence of this length means.
    #[must_use]
    pub fn judge(self, silence: Millis) -> Connection {
        if silence >= self.offline_after {
            Connection::Offline
        } else if silence >= self.stale_after {
            Connection::Stale
        } else {
            Connection::Online
        }
    }
}

/// The connection of a worker that has no socket here, from what is stored: it is never *online*, because
/// nothing would renew it.
#[must_use]
pub fn stored_connection(
    last_heartbeat_at: Option<UnixMillis>,
    limits: LivenessLimits,
    now: UnixMillis,
) -> Connection {
    match last_heartbeat_at {
        None => Connection::Never,
        Some(at) => limits.judge(at.until(now)).max(Connection::Stale),
    }
}

#[cfg(test)]
mod tests;
