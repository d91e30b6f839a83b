//! Owns finished frames: sends them up, some at a time, and deletes each against its receipt.
//!
//! Which goes next is `pictor_worker_domain::outbox`. Runners send it new frames, the coordinator the state
//! of the connection and dropped leases. When it starts (anew) it reads the spool: the disk is the truth.

mod actor;
mod effects;
mod messages;

pub use actor::Uploader;
pub use messages::{CloudDown, CloudUp, FrameSpooled, LeaseDropped};
