//! One worker's numbered, expiring right to try a task.

mod state;

pub use state::{LeaseState, Outcome};
