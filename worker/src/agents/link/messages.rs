//! What the link is told.

use actix::prelude::Message;
use pictor_actors::protocol::{FromWorker, Heartbeat};

/// Open a socket under this number; an older one is dropped.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct OpenSocket {
    /// Comes back with everything this socket brings.
    pub connection: u64,
}

/// Send what waits, then close.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CloseSocket;

/// Send this.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Say(pub FromWorker);

/// Send this, or a newer one in its place.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SayHeartbeat(pub Box<Heartbeat>);
