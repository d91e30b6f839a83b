//! The input files of jobs: fetched once by hash, checked, kept up to a size, and laid out as a folder per
//! job.
//!
//! ```text
//! inputs/blobs/<hash>      bytes that were checked; read-only
//! inputs/partial/<hash>    a download that will be continued
//! inputs/jobs/<job>-<…>/   links to blobs under the manifest's paths: what the engine sees
//! ```
//!
//! A lease *uses* its inputs from fetch to release; what is used is never evicted. Room is made after each
//! layout, when the disk gets low, and when a write finds it full. The manifest's paths are
//! checked again here: the worker does not trust the cloud with its disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pictor_actors::ids::{JobId, LeaseId};
use pictor_actors::limits::FILES_PER_JOB_MAX;
use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::assignment::InputManifest;
use pictor_actors::units::BlobHash;

mod evict;
mod fetch;
mod layout;

pub use layout::{BadPath, checked_path};

use crate::cloud::Cloud;

/// The cache.
pub struct Inputs {
    folder: PathBuf,
    bytes_max: u64,
    cloud: Arc<Cloud>,
    used: Mutex<BTreeMap<LeaseId, Used>>,
    /// One fetch per blob at a time: two slots that want the same texture load it once.
    fetching: Mutex<BTreeMap<BlobHash, Arc<tokio::sync::Mutex<()>>>>,
    /// One job folder is laid out at a time: a job's running lease and the one sent ahead share it.
    laying: Mutex<()>,
}

/// What a lease uses.
#[derive(Debug, Clone, Default)]
struct Used {
    blobs: BTreeSet<BlobHash>,
    folder: Option<PathBuf>,
}

/// A job's files in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InPlace {
    /// The folder that holds them.
    pub folder: PathBuf,
    /// The scene to open.
    pub scene: PathBuf,
}

/// Why inputs cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", class.words())]
pub struct InputsFailure {
    /// Whose fault: the disk's, or the inputs'.
    pub class: FailureClass,
    /// In words.
    pub message: String,
}

impl Inputs {
    /// The cache in this folder, holding at most `bytes_max` of what no lease uses.
    pub fn open(folder: PathBuf, bytes_max: u64, cloud: Arc<Cloud>) -> io::Result<Self> {
        for part in ["blobs", "partial", "jobs"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let used = Mutex::default();
        Ok(Self { folder, bytes_max, cloud, used, fetching: Mutex::default(), laying: Mutex::default() })
    }

    /// Brings a job's files into place for a lease, and marks them as used by it until [`Inputs::release`].
    /// Waits as long as the cloud is away; dropping the future stops it, and a later call goes on where it
    /// was.
    pub async fn bring(
        self: &Arc<Self>,
        lease: LeaseId,
        job: JobId,
        manifest: BlobHash,
    ) -> Result<InPlace, InputsFailure> {
        self.note(lease, [manifest]);
        let manifest_bytes = self.manifest(job, manifest).await?;
        let files: InputManifest = serde_json::from_slice(&manifest_bytes)
            .map_err(|error| unavailable(format!("the list of input files cannot be read: {error}")))?;
        if files.files.len() > FILES_PER_JOB_MAX {
            return Err(unavailable(format!("the job has {} input files", files.files.len())));
        }
        layout::check(&files).map_err(|bad| unavailable(bad.to_string()))?;
        self.note(lease, files.files.iter().map(|file| file.hash));
        self.fetch_all(&files).await?;
        let place = layout::folder_of(&self.folder, job, manifest);
        lock(&self.used).entry(lease).or_default().folder = Some(place.clone());
        let inputs = Arc::clone(self);
        let scene = place.join(&files.main);
        let laid_out = tokio::task::spawn_blocking({
            let place = place.clone();
            move || {
                let _alone = lock(&inputs.laying);
                let mut done = layout::lay_out(&inputs.folder, &place, &files);
                if done.as_ref().is_err_and(crate::spool::is_disk_full) {
                    let size = files.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.size));
                    if inputs.make_room_alone(size) > 0 {
                        done = layout::lay_out(&inputs.folder, &place, &files);
                    }
                }
                inputs.make_room_alone(0);
                done
            }
        })
        .await;
        match laid_out {
            Ok(Ok(())) => Ok(InPlace { folder: place, scene }),
            Ok(Err(error)) => Err(on_disk(&error)),
            Err(error) => Err(on_disk(&io::Error::other(error))),
        }
    }

    /// The lease does not need its inputs any more; they stay until room is needed.
    pub fn release(&self, lease: LeaseId) {
        lock(&self.used).remove(&lease);
    }

    fn note(&self, lease: LeaseId, blobs: impl IntoIterator<Item = BlobHash>) {
        lock(&self.used).entry(lease).or_default().blobs.extend(blobs);
    }

    fn blob_path(&self, hash: BlobHash) -> PathBuf {
        layout::blob_path(&self.folder, hash)
    }
}

fn unavailable(message: String) -> InputsFailure {
    InputsFailure { class: FailureClass::InputsUnavailable, message }
}

fn on_disk(error: &io::Error) -> InputsFailure {
    if crate::spool::is_disk_full(error) {
        let message = "the worker's disk has no room for the job's files".to_owned();
        return InputsFailure { class: FailureClass::DiskFull, message };
    }
    let message = format!("the job's files could not be kept on the worker's disk: {error}");
    InputsFailure { class: FailureClass::WorkerError, message }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
