//! Why an upload was not taken.

use crate::blobs::BlobError;
use crate::store::StoreError;

/// Why; every text is for the uploader: what, why, what to do.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// A field of the request is not allowed.
    #[error("{message}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What is wrong with it and what would be right.
        message: String,
    },
    /// The whole is above the limit.
    #[error("{size} bytes are above the limit of {limit} bytes for one upload")]
    TooLarge {
        /// Bytes announced.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A part has not the length it must have.
    #[error("part {part} has {found} bytes where {wanted} were expected: send it again")]
    PartLength {
        /// Its number.
        part: u32,
        /// Bytes that came.
        found: u64,
        /// Bytes it must have.
        wanted: u64,
    },
    /// Not all parts are stored.
    #[error("{} parts are missing, the first is number {}", missing.len(), first_of(missing))]
    Incomplete {
        /// Their numbers, ascending.
        missing: Vec<u32>,
    },
    /// The whole is not what its declared hash says; it has to be sent anew.
    #[error("the file that arrived is not the one that was announced: upload it again")]
    HashMismatch,
    /// The content cannot be taken; it has to be sent anew, changed.
    #[error("{0}")]
    Refused(String),
    /// No complete upload of this account has that hash.
    #[error("no completed upload of this account has that hash: upload the file first")]
    NotUploaded,
    /// Several scenes, and none was named.
    #[error("the zip holds {} .blend files: name the one to render, one of {}", scenes.len(), listed(scenes))]
    MainNeeded {
        /// Their paths.
        scenes: Vec<String>,
    },
    /// It is being read at this moment.
    #[error("the upload is being completed")]
    Completing,
    /// The store's answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob store's answer.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl IngestError {
    /// Sending the same bytes again cannot help: the upload is thrown away.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::HashMismatch | Self::Refused(_))
    }
}

fn first_of(missing: &[u32]) -> u32 {
    missing.first().copied().unwrap_or(0)
}

/// Paths for a sentence: the first ones, and how many more.
pub(super) fn listed(scenes: &[String]) -> String {
    const SHOWN: usize = 20;
    let more = scenes.len().saturating_sub(SHOWN);
    let shown = scenes.iter().take(SHOWN).map(|path| format!("{path:?}")).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
