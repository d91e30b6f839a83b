//! Why a socket or an enrolment was refused: a stable code that both ends match on, and when to try again.

use serde::{Deserialize, Serialize};

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable code.
    pub code: RefusalCode,
    /// What happened and what to do, in words for the owner.
    pub message: String,
    /// When to try again.
    pub retry: Retry,
}

/// Codes of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The configuration file was used already, by this machine or another.
    EnrolmentUsed,
    /// The configuration file is older than 24 h.
    EnrolmentExpired,
    /// The configuration file is of another cloud, or was replaced by a newer one.
    EnrolmentUnknown,
    /// Another machine was enrolled as this worker.
    KeyMismatch,
    /// The signature is wrong.
    BadSignature,
    /// No such worker (it was removed).
    UnknownWorker,
    /// Neither end's protocol version suits the other.
    VersionUnsupported,
    /// The message was not understood.
    Malformed,
    /// Too many connections or messages.
    TooMany,
    /// The cloud stops or is not ready.
    Unavailable,
    /// A newer connection of the same worker took over.
    Replaced,
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Retry {
    /// Never: somebody must act first.
    Never,
    /// After this long.
    After {
        /// Milliseconds.
        ms: u64,
    },
}
