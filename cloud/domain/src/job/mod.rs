//! What a creator submits: its life, its frames, how they are cut into tasks and when it will be done.

pub mod chunking;
pub mod eta;
pub mod frames;
pub mod machine;
pub mod plan;
mod state;

pub use frames::{FrameError, FrameSet};
pub use machine::{Job, JobEffect, JobEvent, JobRefusal, step};
pub use plan::{FieldError, FileFacts, JobPlan, JobRequest};
pub use state::JobState;

#[cfg(test)]
mod tests;
