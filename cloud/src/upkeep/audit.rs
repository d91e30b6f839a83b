//! Whether a farm keeps its promises: the rows, by the store's queries, and the files that they speak of.
//!
//! Read-only, also beside a cloud that runs: what seems wrong because it changed in between is looked at once
//! more before it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt as _;
use pictor_actors::now::{Clock, Mono};
use pictor_actors::units::{BlobHash, Millis, UnixMillis};

use crate::blobs::{BlobError, Blobs, Found};
use crate::store::{BlobRow, Checked, ROWS_TOLD, Store, StoreError};

/// Files that nothing speaks of are removed a day after they came, in rounds of some hours; later ones are a
/// fault.
const LEFT_OVER_AFTER: Millis = Millis::from_secs(48 * 3_600);

/// Why the look was not finished.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The rows cannot be read.
    #[error("the database cannot be read")]
    Store(#[from] StoreError),
    /// The files cannot be listed or read.
    #[error("the blobs cannot be read")]
    Blobs(#[from] BlobError),
}

/// How closely files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// They are there.
    Names,
    /// They hold the bytes that they should: all are read.
    Bytes,
}

/// Looks at every promise, in the order of the design's list.
///
/// # Errors
/// The database or the blobs cannot be read.
pub async fn audit(
    store: &Store,
    blobs: &dyn Blobs,
    clock: Arc<dyn Clock>,
    depth: Depth,
) -> Result<Vec<Checked>, AuditError> {
    let mut checked = store.audit(Arc::clone(&clock)).await?;
    let mut walk =
        Walk { store, blobs, clock: &*clock, depth, since: clock.now().mono, found: BTreeMap::new() };
    for shard in 0..=u8::MAX {
        walk.shard(shard).await?;
    }
    walk.uploads().await?;
    let took = clock.now().elapsed(walk.since);
    if let (Depth::Bytes, Some(of_rows)) = (depth, checked.iter_mut().find(|one| one.id == Told::Other.id()))
    {
        let of_files = walk.told(Told::Other, took);
        of_rows.violations += of_files.violations;
        of_rows.rows.extend(of_files.rows);
        of_rows.rows.truncate(ROWS_TOLD);
        of_rows.took = of_rows.took.max(took);
    }
    checked.extend([walk.told(Told::LeftOver, took), walk.told(Told::Missing, took)]);
    checked.sort_by_key(|one| one.id.trim_start_matches("INV-").parse::<u32>().unwrap_or(u32::MAX));
    Ok(checked)
}

/// For tests: what the rows can show holds.
///
/// # Panics
/// With the broken promises in words where one does not, and where the rows cannot be read.
#[allow(clippy::panic)] // a test that goes on would show less
pub async fn assert_audit_clean(store: &Store, clock: Arc<dyn Clock>) {
    let checked = match store.audit(clock).await {
        Ok(checked) => checked,
        Err(error) => panic!("the rows cannot be audited: {error}"),
    };
    let broken: Vec<_> = checked.iter().filter(|one| one.violations > 0).collect();
    assert!(broken.is_empty(), "broken promises: {broken:#?}");
}

/// What can be wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    /// Nothing speaks of it.
    LeftOver,
    /// It should be there.
    Missing,
    /// It holds other bytes.
    Other,
}

impl Told {
    const fn id(self) -> &'static str {
        match self {
            Self::LeftOver => "INV-9",
            Self::Missing => "INV-10",
            Self::Other => "INV-8",
        }
    }

    const fn promise(self) -> &'static str {
        match self {
            Self::LeftOver => "every file of the store is spoken of, or will be gone within two days",
            Self::Missing => "what was once acknowledged is there",
            Self::Other => "every file holds the bytes of its name",
        }
    }
}

/// One walk through the files.
struct Walk<'a> {
    store: &'a Store,
    blobs: &'a dyn Blobs,
    clock: &'a dyn Clock,
    depth: Depth,
    since: Mono,
    found: BTreeMap<Told, (u64, Vec<String>)>,
}

impl Walk<'_> {
    fn tell(&mut self, what: Told, words: String) {
        let (count, told) = self.found.entry(what).or_default();
        *count += 1;
        if told.len() < ROWS_TOLD {
            told.push(words);
        }
    }

    fn told(&mut self, what: Told, took: Millis) -> Checked {
        let (violations, rows) = self.found.remove(&what).unwrap_or_default();
        Checked { id: what.id(), promise: what.promise(), violations, rows, took }
    }

    fn is_left_over(&self, written_at: UnixMillis) -> bool {
        written_at.until(self.clock.now().wall) > LEFT_OVER_AFTER
    }

    async fn shard(&mut self, shard: u8) -> Result<(), AuditError> {
        let rows = self.store.blob_rows_of_shard(shard).await?;
        let files: BTreeMap<BlobHash, UnixMillis> = self
            .blobs
            .list(shard)
            .await?
            .into_iter()
            .map(|Found { id, written_at }| (id, written_at))
            .collect();
        for row in &rows {
            if !files.contains_key(&row.hash) {
                self.missing(row).await?;
            } else if self.depth == Depth::Bytes {
                self.bytes(row).await?;
            }
        }
        let noted: BTreeSet<BlobHash> = rows.iter().map(|row| row.hash).collect();
        for (hash, written_at) in files {
            if !noted.contains(&hash)
                && self.is_left_over(written_at)
                && self.store.blob(hash).await?.is_none()
                && self.blobs.head(hash).await?.is_some()
            {
                self.tell(Told::LeftOver, format!("blob {hash} is stored, and nothing speaks of it"));
            }
        }
        Ok(())
    }

    /// Unless it came, or was dropped, in between.
    async fn missing(&mut self, row: &BlobRow) -> Result<(), AuditError> {
        if self.blobs.head(row.hash).await?.is_some() || self.store.blob(row.hash).await?.is_none() {
            return Ok(());
        }
        let what = match self.store.frame_with_blob(row.hash).await? {
            Some(frame) => format!("frame {} of job {}", frame.frame, frame.job_id),
            None => "an input or an upload".to_owned(),
        };
        let words = format!("blob {} of {} bytes is not there: {what}", row.hash, row.size);
        self.tell(Told::Missing, words);
        Ok(())
    }

    async fn bytes(&mut self, row: &BlobRow) -> Result<(), AuditError> {
        let (hash, mut size) = (row.hash, 0_u64);
        let mut stream = match self.blobs.get(hash, None).await {
            Ok((_, stream)) => stream,
            Err(BlobError::NotFound) => return self.missing(row).await,
            Err(error) => return Err(error.into()),
        };
        let mut hasher = blake3::Hasher::new();
        while let Some(bytes) = stream.next().await {
            let bytes = bytes.map_err(BlobError::Io)?;
            size += bytes.len() as u64;
            hasher.update(&bytes);
        }
        let found = BlobHash::from_bytes(*hasher.finalize().as_bytes());
        if found != hash {
            self.tell(Told::Other, format!("blob {hash} holds {size} bytes with the hash {found}"));
        } else if size != row.size {
            self.tell(Told::Other, format!("blob {hash} has {size} bytes, not the {} noted", row.size));
        }
        Ok(())
    }

    async fn uploads(&mut self) -> Result<(), AuditError> {
        for Found { id, written_at } in self.blobs.list_uploads().await? {
            if self.is_left_over(written_at) && self.store.upload_state(id).await?.is_none() {
                self.tell(
                    Told::LeftOver,
                    format!("parts of upload {id} are stored, and nothing speaks of them"),
                );
            }
        }
        Ok(())
    }
}
