//! The wire between worker and cloud, version 1: plain data, serde only.
//!
//! One WebSocket at [`LINK_PATH`] with sub-protocol [`SUBPROTOCOL`] carries JSON text frames of at most
//! [`crate::limits::WIRE_FRAME_BYTES_MAX`] bytes; bytes of scenes and frames go over HTTP ([`upload`]).
//!
//! ```text
//! worker                                   cloud
//!   | --- open socket ----------------------> |
//!   | <-- Challenge(nonce) ------------------ |
//!   | --- Hello(signature, facts, held) ----> |
//!   | <-- Welcome(bearer, heartbeat, drop) -- |   or Refused, then close; Bye to one that only asks
//!   | --- MachineChanged -------------------> |   each time 3D software is found
//!   | --- Heartbeat ------------------------> |
//!   | <-- HeartbeatAck ---------------------- |
//!   | <-- Offer(lease, fence, task) --------- |
//!   | --- Accept | Decline -----------------> |
//!   | --- AttemptStarted, FrameProgress … --> |
//!   | --- PUT frame (HTTP, with fence) -----> |   receipt
//!   | --- AttemptEnded ---------------------> |
//! ```
//!
//! Every type tolerates unknown fields (a newer peer may say more) and a missing optional field; an unknown
//! message type is skipped with a warning. Frozen samples of each message stand in `tests/wire/v1`.

pub mod assignment;
pub mod codec;
pub mod enrolment;
pub mod heartbeat;
pub mod hello;
pub mod machine;
pub mod outcome;
pub mod refusal;
pub mod upload;

use serde::{Deserialize, Serialize};

pub use assignment::{Cancel, CancelReason, Decline, DeclineReason, LeaseRef, Offer, TaskSpec};
pub use heartbeat::{Heartbeat, HeartbeatAck, Pause, PauseReason, SlotStatus, WorkerActivity};
pub use hello::{Challenge, Hello, Welcome};
pub use machine::{
    GpuFacts, GpuSample, MachineChanged, MachineFacts, MetricSample, SearchPhase, SlotFacts, Software,
    are_slots_sound,
};
pub use outcome::{
    AttemptEnded, AttemptOutcome, AttemptStarted, FailureClass, FrameProgress, LogLines, TaskWarning,
};
pub use refusal::{Refusal, RefusalCode, Retry};

/// The version this code speaks. The cloud also serves the one before.
pub const VERSION: u32 = 1;
/// Sub-protocol that the worker asks for and the cloud confirms.
pub const SUBPROTOCOL: &str = "pictor.v1";
/// Where the cloud listens for workers' sockets.
pub const LINK_PATH: &str = "/api/v1/link";

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromWorker {
    /// First message: who it is, proven, and what it has and holds.
    Hello(Box<Hello>),
    /// The machine is otherwise than its hello said: 3D software was found meanwhile. Leases stay.
    MachineChanged(Box<MachineChanged>),
    /// Sign of life, at the interval the cloud set.
    Heartbeat(Box<Heartbeat>),
    /// The offered lease is taken.
    Accept(LeaseRef),
    /// The offered lease is given back at once.
    Decline(Decline),
    /// A slot began the attempt: inputs are there, the engine starts.
    AttemptStarted(AttemptStarted),
    /// Where the frame being rendered stands; at most one a second and slot, besides each frame's begin and
    /// end.
    FrameProgress(FrameProgress),
    /// Lines of the engine's output.
    LogLines(LogLines),
    /// Something the creator should know though the task goes on (a missing texture).
    Warning(TaskWarning),
    /// The attempt is over; frames of it may still be on their way up.
    AttemptEnded(AttemptEnded),
    /// The worker leaves on purpose; its leases are free at once.
    Goodbye {
        /// Why, in words for the worker's page.
        reason: String,
    },
}

/// What the cloud says to a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker {
    /// Prove who you are.
    Challenge(Challenge),
    /// Come in.
    Welcome(Box<Welcome>),
    /// Not you, or not now; the socket closes after this.
    Refused(Refusal),
    /// Answer to a heartbeat.
    HeartbeatAck(HeartbeatAck),
    /// A task to run.
    Offer(Box<Offer>),
    /// Stop this lease's attempt and forget its frames.
    Cancel(Cancel),
    /// The owner (from the dashboard) paused or resumed the worker.
    SetPause {
        /// The pause to keep, or nothing to resume.
        pause: Option<Pause>,
    },
    /// The cloud closes the socket on purpose; leases stay valid.
    Bye {
        /// Why, in words for the log.
        reason: String,
        /// Come back after this long.
        retry_after_ms: u64,
    },
}
