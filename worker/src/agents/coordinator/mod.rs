//! Owns the connection's state, the presence, and every word to and from the cloud.
//!
//! The rules are `pictor_worker_domain::{session, presence, unheard}`; here their effects are done. The link
//! hands in what the cloud says; runners, uploader and sampler report how they stand; the control socket asks
//! for the status. What must not be lost when a line breaks (how attempts ended) waits in `unheard`, within a
//! bound.

mod actor;
mod effects;
mod messages;
mod pause_file;
mod standing;
mod wire;

pub use actor::Coordinator;
pub use messages::{
    GetStatus, LeaseEmptied, LinkHeard, LinkLost, OutboxChanged, PauseAsked, ResumeAnswer, ResumeAsked,
    RunnerSaid, SampleTaken, SlotChanged, SoftwareFound, SpoolKnown,
};
