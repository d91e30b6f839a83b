//! Getting bytes from the cloud: by hash, continued where a line broke, never trusted before their hash was
//! checked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use pictor_actors::backoff::Backoff;
use pictor_actors::faults;
use pictor_actors::ids::JobId;
use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::assignment::InputManifest;
use pictor_actors::units::{BlobHash, Millis};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Inputs, InputsFailure, lock, on_disk, unavailable};
use crate::cloud::{BlobBody, CallError};
use crate::durable;

/// Files fetched at a time: many small ones are bound by round trips.
const FILES_AT_A_TIME: usize = 4;
/// First wait after a call that brought nothing.
const RETRY_FIRST: Millis = Millis(500);
/// Longest wait between two calls.
const RETRY_MAX: Millis = Millis::from_secs(30);
/// Calls in a row that bring nothing before the lease is given back: about three hours of a cloud that is
/// away.
const TRIES_MAX: u32 = 400;
/// Downloads of one file whose hash is wrong before it is given up.
const WRONG_HASHES_MAX: u32 = 3;
/// Piece of a file that is in memory while it is hashed.
const PIECE_BYTES: usize = 256 * 1024;

/// How a try ended without the bytes.
enum Lack {
    /// Try again; something came, or nothing did.
    Again {
        came: bool,
        wait: Option<Millis>,
        why: String,
    },
    WrongHash,
    Never(InputsFailure),
}

impl Inputs {
    /// The manifest's bytes, from the cache or the cloud.
    pub(super) async fn manifest(&self, job: JobId, hash: BlobHash) -> Result<Vec<u8>, InputsFailure> {
        let path = self.blob_path(hash);
        if let Ok(bytes) = tokio::fs::read(&path).await
            && is_of(&bytes, hash)
        {
            touch(&path);
            return Ok(bytes);
        }
        let mut patience = Patience::default();
        loop {
            let lack = match self.cloud.inputs_of(job).await {
                Ok(bytes) if is_of(&bytes, hash) => {
                    let kept = bytes.clone();
                    // Only a convenience: without it the next task of the job asks again.
                    let _ = tokio::task::spawn_blocking(move || {
                        durable::replace(&path, &kept, durable::Secrecy::Plain)
                    })
                    .await;
                    return Ok(bytes);
                }
                Ok(_) => Lack::WrongHash,
                Err(error) => lack_of(error, "the list of input files"),
            };
            patience.wait_after(lack, "the list of input files").await?;
        }
    }

    /// Fetches whatever is not there yet.
    pub(super) async fn fetch_all(self: &Arc<Self>, manifest: &InputManifest) -> Result<(), InputsFailure> {
        let fetches = manifest.files.iter().map(|file| self.fetch(file.hash, file.size, &file.path));
        let mut fetches = stream::iter(fetches).buffer_unordered(FILES_AT_A_TIME);
        while let Some(done) = fetches.next().await {
            done?;
        }
        Ok(())
    }

    async fn fetch(self: &Arc<Self>, hash: BlobHash, size: u64, name: &str) -> Result<(), InputsFailure> {
        let turn = Arc::clone(lock(&self.fetching).entry(hash).or_default());
        let done = {
            let _mine = turn.lock().await;
            self.fetch_alone(hash, size, name).await
        };
        drop(turn);
        lock(&self.fetching).retain(|_, turn| Arc::strong_count(turn) > 1);
        done
    }

    async fn fetch_alone(
        self: &Arc<Self>,
        hash: BlobHash,
        size: u64,
        name: &str,
    ) -> Result<(), InputsFailure> {
        let path = self.blob_path(hash);
        if fs::metadata(&path).is_ok_and(|found| found.len() == size) {
            touch(&path);
            return Ok(());
        }
        let partial = self.folder.join("partial").join(hash.to_string());
        let mut patience = Patience::default();
        let mut has_made_room = false;
        loop {
            let lack = match self.try_fetch(hash, size, &partial, name).await {
                Ok(()) => match settle(partial.clone(), path.clone()).await {
                    Ok(()) => return Ok(()),
                    Err(error) => on_disk_never(error),
                },
                Err(lack) => lack,
            };
            // Other jobs' files may be all that fills the disk: without them there may be room for these.
            if is_disk_full(&lack) && !std::mem::replace(&mut has_made_room, true) {
                let inputs = Arc::clone(self);
                let freed = tokio::task::spawn_blocking(move || inputs.make_room(size)).await;
                if freed.is_ok_and(|freed| freed > 0) {
                    continue;
                }
            }
            patience.wait_after(lack, name).await?;
        }
    }

    async fn try_fetch(&self, hash: BlobHash, size: u64, partial: &Path, name: &str) -> Result<(), Lack> {
        let mut hasher = blake3::Hasher::new();
        let mut have = rehash(partial, &mut hasher).await.map_err(on_disk_never)?;
        if have < size || size == 0 {
            let body = self.cloud.blob(hash, have).await.map_err(|error| lack_of(error, name))?;
            if body.from == 0 && have > 0 {
                hasher = blake3::Hasher::new();
                have = 0;
            }
            have = write_on(partial, have, size, &mut hasher, body).await?;
        }
        if have == size && hasher.finalize().as_bytes() == hash.as_bytes() {
            return Ok(());
        }
        tokio::fs::remove_file(partial).await.map_err(on_disk_never)?;
        Err(Lack::WrongHash)
    }
}

/// A download that is whole and right becomes a blob.
async fn settle(partial: PathBuf, path: PathBuf) -> io::Result<()> {
    let settling = tokio::task::spawn_blocking(move || {
        faults::reach("inputs.fetched")?;
        let mut permissions = fs::metadata(&partial)?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&partial, permissions)?;
        durable::rename(&partial, &path)?;
        faults::reach("inputs.settled").map_err(io::Error::from)
    });
    settling.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Appends what comes; an error keeps what came before it.
async fn write_on<S>(
    partial: &Path,
    have: u64,
    size: u64,
    hasher: &mut blake3::Hasher,
    mut body: BlobBody<S>,
) -> Result<u64, Lack>
where
    S: futures_util::Stream<Item = Result<bytes::Bytes, CallError>> + Unpin,
{
    let mut file = tokio::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(have == 0)
        .append(have > 0)
        .open(partial)
        .await
        .map_err(on_disk_never)?;
    let mut now_have = have;
    let mut broken = None;
    while let Some(piece) = body.bytes.next().await {
        match piece {
            Ok(piece) if now_have + piece.len() as u64 <= size => {
                file.write_all(&piece).await.map_err(on_disk_never)?;
                hasher.update(&piece);
                now_have += piece.len() as u64;
            }
            // More than there should be: the hash cannot be right.
            Ok(_) => return Ok(size + 1),
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    file.flush().await.map_err(on_disk_never)?;
    match broken {
        None if now_have < size => {
            Err(Lack::Again { came: now_have > have, wait: None, why: "the line broke".to_owned() })
        }
        None => file.sync_all().await.map_err(on_disk_never).map(|()| now_have),
        Some(error) => Err(Lack::Again { came: now_have > have, wait: None, why: error.to_string() }),
    }
}

/// Reads what an earlier try left, so that the hash goes on from there.
async fn rehash(partial: &Path, hasher: &mut blake3::Hasher) -> io::Result<u64> {
    let mut file = match tokio::fs::File::open(partial).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut piece = vec![0; PIECE_BYTES];
    let mut have = 0;
    loop {
        let read = file.read(&mut piece).await?;
        if read == 0 {
            return Ok(have);
        }
        hasher.update(&piece[..read]);
        have += read as u64;
    }
}

/// How often and how long to wait for one file.
struct Patience {
    backoff: Backoff,
    in_vain: u32,
    wrong_hashes: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { backoff: Backoff::new(RETRY_FIRST, RETRY_MAX), in_vain: 0, wrong_hashes: 0 }
    }
}

impl Patience {
    async fn wait_after(&mut self, lack: Lack, name: &str) -> Result<(), InputsFailure> {
        let asked = match lack {
            Lack::Never(failure) => return Err(failure),
            Lack::WrongHash => {
                self.wrong_hashes += 1;
                if self.wrong_hashes >= WRONG_HASHES_MAX {
                    return Err(unavailable(format!(
                        "{name}: the cloud's bytes are not what they should be"
                    )));
                }
                None
            }
            Lack::Again { came, wait, why } => {
                if came {
                    self.backoff.succeeded();
                    self.in_vain = 0;
                }
                self.in_vain += 1;
                if self.in_vain > TRIES_MAX {
                    return Err(unavailable(format!("{name} could not be fetched: {why}")));
                }
                tracing::debug!(input = name, %why, "fetch will be tried again");
                wait
            }
        };
        let random = crate::random();
        let wait = self.backoff.failed(random).max(asked.unwrap_or(Millis(0)).min(RETRY_MAX));
        tokio::time::sleep(wait.to_duration()).await;
        Ok(())
    }
}

fn lack_of(error: CallError, name: &str) -> Lack {
    match error {
        CallError::Away { why, retry_after } => Lack::Again { came: false, wait: retry_after, why },
        CallError::Problem(problem) => {
            let words = if problem.detail.is_empty() { problem.code } else { problem.detail };
            Lack::Never(unavailable(format!("{name} is not to be had: {words} ({})", problem.status)))
        }
    }
}

fn is_disk_full(lack: &Lack) -> bool {
    matches!(lack, Lack::Never(failure) if failure.class == FailureClass::DiskFull)
}

fn on_disk_never(error: io::Error) -> Lack {
    Lack::Never(on_disk(&error))
}

fn is_of(bytes: &[u8], hash: BlobHash) -> bool {
    blake3::hash(bytes).as_bytes() == hash.as_bytes()
}

/// Marks a blob as used now: eviction goes by this time.
fn touch(path: &Path) {
    if let Err(error) = durable::touch(path, SystemClock.now().wall) {
        tracing::debug!(path = %path.display(), %error, "could not be marked as used");
    }
}
