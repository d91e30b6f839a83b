//! What a runner is told, and what comes back from its effects.

use actix::prelude::Message;
use pictor_actors::protocol::{Cancel, LeaseRef, Offer};

use crate::engines::{EngineEvent, EngineFailure, EngineSession};
use crate::inputs::{InPlace, InputsFailure};
use crate::spool::{Manifest, SpoolError};

/// The cloud offers a lease for this slot.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Offered(pub Box<Offer>);

/// The cloud takes a lease back, or the worker does.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Cancelled(pub Cancel);

/// The worker stops: give everything back, kill the engine.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StopAsked;

/// Say how you stand.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ReportYourself;

/// The inputs of a lease are in place, or cannot be had.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct InputsBrought {
    pub lease: LeaseRef,
    pub brought: Result<InPlace, InputsFailure>,
}

/// The engine of this number has its scene open, or failed to.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct EngineStarted {
    pub engine: u64,
    pub started: Result<Box<dyn EngineSession>, EngineFailure>,
}

/// The engine of this number said something.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct EngineSaid {
    pub engine: u64,
    pub event: EngineEvent,
}

/// There is no engine any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct EngineGone {
    pub engine: u64,
}

/// A frame is in the spool, or could not be kept.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct FrameKept {
    pub lease: LeaseRef,
    pub frame: i32,
    pub memory_peak_bytes: Option<u64>,
    pub kept: Result<Manifest, SpoolError>,
}

/// The slot's deadline may have come.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct DeadlineDue;
