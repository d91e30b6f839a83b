//! The states of a job, as stored.

use crate::named::named;

named! {
    /// Where a job stands (product.md, Words).
    pub enum JobState("job state") {
        /// Its inputs are not complete yet.
        Uploading = "uploading",
        /// Nothing of it has run yet.
        Ready = "ready",
        /// An attempt of it has begun.
        Running = "running",
        /// Every frame is stored.
        Completed = "completed",
        /// It ended and at least one task failed for good.
        Failed = "failed",
        /// Its creator ended it.
        Cancelled = "cancelled",
        /// Its creator holds it; nothing of it is handed out.
        Paused = "paused",
    }
}

impl JobState {
    /// Nothing more will happen to it by itself.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled => true,
            Self::Uploading | Self::Ready | Self::Running | Self::Paused => false,
        }
    }

    /// It has an actor: it can run now or after a resume.
    #[must_use]
    pub const fn is_live(self) -> bool {
        match self {
            Self::Ready | Self::Running | Self::Paused => true,
            Self::Uploading | Self::Completed | Self::Failed | Self::Cancelled => false,
        }
    }
}
