//! The fleet: every worker that was connected lately, their free slots, and the one place that writes their
//! heartbeats (gathered, every two seconds).
//!
//! The dispatcher asks it for capacity and hands it offers; jobs hand it cancels; pages ask it how workers
//! fare. Nothing it does for one heartbeat depends on how many workers there are, beyond a look-up. Not here:
//! what one worker holds ([`crate::agents::worker_node`]), which task goes where.

mod actor;
mod effects;
mod elsewhere;
mod free_slots;
pub mod messages;
mod renewals;
mod writes;

pub use actor::Fleet;
pub use messages::*;
