//! One actor per worker that was connected lately: its connection, the leases it holds, its last values.
//!
//! The fleet starts it, with the worker's first connection, and lets it go when the worker was away for 15
//! minutes. HTTP hands it what the worker says; the fleet hands it offers and cancels; it hands what concerns
//! an attempt on to the jobs, and only under leases that are the worker's. After a panic it starts anew
//! without a connection: the worker connects again and both compare what they hold. Not here: which task goes
//! where, what a failure means, sockets.

mod actor;
mod effects;
mod handlers;
mod hearing;
mod history;
pub mod messages;
mod readings;
mod report;
mod row;

pub use actor::WorkerNode;
pub use messages::*;
pub(in crate::agents) use readings::KEPT_FOR;
pub use readings::{GpuMinute, MinuteReadings};
