//! What lies beside a frame in the spool: a small JSON that describes it, with a checksum of its own.

use std::fs;
use std::io;
use std::path::Path;

use pictor_actors::ids::{JobId, TaskId};
use pictor_actors::protocol::LeaseRef;
use pictor_actors::protocol::assignment::OutputFormat;
use pictor_actors::units::{BlobHash, UnixMillis};
use pictor_worker_domain::outbox;
use serde::{Deserialize, Serialize};

use super::FrameFacts;

/// A manifest is a few hundred bytes; more is not one.
const BYTES_MAX: u64 = 8 * 1024;

/// A frame's description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    #[serde(flatten)]
    lease: LeaseRef,
    task: TaskId,
    job: JobId,
    frame: i32,
    format: OutputFormat,
    render_ms: u64,
    hash: BlobHash,
    size: u64,
    spooled_at: UnixMillis,
}

/// Why an entry is none.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[source] io::Error),
    /// The manifest is not what was written.
    #[error("its manifest is damaged")]
    Damaged,
    /// Manifest and frame do not belong together.
    #[error("its manifest and its frame differ")]
    NotWhole,
}

impl Unreadable {
    /// Whether it will never be an entry again. Other errors of the disk or the system may pass (too many
    /// open files, a network disk that is away): pixels are not thrown away for those.
    #[must_use]
    pub fn is_for_good(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::NotFound,
            Self::Damaged | Self::NotWhole => true,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    /// The manifest as text, so that the checksum is over bytes and not over a reading of them.
    manifest: String,
    blake3: BlobHash,
}

impl Manifest {
    pub(super) fn new(facts: &FrameFacts, hash: BlobHash, size: u64, spooled_at: UnixMillis) -> Self {
        Self {
            lease: facts.lease,
            task: facts.task,
            job: facts.job,
            frame: facts.frame,
            format: facts.format,
            render_ms: facts.render_ms,
            hash,
            size,
            spooled_at,
        }
    }

    /// What the outbox needs to know.
    #[must_use]
    pub const fn entry(&self) -> outbox::Entry {
        outbox::Entry { lease: self.lease, frame: self.frame, job: self.job, size: self.size }
    }

    /// Hash of the frame's bytes.
    #[must_use]
    pub const fn hash(&self) -> BlobHash {
        self.hash
    }

    /// Their number.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// How long it took.
    #[must_use]
    pub const fn render_ms(&self) -> u64 {
        self.render_ms
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        self.format.media_type()
    }

    /// When it came into the spool.
    #[must_use]
    pub const fn spooled_at(&self) -> UnixMillis {
        self.spooled_at
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let manifest = serde_json::to_string(self).unwrap_or_default();
        let blake3 = checksum(&manifest);
        serde_json::to_vec(&Sealed { manifest, blake3 }).unwrap_or_default()
    }
}

pub(super) fn read(path: &Path) -> Result<Manifest, Unreadable> {
    if fs::metadata(path).map_err(Unreadable::Io)?.len() > BYTES_MAX {
        return Err(Unreadable::Damaged);
    }
    let bytes = fs::read(path).map_err(Unreadable::Io)?;
    let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|_| Unreadable::Damaged)?;
    if checksum(&sealed.manifest) != sealed.blake3 {
        return Err(Unreadable::Damaged);
    }
    serde_json::from_str(&sealed.manifest).map_err(|_| Unreadable::Damaged)
}

fn checksum(text: &str) -> BlobHash {
    BlobHash::from_bytes(*blake3::hash(text.as_bytes()).as_bytes())
}
