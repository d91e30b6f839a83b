//! The unit handed to a worker: its life, and what a failed attempt means for it.

mod state;

pub use state::TaskState;
