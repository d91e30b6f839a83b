//! The states of a task, as stored.

use crate::named::named;

named! {
    /// Where a task stands (product.md, Words). A failed attempt that will be tried again leaves it pending.
    pub enum TaskState("task state") {
        /// Queued, or assigned and not begun.
        Pending = "pending",
        /// An attempt has begun.
        Running = "running",
        /// All its frames are stored.
        Completed = "completed",
        /// Given up.
        Failed = "failed",
        /// Its job was cancelled.
        Cancelled = "cancelled",
        /// Its job is paused.
        Paused = "paused",
    }
}

impl TaskState {
    /// Nothing more will happen to it, unless its creator retries the job.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled => true,
            Self::Pending | Self::Running | Self::Paused => false,
        }
    }
}
