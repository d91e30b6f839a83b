//! How a socket begins: challenge, proof, welcome.

use serde::{Deserialize, Serialize};

use super::assignment::LeaseRef;
use super::heartbeat::Pause;
use super::machine::{MachineFacts, SlotFacts};
use crate::ids::{LinkId, WorkerId};
use crate::units::UnixMillis;

/// First message of the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// 32 random bytes, base64 (standard, padded). Good for this socket only.
    pub nonce: String,
    /// Protocol versions the cloud speaks, newest first.
    pub versions: Vec<u32>,
    /// The cloud's time, so that a wrong clock can be told to the owner.
    pub cloud_time: UnixMillis,
}

/// What the worker signs with its Ed25519 key: a fixed context, its id and the nonce, so that a signature is
/// good for nothing else.
#[must_use]
pub fn proof_message(worker: WorkerId, nonce: &str) -> Vec<u8> {
    format!("pictor link v1\n{worker}\n{nonce}").into_bytes()
}

/// The worker's answer: its identity with proof, what it is and what it still holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Protocol version chosen from the cloud's.
    pub version: u32,
    /// Who it says it is.
    pub worker: WorkerId,
    /// Ed25519 signature of [`proof_message`], base64 (standard, padded).
    pub signature: String,
    /// Version of the worker program.
    pub app_version: String,
    /// What the machine is.
    pub machine: MachineFacts,
    /// What it can render on; at most [`crate::limits::SLOTS_MAX`].
    pub slots: Vec<SlotFacts>,
    /// Leases that it still works on, or whose frames it still holds.
    #[serde(default)]
    pub held: Vec<LeaseRef>,
    /// A pause that is in force.
    #[serde(default)]
    pub pause: Option<Pause>,
    /// It only asks whether it would be let in (the worker's `doctor`): a good proof is answered by a `Bye`
    /// in place of the welcome, and the cloud's picture of the worker stays as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_asks: bool,
}

/// The cloud's consent.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// This connection; an older one of the same worker is closed.
    pub link: LinkId,
    /// Bearer token for blobs and frames over HTTP while this is the worker's newest connection; kept in
    /// memory only.
    pub bearer: String,
    /// First heartbeat after this; later ones as each answer says.
    pub heartbeat_after_ms: u64,
    /// How long a silent worker keeps its leases.
    pub lease_ttl_ms: u64,
    /// Of the leases that were named as held: those to drop, with their frames (superseded or ended).
    #[serde(default)]
    pub drop: Vec<LeaseRef>,
    /// The worker's name, as its owner wrote it last.
    pub worker_name: String,
    /// The owner account's wallet address, shown read-only.
    #[serde(default)]
    pub wallet_address: Option<String>,
    /// Frames go straight to the storage: ask where (see [`super::upload`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub puts_directly: bool,
}

impl std::fmt::Debug for Welcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Welcome").field("link", &self.link).finish_non_exhaustive()
    }
}
