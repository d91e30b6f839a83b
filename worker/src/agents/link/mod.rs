//! Owns the socket to the cloud: opens it when told, writes what the coordinator says, hands in what the
//! cloud says.
//!
//! It knows frames and queues, not what messages mean. The outgoing queue is bounded: a message that finds it
//! full ends the connection, and the next hello says everything anew. Of heartbeats only the newest unsent
//! one is kept. Incoming messages wait for the coordinator, so a flood stays in the socket.

mod actor;
mod messages;
mod socket;

pub use actor::Link;
pub use messages::{CloseSocket, OpenSocket, Say, SayHeartbeat};
