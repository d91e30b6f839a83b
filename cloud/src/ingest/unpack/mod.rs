//! Unpacks a zip under limits, each file straight into the blob store.
//!
//! Nothing is written to a path that the zip names; sizes are counted, never believed; the whole is refused
//! with a sentence at the first thing that is not right. Blobs stored before that have no owner and are
//! swept.

mod directory;
mod paths;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use pictor_actors::limits::FILES_PER_JOB_MAX;
use pictor_actors::protocol::assignment::InputFile;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::IngestError;
use crate::blobs::{BlobError, Blobs, Stored};
use paths::Paths;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks on their way to the store.
const CHUNKS_WAITING: usize = 4;
/// Files being stored at a time: each waits for the disk at its end.
const FILES_AT_A_TIME: usize = 8;
/// Unpacked bytes that any zip may have; above it the ratio counts.
const FREE_BYTES: u64 = 256 * 1024 * 1024;
/// Unpacked bytes a byte of the zip: scenes reach 50, deflate alone at most 1,032, a bomb far more.
const RATIO_MAX: u64 = 300;
/// `S_IFMT` and the two kinds of entries that are taken.
const KIND_MASK: u32 = 0o170_000;
const KIND_FILE: u32 = 0o100_000;
const KIND_FOLDER: u32 = 0o040_000;

/// Unpacks the zip into blobs: its files, ascending by path. `bytes_max` bounds all of them together.
pub(super) async fn unpack(
    blobs: Arc<dyn Blobs>,
    zip: PathBuf,
    bytes_max: u64,
) -> Result<Vec<InputFile>, IngestError> {
    let handle = Handle::current();
    let unpacking = move || {
        Unpacking { blobs, handle, left: 0, storing: VecDeque::new(), files: Vec::new() }.run(zip, bytes_max)
    };
    tokio::task::spawn_blocking(unpacking)
        .await
        .map_err(|_| IngestError::Refused("the zip could not be read".to_owned()))?
}

struct Unpacking {
    blobs: Arc<dyn Blobs>,
    handle: Handle,
    /// Bytes that may still come out.
    left: u64,
    storing: VecDeque<(String, JoinHandle<Result<Stored, BlobError>>)>,
    files: Vec<InputFile>,
}

impl Unpacking {
    fn run(mut self, zip: PathBuf, bytes_max: u64) -> Result<Vec<InputFile>, IngestError> {
        let mut file = File::open(zip).map_err(BlobError::Io)?;
        let zip_bytes = file.metadata().map_err(BlobError::Io)?.len();
        self.left = bytes_max.min(FREE_BYTES.max(zip_bytes.saturating_mul(RATIO_MAX)));
        let mut archive = open(&mut file)?;
        let wanted = survey(&mut archive, self.left)?;
        for (index, path) in wanted {
            let mut entry = archive.by_index(index).map_err(|error| unreadable(&path, &error))?;
            self.store_one(path, &mut entry)?;
        }
        while !self.storing.is_empty() {
            self.stored_first()?;
        }
        self.files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(self.files)
    }

    /// Reads one entry into a blob of its own, while those before it may still be on their way to the disk.
    fn store_one(&mut self, path: String, entry: &mut impl Read) -> Result<(), IngestError> {
        if self.storing.len() == FILES_AT_A_TIME {
            self.stored_first()?;
        }
        let (chunks, body) = mpsc::channel::<io::Result<Bytes>>(CHUNKS_WAITING);
        let (blobs, size_max) = (Arc::clone(&self.blobs), self.left);
        let storing = self
            .handle
            .spawn(async move { blobs.put_stream(ReceiverStream::new(body).boxed(), None, size_max).await });
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let count = entry.read(&mut chunk).map_err(|error| {
                // The store must not take the half for the whole.
                let _ = chunks.blocking_send(Err(io::Error::other("the zip broke off")));
                IngestError::Refused(format!("{path:?} in the zip is damaged: {error}"))
            })?;
            if count == 0 {
                break;
            }
            chunk.truncate(count);
            self.left = self.left.checked_sub(count as u64).ok_or_else(too_much)?;
            if chunks.blocking_send(Ok(chunk.into())).is_err() {
                break; // the store gave up: its answer says why
            }
        }
        drop(chunks);
        self.storing.push_back((path, storing));
        Ok(())
    }

    fn stored_first(&mut self) -> Result<(), IngestError> {
        let Some((path, storing)) = self.storing.pop_front() else { return Ok(()) };
        let stored =
            self.handle.block_on(storing).map_err(|error| BlobError::Io(io::Error::other(error)))??;
        self.files.push(InputFile { path, hash: stored.hash, size: stored.size });
        Ok(())
    }
}

type Archive<'a> = ZipArchive<BufReader<&'a mut File>>;

fn open(file: &mut File) -> Result<Archive<'_>, IngestError> {
    let refused = |why: String| IngestError::Refused(why);
    let declared = directory::entries_declared(file)
        .map_err(|_| refused("the zip has a damaged end".to_owned()))?
        .ok_or_else(|| refused("this is not a zip file, or its end is missing".to_owned()))?;
    // Folders are entries too; twice the files leaves room for them.
    if declared > 2 * FILES_PER_JOB_MAX as u64 {
        return Err(refused(format!(
            "the zip has {declared} entries; at most {FILES_PER_JOB_MAX} files are taken"
        )));
    }
    let archive = ZipArchive::new(BufReader::new(file))
        .map_err(|error| refused(format!("the zip cannot be read: {error}")))?;
    if archive.len() as u64 != declared {
        return Err(refused("the zip holds the same path twice, or its table is damaged".to_owned()));
    }
    Ok(archive)
}

/// Looks at every entry before the first byte is unpacked: which are files to store, and whether all may be.
fn survey(archive: &mut Archive<'_>, bytes_max: u64) -> Result<Vec<(usize, String)>, IngestError> {
    if archive
        .has_overlapping_entries()
        .map_err(|error| IngestError::Refused(format!("the zip is damaged: {error}")))?
    {
        return Err(IngestError::Refused(
            "entries of the zip overlap: it is made to grow when unpacked".to_owned(),
        ));
    }
    let (mut paths, mut wanted, mut declared) = (Paths::default(), Vec::new(), 0u64);
    for index in 0..archive.len() {
        let entry =
            archive.by_index_raw(index).map_err(|error| unreadable(&format!("entry {index}"), &error))?;
        let path = entry.name().map_err(|error| unreadable(&format!("entry {index}"), &error))?.into_owned();
        if let Some(why) = not_takeable(&entry, &path) {
            return Err(IngestError::Refused(why));
        }
        if entry.is_dir() || is_litter(&path) {
            continue;
        }
        paths.take(&path).map_err(|refused| IngestError::Refused(refused.to_string()))?;
        declared = declared.saturating_add(entry.size());
        wanted.push((index, path));
    }
    if wanted.len() > FILES_PER_JOB_MAX {
        let count = wanted.len();
        return Err(IngestError::Refused(format!(
            "the zip has {count} files; at most {FILES_PER_JOB_MAX} are taken"
        )));
    }
    if declared > bytes_max {
        return Err(too_much());
    }
    Ok(wanted)
}

fn not_takeable<R: Read>(entry: &ZipFile<'_, R>, path: &str) -> Option<String> {
    if entry.encrypted() {
        return Some(format!("{path:?} is encrypted: make the zip without a password"));
    }
    let kind = entry.unix_mode().unwrap_or(0) & KIND_MASK;
    if entry.is_symlink() || !matches!(kind, 0 | KIND_FILE | KIND_FOLDER) {
        return Some(format!("{path:?} is a link or a special file: put the file itself in the zip"));
    }
    None
}

/// What macOS and Windows put into zips for themselves.
fn is_litter(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("__MACOSX/") || matches!(name, ".DS_Store" | "Thumbs.db" | "desktop.ini")
}

fn unreadable(path: &str, error: &ZipError) -> IngestError {
    IngestError::Refused(match error {
        ZipError::CompressionMethodNotSupported(_) | ZipError::UnsupportedArchive(_) => {
            format!("{path:?} is compressed in a way that is not known here: use the ordinary one (deflate)")
        }
        _ => format!("{path:?} in the zip cannot be read: {error}"),
    })
}

fn too_much() -> IngestError {
    IngestError::Refused("the zip would be too large unpacked, or is made to grow when unpacked".to_owned())
}
