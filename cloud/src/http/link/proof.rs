//! Is it the worker it says it is? The challenge and the check of the answer. Pure but for the random nonce.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use pictor_actors::limits::SLOTS_MAX;
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::hello::proof_message;
use pictor_actors::protocol::{Challenge, Hello, Refusal, RefusalCode, Retry, VERSION, are_slots_sound};
use pictor_actors::units::{Millis, UnixMillis};

use crate::store::WorkerRow;

/// Versions of the protocol that are served, newest first.
const VERSIONS: &[u32] = &[VERSION];
/// A refused worker that may come back does so after this.
const COME_BACK_AFTER: Millis = Millis::from_secs(5);

/// A fresh challenge; its nonce is good for one socket.
pub(super) fn challenge(now: UnixMillis) -> Result<Challenge, getrandom::Error> {
    let mut nonce = [0_u8; 32];
    getrandom::fill(&mut nonce)?;
    Ok(Challenge { nonce: STANDARD.encode(nonce), versions: VERSIONS.to_vec(), cloud_time: now })
}

/// Whether the hello can be talked about at all, before anybody is looked up.
pub(super) fn check_shape(hello: &Hello) -> Result<(), Refusal> {
    if !VERSIONS.contains(&hello.version) {
        let message = format!(
            "this worker speaks version {} of the protocol and the cloud {VERSIONS:?}: update the older one",
            hello.version
        );
        return Err(refusal(RefusalCode::VersionUnsupported, message, Retry::Never));
    }
    if !are_slots_sound(&hello.slots) {
        let message = format!("a worker has at most {SLOTS_MAX} slots, each with its own number");
        return Err(refusal(RefusalCode::Malformed, message, Retry::Never));
    }
    Ok(())
}

/// Simulated workers are welcome only where the operator says so: elsewhere they would look like machines
/// that could render.
pub(super) fn check_reality(hello: &Hello, is_simulation_allowed: bool) -> Result<(), Refusal> {
    let is_simulated = hello.slots.iter().any(|slot| slot.engines.contains(&RenderEngine::Simulated));
    if !is_simulated || is_simulation_allowed {
        return Ok(());
    }
    let message = "this cloud takes no simulated workers: its operator allows them with the setting \
                   simulation.allowed = true";
    Err(refusal(RefusalCode::Unavailable, message.to_owned(), Retry::Never))
}

/// Whether the signature is that of the worker's key over this socket's nonce.
pub(super) fn check_proof(hello: &Hello, row: &WorkerRow, nonce: &str) -> Result<(), Refusal> {
    let Some(key) = row.public_key.as_deref().and_then(key_of) else {
        let message = "this worker was not enrolled yet: import its configuration file";
        return Err(refusal(RefusalCode::UnknownWorker, message.to_owned(), Retry::Never));
    };
    let signature = STANDARD.decode(&hello.signature).ok();
    let signature = signature.as_deref().and_then(|bytes| Signature::from_slice(bytes).ok());
    let is_good = signature
        .is_some_and(|signature| key.verify_strict(&proof_message(row.id, nonce), &signature).is_ok());
    if is_good {
        return Ok(());
    }
    let message = "the signature is not that of the enrolled machine: if the worker was set up anew, \
                   import a fresh configuration file";
    Err(refusal(RefusalCode::BadSignature, message.to_owned(), Retry::Never))
}

/// The public key in a text, if it is one that signatures can be checked with.
pub(in crate::http) fn key_of(text: &str) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = STANDARD.decode(text).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak())
}

pub(super) fn refusal(code: RefusalCode, message: String, retry: Retry) -> Refusal {
    Refusal { code, message, retry }
}

/// A refusal of somebody who may try again soon.
pub(super) fn refusal_for_now(code: RefusalCode, message: &str) -> Refusal {
    refusal(code, message.to_owned(), Retry::After { ms: COME_BACK_AFTER.0 })
}
