//! The unit handed to a worker: its life, and what a failed attempt means for it.

pub mod machine;
pub mod retry;
mod state;

pub use machine::{Task, TaskEffect, TaskEvent, TaskRefusal, step};
pub use retry::{Blame, FAILURES_MAX, FailedAttempt, LOST_MAX, Record, Verdict, blame, judge, judge_loss};
pub use state::TaskState;

#[cfg(test)]
mod tests;
