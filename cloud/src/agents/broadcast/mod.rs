//! Live events to open pages: bounded, coalesced, with numbers so that a page that lost its stream can go on.

pub mod messages;
mod subscription;

pub use messages::{Announce, LiveEvent, Topic};
pub use subscription::{BadEventId, EventId, Subscription, Told};
