//! What a creator submits: its life, its frames, how they are cut into tasks and when it will be done.

mod state;

pub use state::JobState;
