//! Parts of uploads until the whole is there.
//!
//! A part that follows the one before it goes behind that one's bytes ([`Joined`]); any other is a file of
//! its own, written aside and swapped in whole: one that is sent again and breaks off, or that another sender
//! is still busy with, never touches the copy that is there. Joining leaves the parts, so that it can be done
//! again after a full disk or a kill.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pictor_actors::ids::UploadId;
use pictor_actors::units::BlobHash;
use tokio::fs;

use super::joined::Joined;
use super::staging::{Staging, disk, flush_folder};
use super::{BlobError, BytesIn, Stored};

/// Bytes read at a time while parts are joined.
const JOIN_BYTES: usize = 1024 * 1024;

/// The folder `uploads`, with a folder for each upload.
pub struct Parts {
    uploads: PathBuf,
    staging: PathBuf,
    /// Uploads whose joined file is being written to: one sender at a time.
    appending: Arc<Mutex<BTreeSet<UploadId>>>,
}

/// The parts of one upload.
#[derive(Default)]
struct Found {
    joined: Option<Joined>,
    /// Those that are files of their own, with their bytes; they go before what is joined.
    single: BTreeMap<u32, (u64, PathBuf)>,
}

/// A piece of the whole.
struct Piece {
    path: PathBuf,
    from: u64,
    length: u64,
}

impl Parts {
    pub fn new(root: &Path) -> Self {
        Self { uploads: root.join("uploads"), staging: root.join("staging"), appending: Arc::default() }
    }

    fn folder(&self, upload: UploadId) -> PathBuf {
        self.uploads.join(upload.to_string())
    }

    /// Takes a part in; it counts only if it has exactly that length.
    pub async fn put(
        &self,
        upload: UploadId,
        part: u32,
        body: BytesIn,
        length: u64,
    ) -> Result<(), BlobError> {
        let folder = self.folder(upload);
        // Made before the bytes come and not again after: a part that ends after its upload was dropped finds
        // no folder, and leaves nothing.
        if !fs::try_exists(&folder).await.map_err(disk)? {
            fs::create_dir_all(&folder).await.map_err(disk)?;
            flush_folder(&self.uploads).await?;
        }
        let turn = Turn::take(&self.appending, upload);
        let found = Found::in_folder(&folder).await?;
        if let (Some(turn), Some(joined)) = (&turn, found.joined.as_ref())
            && joined.takes(part, length)
        {
            let (joined, turn) = (joined.clone(), turn.clone());
            // In a task of its own: a sender who goes away must not leave a write behind that lands among the
            // bytes of the next one.
            let appending = tokio::spawn(async move {
                let appended = joined.append(body, length).await;
                drop(turn);
                appended
            });
            return appending.await.unwrap_or_else(|error| Err(BlobError::Io(io::Error::other(error))));
        }
        let is_first = part == 0 && turn.is_some() && found.joined.is_none() && found.single.is_empty();
        let mut staging = Staging::create(&self.staging).await?;
        let found = staging.take(body, length).await?;
        if found != length {
            return Err(BlobError::Incomplete { found, wanted: length });
        }
        let name = if is_first { Joined::begun(&folder, length) } else { folder.join(part.to_string()) };
        staging.swap_into(&name).await
    }

    /// The parts in their order as one file of that size, not yet under its name.
    pub async fn join(&self, upload: UploadId, size: u64) -> Result<(Staging, Stored), BlobError> {
        let parts = Found::in_folder(&self.folder(upload)).await?;
        let pieces = parts.pieces();
        let found = pieces.iter().flatten().map(|piece| piece.length).sum();
        let Some(pieces) = pieces.filter(|_| found == size) else {
            return Err(BlobError::Incomplete { found, wanted: size });
        };
        let whole = parts.joined.filter(|_| parts.single.is_empty());
        let linked = match whole {
            Some(joined) => Staging::linked(&self.staging, joined).await,
            None => None,
        };
        let (staging, copies) = match linked {
            Some(staging) => (staging, false),
            None => (Staging::create(&self.staging).await?, true),
        };
        let file = staging.file().await?;
        // Off the async threads: a large upload takes seconds to hash and to write.
        let reading = tokio::task::spawn_blocking(move || read_all(&pieces, copies.then_some(file)));
        let stored = reading.await.map_err(io::Error::other).and_then(|stored| stored).map_err(disk)?;
        if stored.size != size {
            return Err(BlobError::Incomplete { found: stored.size, wanted: size });
        }
        Ok((staging, stored))
    }

    /// Removes all parts of an upload; none there is no error.
    pub async fn forget(&self, upload: UploadId) -> Result<(), BlobError> {
        match fs::remove_dir_all(self.folder(upload)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(error)),
            _ => Ok(()),
        }
    }
}

/// The right to write to an upload's joined file, until all its clones are gone.
#[derive(Clone)]
struct Turn {
    _held: Arc<Held>,
}

struct Held {
    appending: Arc<Mutex<BTreeSet<UploadId>>>,
    upload: UploadId,
}

impl Turn {
    /// Nothing while somebody has it.
    fn take(appending: &Arc<Mutex<BTreeSet<UploadId>>>, upload: UploadId) -> Option<Self> {
        let is_free = appending.lock().unwrap_or_else(PoisonError::into_inner).insert(upload);
        is_free.then(|| Self { _held: Arc::new(Held { appending: Arc::clone(appending), upload }) })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.appending.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.upload);
    }
}

impl Found {
    async fn in_folder(folder: &Path) -> Result<Self, BlobError> {
        let mut found = Self::default();
        let mut entries = fs::read_dir(folder).await.map_err(disk)?;
        while let Some(entry) = entries.next_entry().await.map_err(disk)? {
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            match number {
                Some(number) => {
                    let size = entry.metadata().await.map_err(disk)?.len();
                    found.single.insert(number, (size, entry.path()));
                }
                None => found.joined = found.joined.or_else(|| Joined::of(entry.path())),
            }
        }
        Ok(found)
    }

    /// The whole in its order; nothing where a part is missing in between.
    fn pieces(&self) -> Option<Vec<Piece>> {
        let joined = self.joined.as_ref().map_or(0, |joined| joined.count);
        let last = self.single.keys().next_back().map_or(joined, |last| joined.max(last + 1));
        let piece = |part: u32| match (self.single.get(&part), &self.joined) {
            (Some((length, path)), _) => Some(Piece { path: path.clone(), from: 0, length: *length }),
            (None, Some(joined)) if part < joined.count => {
                let (from, length) = joined.place_of(part);
                Some(Piece { path: joined.path.clone(), from, length })
            }
            (None, Some(_) | None) => None,
        };
        (0..last).map(piece).collect()
    }
}

/// Hashes the pieces and writes them where that is asked for.
fn read_all(pieces: &[Piece], mut copy: Option<std::fs::File>) -> io::Result<Stored> {
    let (mut hasher, mut size) = (blake3::Hasher::new(), 0);
    let mut bytes = vec![0; JOIN_BYTES];
    for piece in pieces {
        let mut from = std::fs::File::open(&piece.path)?;
        from.seek(SeekFrom::Start(piece.from))?;
        let mut from = from.take(piece.length);
        loop {
            let count = from.read(&mut bytes)?;
            if count == 0 {
                break;
            }
            hasher.update(&bytes[..count]);
            if let Some(copy) = &mut copy {
                copy.write_all(&bytes[..count])?;
            }
            size += count as u64;
        }
    }
    Ok(Stored { hash: BlobHash::from_bytes(*hasher.finalize().as_bytes()), size })
}
