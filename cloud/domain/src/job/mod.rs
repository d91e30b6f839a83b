//! What a creator submits: its life, its frames, how they are cut into tasks and when it will be done.

pub mod frames;
pub mod plan;
mod state;

pub use frames::{FrameError, FrameSet};
pub use plan::{FieldError, FileFacts, JobPlan, JobRequest};
pub use state::JobState;
