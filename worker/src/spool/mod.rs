//! Finished frames on disk until the cloud has given a receipt: the disk is the queue.
//!
//! An entry is a frame's file with its manifest beside it, and the manifest is written last: a crash between
//! any two steps leaves no entry (a file without a manifest, swept at the next start) or a whole one. Taking
//! an entry away goes the other way round. Which entry goes up when is the outbox's business
//! (`pictor_worker_domain::outbox`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pictor_actors::faults;
use pictor_actors::ids::{JobId, TaskId};
use pictor_actors::protocol::LeaseRef;
use pictor_actors::protocol::assignment::OutputFormat;
use pictor_actors::units::{BlobHash, UnixMillis};
use pictor_worker_domain::outbox;

mod manifest;
mod sweep;

pub use manifest::{Manifest, Unreadable};
pub use sweep::Scanned;

use crate::durable::{self, TEMPORARY};

/// Ending of a frame's file in the spool.
const FRAME: &str = "frame";
/// Ending of its manifest.
const MANIFEST: &str = "json";
/// Piece of a frame that is in memory while it is hashed.
const PIECE_BYTES: usize = 256 * 1024;

/// The folder of finished frames. Every function blocks.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
    watch: fn(Step),
    /// A scan sweeps what looks like the rest of a crash; it must not meet a frame that is being kept.
    sweeping: Arc<RwLock<()>>,
    unwanted: Arc<Unwanted>,
}

/// The corner of frames that nobody wants.
#[derive(Debug, Default)]
struct Unwanted {
    /// Something came since the last sweep began.
    has_more: AtomicBool,
    /// One sweep at a time.
    turn: Mutex<()>,
}

/// Moments between which a crash may fall; for the tests that fall there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Keep: nothing was done.
    Begun,
    /// Keep: the frame's bytes are on disk and hashed.
    Hashed,
    /// Keep: its file stands in the spool.
    Moved,
    /// Keep: the manifest is written under a temporary name.
    Described,
    /// Keep: the entry is whole.
    Kept,
    /// Remove: the manifest is gone.
    Forgotten,
    /// Remove: the frame is gone.
    Removed,
}

/// What is known of a frame when it comes into the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameFacts {
    /// Its lease.
    pub lease: LeaseRef,
    /// Its task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// Its number.
    pub frame: i32,
    /// Its format.
    pub format: OutputFormat,
    /// How long it took.
    pub render_ms: u64,
}

/// Why a frame could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk, or what this user may use of it, is full.
    #[error("the worker's disk is full: free some space in its data folder")]
    DiskFull(#[source] io::Error),
    /// Anything else.
    #[error("the frame could not be kept")]
    Io(#[source] io::Error),
}

impl From<io::Error> for SpoolError {
    fn from(error: io::Error) -> Self {
        if is_disk_full(&error) { Self::DiskFull(error) } else { Self::Io(error) }
    }
}

/// Whether an error means that there is no room.
#[must_use]
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

impl Spool {
    /// The spool in this folder, which exists.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self::watched(folder, |_| ())
    }

    /// The same, telling `watch` of each step; for tests that die there.
    #[must_use]
    pub fn watched(folder: PathBuf, watch: fn(Step)) -> Self {
        Self { folder, watch, sweeping: Arc::default(), unwanted: Arc::default() }
    }

    /// Takes the frame's file at `source` in and describes it. After an error there is no entry; the source
    /// may or may not be there.
    pub fn keep(&self, source: &Path, facts: &FrameFacts, now: UnixMillis) -> Result<Manifest, SpoolError> {
        let _keeping = self.sweeping.read().unwrap_or_else(PoisonError::into_inner);
        (self.watch)(Step::Begun);
        faults::reach("spool.begun").map_err(io::Error::from)?;
        let (hash, size) = synced_and_hashed(source)?;
        (self.watch)(Step::Hashed);
        faults::reach("spool.hashed").map_err(io::Error::from)?;
        let manifest = Manifest::new(facts, hash, size, now);
        let key = manifest.entry().key();
        let taken = self.take_in(source, &self.path(key, FRAME)).and_then(|()| {
            (self.watch)(Step::Moved);
            faults::reach("spool.moved")?;
            self.describe(&manifest, &self.path(key, MANIFEST))
        });
        if let Err(error) = taken {
            let _ = fs::remove_file(self.path(key, FRAME)); // otherwise swept at the next start
            return Err(error.into());
        }
        (self.watch)(Step::Kept);
        faults::reach("spool.kept").map_err(io::Error::from)?;
        Ok(manifest)
    }

    /// Where a frame's bytes lie.
    #[must_use]
    pub fn frame_path(&self, key: outbox::Key) -> PathBuf {
        self.path(key, FRAME)
    }

    /// The manifest of an entry, checked.
    pub fn manifest(&self, key: outbox::Key) -> Result<Manifest, Unreadable> {
        let manifest = manifest::read(&self.path(key, MANIFEST))?;
        let size = fs::metadata(self.frame_path(key)).map_err(Unreadable::Io)?.len();
        if manifest.size() != size || manifest.entry().key() != key {
            return Err(Unreadable::NotWhole);
        }
        Ok(manifest)
    }

    /// Whether the frame's bytes still are what its manifest says. An error: it cannot be told now.
    pub fn is_intact(&self, manifest: &Manifest) -> io::Result<bool> {
        match File::open(self.frame_path(manifest.entry().key())).and_then(hashed) {
            Ok(found) => Ok(found == (manifest.hash(), manifest.size())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes an entry away: the cloud has it.
    pub fn remove(&self, key: outbox::Key) -> io::Result<()> {
        remove_if_there(&self.path(key, MANIFEST))?;
        (self.watch)(Step::Forgotten);
        faults::reach("spool.forgotten")?;
        remove_if_there(&self.path(key, FRAME))?;
        (self.watch)(Step::Removed);
        faults::reach("spool.removed")?;
        durable::sync_folder_of(&self.path(key, FRAME))
    }

    fn take_in(&self, source: &Path, target: &Path) -> io::Result<()> {
        match fs::rename(source, target) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let temporary = target.with_extension(format!("{FRAME}{TEMPORARY}"));
                let copied = fs::copy(source, &temporary)
                    .and_then(|_| OpenOptions::new().write(true).open(&temporary)?.sync_all())
                    .and_then(|()| fs::rename(&temporary, target));
                if copied.is_err() {
                    let _ = fs::remove_file(&temporary);
                }
                copied?;
                fs::remove_file(source)
            }
            moved => moved,
        }
    }

    fn describe(&self, manifest: &Manifest, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension(format!("{MANIFEST}{TEMPORARY}"));
        let written = (|| {
            let mut file = File::create(&temporary)?;
            file.write_all(&manifest.to_bytes())?;
            file.sync_all()?;
            (self.watch)(Step::Described);
            faults::reach("spool.described")?;
            // One sync of the folder for both names: an entry counts only with both.
            durable::rename(&temporary, path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn path(&self, key: outbox::Key, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{}.{ending}", key.lease, key.frame))
    }
}

fn synced_and_hashed(path: &Path) -> io::Result<(BlobHash, u64)> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    file.sync_all()?;
    hashed(file)
}

fn hashed(mut file: File) -> io::Result<(BlobHash, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut size = 0;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((BlobHash::from_bytes(*hasher.finalize().as_bytes()), size));
        }
        hasher.update(&piece[..read]);
        size += read as u64;
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
