//! The worker of a Pictor farm: one process for all GPUs of a machine.
//!
//! What is decided stands in `pictor-worker-domain`; here it is done. [`boot`] puts the parts together,
//! [`agents`] are the actors, [`engines`] render, [`spool`] keeps finished frames, [`inputs`] keeps what they
//! are made of. [`simulate`] plays whole farms of made-up workers with the same rules.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod agents;
pub mod boot;
pub mod cli;
pub mod cloud;
pub mod config;
pub mod control;
pub mod durable;
pub mod engines;
pub mod inputs;
pub mod machine;
pub mod platform;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod spool;

/// A random number for jitter; never a secret.
fn random() -> u64 {
    // Without random numbers all waits are alike, which is still a wait.
    getrandom::u64().unwrap_or(0)
}
