//! The worker's rules as pure state machines: what is done is decided here, it is done in `pictor-worker`.
//!
//! - [`session`]: the connection with the cloud, from the first socket to the goodbye.
//! - [`slot`]: one GPU slot: its leases, its engine process, its frames.
//! - [`outbox`]: which finished frame is uploaded next, and when it may be forgotten.
//! - [`presence`]: whether the machine takes work now, and why not.
//! - [`unheard`]: what is said again over a new line, because the old one may have lost it.
//! - [`progress`]: what an engine says, taken apart, bounded and named.
//! - [`unheard`]: words that the cloud may not have heard, said again over the next line.
//! - [`wear`]: when an engine's process has grown so much that it is replaced.
//!
//! Not here: clocks, random numbers, files, sockets, processes. Time comes in as an argument; random numbers
//! come in with the event that needs one.
#![warn(clippy::wildcard_enum_match_arm)] // a new state or event must be decided everywhere
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod outbox;
pub mod presence;
pub mod progress;
pub mod session;
pub mod slot;
pub mod unheard;
pub mod wear;

/// An event that has no meaning in the state it met; the shell logs it and goes on. Late and doubled messages
/// end here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} means nothing to {machine} while {state}")]
pub struct Refused {
    /// Which machine.
    pub machine: &'static str,
    /// The state it was in.
    pub state: &'static str,
    /// The event that came.
    pub event: &'static str,
}
