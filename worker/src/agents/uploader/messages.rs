//! What the uploader is told, and what comes back from its effects.

use actix::prelude::Message;
use pictor_actors::ids::LeaseId;
use pictor_worker_domain::outbox::{Ended, Entry, Key};

/// A frame came into the spool.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct FrameSpooled(pub Entry);

/// The cloud let us in: deliver.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CloudUp;

/// The cloud is away: keep.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CloudDown;

/// Nobody wants the frames of this lease.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LeaseDropped(pub LeaseId);

/// What a look through the spool found.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct SpoolRead {
    pub entries: Vec<Entry>,
    /// Entries that could not be read: look again.
    pub unread: usize,
}

/// An upload is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct UploadEnded {
    pub key: Key,
    pub ended: Ended,
}

/// The outbox's deadline may have come.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct DeadlineDue;
