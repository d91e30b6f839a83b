//! The worker of a Pictor farm: one process for all GPUs of a machine.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod agents;
pub mod config;
pub mod control;
pub mod engines;
pub mod inputs;
pub mod machine;
pub mod platform;
pub mod spool;
