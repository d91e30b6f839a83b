//! What nothing refers to: blobs, files without a row, parts without an upload, pictures of frames that are
//! gone. A pass looks at a few of 256 shards; what was written or brought lately is left alone, since what
//! refers to it may be on its way.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use pictor_actors::ids::UploadId;
use pictor_actors::now::Clock;
use pictor_actors::units::{BlobHash, Millis, UnixMillis};

use crate::blobs::{BlobError, Blobs, Found, Removal, written_at};
use crate::store::{REMOVALS_A_PAGE, RemovalRow, Store, StoreError, UploadState};

/// What is younger is kept, whatever refers to it: no request takes so long between bringing bytes and naming
/// them.
const KEPT_FOR: Millis = Millis::from_secs(24 * 3600);
/// Shards of one pass: every blob is looked at a few times a day.
const SHARDS_A_PASS: u8 = 8;

/// The sweep.
#[derive(Clone)]
pub struct Unused {
    store: Store,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    thumbnails_dir: PathBuf,
    next_shard: Arc<AtomicU8>,
}

#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("the folder of small pictures cannot be read")]
    Pictures(#[source] io::Error),
}

impl Unused {
    /// The sweep over these; `thumbnails_dir` holds pictures made of frames, in folders of the same shards.
    #[must_use]
    pub fn new(store: Store, blobs: Arc<dyn Blobs>, clock: Arc<dyn Clock>, thumbnails_dir: PathBuf) -> Self {
        Self { store, blobs, clock, thumbnails_dir, next_shard: Arc::default() }
    }

    /// One pass.
    pub async fn pass(self) {
        let before = UnixMillis(self.clock.now().wall.0.saturating_sub_unsigned(KEPT_FOR.0));
        match self.uploads(before).await {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(dropped, "parts without an upload were removed"),
            Err(error) => tracing::warn!(%error, "parts without an upload were not removed"),
        }
        match self.staged(before).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "what was put into the storage and never taken is gone"),
            Err(error) => tracing::warn!(%error, "what was put into the storage and never taken stays"),
        }
        for _ in 0..SHARDS_A_PASS {
            let shard = self.next_shard.fetch_add(1, Ordering::Relaxed);
            match self.shard(shard, before).await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, shard, "what nothing refers to was removed"),
                Err(error) => tracing::warn!(%error, shard, "what nothing refers to was not removed"),
            }
        }
        if let Err(error) = self.settle(before).await {
            tracing::warn!(%error, "what was removed is not settled");
        }
    }

    /// What was removed and has a row was stored again at that moment: it is put back. Every copy is kept for
    /// a day, also then: the request that removes the blob may still be on its way.
    async fn settle(&self, before: UnixMillis) -> Result<(), SweepError> {
        let mut last = None;
        loop {
            let some = self.store.removals(before, last.as_ref()).await?;
            for RemovalRow { hash, copy, begun_at, stored_at } in some.iter().cloned() {
                let is_settled = stored_at.is_none() || self.is_back(hash).await;
                if is_settled && begun_at < before {
                    self.blobs.forget_copy(&Removal { hash, copy: copy.clone() }).await?;
                    self.store.forget_removal(hash, &copy).await?;
                }
            }
            if some.len() < REMOVALS_A_PAGE {
                return Ok(());
            }
            last = some.into_iter().last();
        }
    }

    /// Whether the blob is there, if need be put there again from its copy. One that cannot be must not keep
    /// the others away.
    async fn is_back(&self, hash: BlobHash) -> bool {
        let put_back = self.blobs.put_back(hash).await;
        put_back
            .inspect_err(|error| tracing::warn!(%error, %hash, "a blob that was removed cannot be put back"))
            .is_ok()
    }

    /// The rows first: a file without its row is found again, a row without its file would be believed.
    async fn shard(&self, shard: u8, before: UnixMillis) -> Result<usize, SweepError> {
        let unused = self.store.unused_blobs(shard, before).await?;
        self.store.drop_unused_blobs(&unused, before).await?;
        // The files before the rows: what is stored in between has its row by then, or is young.
        let files = self.blobs.list(shard).await?;
        let known: BTreeSet<BlobHash> = self.store.blobs_of_shard(shard).await?.into_iter().collect();
        let mut removed = 0;
        for hash in orphans(&files, &known, before) {
            removed += usize::from(self.remove(hash, before).await?);
        }
        Ok(removed + self.pictures(shard, &known, before).await.map_err(SweepError::Pictures)?)
    }

    /// Noted where that is needed, and then looked at once more: a row that came before the note is seen
    /// here, and whoever sees a later one sees the note too.
    async fn remove(&self, hash: BlobHash, before: UnixMillis) -> Result<bool, SweepError> {
        let removal = Removal::of(hash);
        if !self.blobs.puts_aside() {
            return Ok(self.blobs.remove_older(&removal, before).await?);
        }
        self.store.note_removal(hash, &removal.copy, self.clock.now().wall).await?;
        let is_gone =
            self.store.blob(hash).await?.is_none() && self.blobs.remove_older(&removal, before).await?;
        // Where that failed the note stays: nobody knows what was done.
        if !is_gone {
            self.store.forget_removal(hash, &removal.copy).await?;
        }
        Ok(is_gone)
    }

    async fn pictures(&self, shard: u8, known: &BTreeSet<BlobHash>, before: UnixMillis) -> io::Result<usize> {
        let mut entries = match tokio::fs::read_dir(self.thumbnails_dir.join(format!("{shard:02x}"))).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut removed = 0;
        while let Some(entry) = entries.next_entry().await? {
            let is_of_known =
                entry.file_name().to_str().and_then(frame_of).is_some_and(|hash| known.contains(&hash));
            if !is_of_known && written_at(&entry.metadata().await?) < before {
                tokio::fs::remove_file(entry.path()).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn staged(&self, before: UnixMillis) -> Result<usize, BlobError> {
        match self.blobs.direct() {
            Some(direct) => direct.clear_staging(before).await,
            None => Ok(0),
        }
    }

    async fn uploads(&self, before: UnixMillis) -> Result<usize, SweepError> {
        let mut dropped = 0;
        for Found { id, .. } in
            self.blobs.list_uploads().await?.into_iter().filter(|one| one.written_at < before)
        {
            if !self.is_under_way(id).await? {
                self.blobs.drop_parts(id).await?;
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    async fn is_under_way(&self, upload: UploadId) -> Result<bool, StoreError> {
        Ok(match self.store.upload_state(upload).await? {
            Some(UploadState::Open | UploadState::Completing) => true,
            Some(UploadState::Complete) | None => false,
        })
    }
}

/// Files that have no row and are old enough. Pure.
fn orphans(files: &[Found<BlobHash>], known: &BTreeSet<BlobHash>, before: UnixMillis) -> Vec<BlobHash> {
    let is_orphan = |file: &&Found<BlobHash>| file.written_at < before && !known.contains(&file.id);
    files.iter().filter(is_orphan).map(|file| file.id).collect()
}

/// The frame that a picture was made of, by its file's name; nothing for one that is half written.
fn frame_of(name: &str) -> Option<BlobHash> {
    let (hash, rest) = name.split_at_checked(64)?;
    matches!(rest, "" | "-large").then(|| hash.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_files_without_a_row_are_orphans() {
        let hash = |seed: u8| BlobHash::from_bytes([seed; 32]);
        let file = |seed, at| Found { id: hash(seed), written_at: UnixMillis(at) };
        let files = [file(1, 5), file(2, 5), file(3, 10), file(4, 9), file(5, i64::MAX)];
        let known = BTreeSet::from([hash(1)]);
        assert_eq!(orphans(&files, &known, UnixMillis(10)), [hash(2), hash(4)]);
    }

    #[test]
    fn a_pictures_name_says_of_which_frame_it_is() {
        let hash = BlobHash::from_bytes([0xab; 32]);
        assert_eq!(frame_of(&hash.to_string()), Some(hash));
        assert_eq!(frame_of(&format!("{hash}-large")), Some(hash));
        for other in ["", "upl_1.part", &format!("{hash}.part"), &"é".repeat(40)] {
            assert_eq!(frame_of(other), None, "{other}");
        }
    }
}
