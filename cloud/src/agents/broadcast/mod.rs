//! Live events to open pages: bounded, coalesced, with numbers so that a page that lost its stream can go on.
//!
//! Any actor may send [`Announce`] (a full mailbox loses it: pages then show it with the next one); requests
//! for events come through [`crate::agents::Farm::subscribe`]. Not here: what a page shows for an event, who
//! may listen to what (`http::live`).

mod actor;
mod hub;
pub mod messages;
mod subscription;

pub use actor::Broadcast;
pub use messages::{Announce, LiveEvent, Subscribe, Topic};
pub use subscription::{BadEventId, EventId, Subscription, Told};
