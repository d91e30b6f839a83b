//! One worker's numbered, expiring right to try a task.

pub mod machine;
mod state;

pub use machine::{Lease, LeaseEffect, LeaseEvent, LeaseRefusal, step};
pub use state::{LeaseState, Outcome};
