//! Whether a backup is sound: its database whole and its promises kept, every blob there with its bytes.

use std::path::Path;
use std::sync::Arc;

use pictor_actors::now::Clock;
use pictor_actors::units::UnixMillis;

use super::objects::{Objects, hash_of, problem_of};
use super::{BackupError, Backups, DATABASE, FORMAT, MANIFEST, Manifest, PROBLEMS_TOLD, at, database_in};
use crate::store::Store;

/// A backup that is sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its name.
    pub name: String,
    /// Its moment.
    pub made_at: UnixMillis,
    /// Blobs that were read and found right.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Reads a whole backup (the newest, if none is named) and compares it with what it should be.
///
/// # Errors
/// There is none, it is not sound (in words, a few problems one by one), or the disk fails.
pub async fn verify(
    folder: &Path,
    name: Option<&str>,
    clock: Arc<dyn Clock>,
) -> Result<Verified, BackupError> {
    let name = Backups(folder).find(name)?;
    let backup = Backups(folder).of(&name);
    let manifest = manifest_of(&backup)?;
    let (found, bytes) = hash_of(&backup.join(DATABASE))?;
    if (found, bytes) != (manifest.database_blake3, manifest.database_bytes) {
        let words = format!(
            "its database has {bytes} bytes with the hash {found}, not {} with {}",
            manifest.database_bytes, manifest.database_blake3
        );
        return Err(unsound(vec![words]));
    }
    let mut problems = problems_of_rows(&backup, clock).await?;
    let mut verified = Verified { name, made_at: manifest.made_at, blobs: 0, bytes: 0 };
    let (store, objects) = (Store::open_to_read(&database_in(&backup)).await?, Objects::of(folder));
    for shard in 0..=u8::MAX {
        for row in store.blob_rows_of_shard(shard).await? {
            problems.extend(problem_of(&objects.file(row.hash), &row)?);
            verified.blobs += 1;
            verified.bytes += row.size;
        }
    }
    store.close().await;
    if (verified.blobs, verified.bytes) != (manifest.blobs, manifest.blob_bytes) {
        problems.push(format!("it speaks of {} blobs, not {}", verified.blobs, manifest.blobs));
    }
    if problems.is_empty() { Ok(verified) } else { Err(unsound(problems)) }
}

fn unsound(mut problems: Vec<String>) -> BackupError {
    let untold = problems.len().saturating_sub(PROBLEMS_TOLD);
    problems.truncate(PROBLEMS_TOLD);
    if untold > 0 {
        problems.push(format!("and {untold} more"));
    }
    BackupError::Unsound { what: "this backup is damaged: use another one", problems }
}

fn manifest_of(backup: &Path) -> Result<Manifest, BackupError> {
    let path = backup.join(MANIFEST);
    let text = std::fs::read(&path).map_err(at(&path))?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| unsound(vec![format!("{} cannot be read: {error}", path.display())]))?;
    if manifest.format != FORMAT {
        let words = format!(
            "it has format {}, of another version of pictor-cloud ({}): use that version",
            manifest.format, manifest.program
        );
        return Err(unsound(vec![words]));
    }
    Ok(manifest)
}

/// What is wrong with the database in this folder.
pub(super) async fn problems_of_rows(
    folder: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Vec<String>, BackupError> {
    let store = Store::open_to_read(&database_in(folder)).await?;
    let mut problems = store.damages().await?;
    if problems.is_empty() {
        for one in store.audit(clock).await? {
            problems.extend(one.rows.iter().map(|row| format!("{} ({}): {row}", one.id, one.promise)));
        }
    }
    store.close().await;
    Ok(problems)
}
