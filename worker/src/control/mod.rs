//! How the machine's owner talks to the worker that runs: a local socket in the data folder, or in a folder
//! of its own where that one's path is too long.
//!
//! One request a connection: a line of JSON each way. Only the worker's own user may connect. One instance
//! runs per data folder: it holds a lock, and whoever comes second talks to it here.

mod client;
mod lock;
mod name;
mod server;
mod status;

use pictor_actors::protocol::Pause;
use pictor_actors::units::UnixMillis;
use serde::{Deserialize, Serialize};

pub use client::{ControlError, ask};
pub use lock::InstanceLock;
pub use server::serve;
pub use status::{CloudView, Connection, OutboxView, SlotView, WorkerStatus};

/// A request or an answer above this is refused.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// How does the worker stand?
    Status,
    /// Take no new work.
    Pause {
        /// Until then; nothing: until somebody resumes.
        until: Option<UnixMillis>,
    },
    /// Take work again.
    Resume,
    /// Stop as at SIGTERM.
    Stop,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The status.
    Status(Box<WorkerStatus>),
    /// It starts and has no status yet.
    Starting,
    /// Done.
    Done,
    /// Resumed; this pause is still in force.
    Resumed {
        /// Which, if any.
        still: Option<Pause>,
    },
    /// It could not be done.
    Failed {
        /// In words.
        why: String,
    },
}
