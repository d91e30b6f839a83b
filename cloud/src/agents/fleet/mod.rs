//! The fleet: every worker that was connected lately, their free slots, and the one place that writes their
//! heartbeats (gathered, every two seconds).
//!
//! The dispatcher asks it for capacity and hands it offers; jobs hand it cancels; pages ask it how workers fare.
//! Not here: what one worker holds ([`crate::agents::worker_node`]), which task goes where.

pub mod messages;

pub use messages::*;
