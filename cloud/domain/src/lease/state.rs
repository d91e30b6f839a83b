//! The states of a lease and the ways it ends, as stored.

use crate::named::named;

named! {
    /// Where a lease stands.
    pub enum LeaseState("lease state") {
        /// Stored, offered, not answered.
        Offered = "offered",
        /// The worker took it.
        Accepted = "accepted",
        /// The attempt has begun.
        Running = "running",
        /// Over; its [`Outcome`] says how.
        Ended = "ended",
    }
}

named! {
    /// How a lease ended.
    pub enum Outcome("lease outcome") {
        /// Every frame was rendered; delivery is under way or done.
        Rendered = "rendered",
        /// Every frame is stored.
        Completed = "completed",
        /// The attempt failed.
        Failed = "failed",
        /// The worker stopped because it was asked to.
        Stopped = "stopped",
        /// The worker did not take the offer.
        Declined = "declined",
        /// The worker was silent for too long.
        Expired = "expired",
        /// The worker left, or no longer knew of it.
        Released = "released",
        /// The worker neither took the offer nor declined it.
        NotAnswered = "not_answered",
        /// Its job was cancelled or paused.
        Cancelled = "cancelled",
        /// Another attempt's frames completed the task first.
        NotNeeded = "not_needed",
    }
}

impl Outcome {
    /// It counts as a failed attempt of the task. All others leave the task as it was.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Failed => true,
            Self::Rendered
            | Self::Completed
            | Self::Stopped
            | Self::Declined
            | Self::Expired
            | Self::Released
            | Self::NotAnswered
            | Self::Cancelled
            | Self::NotNeeded => false,
        }
    }

    /// It ended by the worker's own word. Such an end leaves the task's fence.
    #[must_use]
    pub const fn is_workers_word(self) -> bool {
        match self {
            Self::Rendered
            | Self::Completed
            | Self::Failed
            | Self::Stopped
            | Self::Declined
            | Self::Released => true,
            Self::Expired | Self::NotAnswered | Self::Cancelled | Self::NotNeeded => false,
        }
    }

    /// What was rendered under it and comes late is taken, if it is still the first: all but what its creator
    /// did not want any more.
    #[must_use]
    pub const fn may_deliver_late(self) -> bool {
        match self {
            Self::Cancelled => false,
            Self::Rendered
            | Self::Completed
            | Self::Failed
            | Self::Stopped
            | Self::Declined
            | Self::Expired
            | Self::Released
            | Self::NotAnswered
            | Self::NotNeeded => true,
        }
    }
}
