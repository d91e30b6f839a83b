//! The cloud's rules: what may happen to a job, a task, a lease and a worker, and which task goes where.
//!
//! No clock, no random number, no I/O, no actor: time and ids come in as arguments, effects go out as values.
//! The manifest names no runtime, no database and no web framework; that is what keeps the rules testable in
//! microseconds.
#![warn(clippy::wildcard_enum_match_arm)] // a new state or event must be decided everywhere
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod named;
#[cfg(test)]
mod table;

pub mod job;
pub mod lease;
pub mod liveness;
pub mod placement;
pub mod task;
pub mod worker;

pub use named::UnknownName;
