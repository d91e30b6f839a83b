//! Puts a backup back: beside the target first, whole and looked through, then in one step in its place.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pictor_actors::now::Clock;

use super::objects::Objects;
use super::verify::{Verified, verify};
use super::{BackupError, Backups, DATABASE, at, database_in, flush_folder, needs_sqlite};
use crate::boot;
use crate::config::Config;
use crate::store::Store;

/// A farm that was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The backup.
    pub backup: Verified,
    /// Where it lies.
    pub data_dir: PathBuf,
}

/// Restores a backup (the newest, if none is named) into the data folder of these settings.
///
/// # Errors
/// The folder holds something, the settings put parts of the farm elsewhere, the backup is not sound, or the
/// disk fails; then the target is as it was.
pub async fn restore(
    config: &Config,
    folder: &Path,
    name: Option<&str>,
    clock: Arc<dyn Clock>,
) -> Result<Restored, BackupError> {
    needs_sqlite(config)?;
    let data_dir = &config.data_dir;
    if config.database.url != database_in(data_dir).url {
        return Err(BackupError::Elsewhere { setting: "database.url" });
    }
    if config.blobs.url.is_some() {
        return Err(BackupError::Elsewhere { setting: "blobs.url" });
    }
    if config.blobs.dir != data_dir.join("blobs") {
        return Err(BackupError::Elsewhere { setting: "blobs.dir" });
    }
    needs_empty(data_dir)?;
    let backup = verify(folder, name, clock).await?;
    let beside = beside(data_dir);
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(at(&beside))?;
    }
    boot::private_folder(&beside).map_err(|error| at(&beside)(io::Error::other(error)))?;
    fill(&beside, folder, &backup.name).await?;
    // Of an empty folder the rename takes the place on Unix only.
    if data_dir.exists() {
        fs::remove_dir(data_dir).map_err(at(data_dir))?;
    }
    fs::rename(&beside, data_dir).map_err(at(data_dir))?;
    flush_folder(beside.parent().unwrap_or(&beside))?;
    Ok(Restored { backup, data_dir: data_dir.clone() })
}

fn needs_empty(data_dir: &Path) -> Result<(), BackupError> {
    match fs::read_dir(data_dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                Err(BackupError::NotEmpty(data_dir.to_path_buf()))
            } else {
                Ok(())
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(data_dir)(error)),
    }
}

/// In the same folder as the target, so that one rename is enough.
fn beside(data_dir: &Path) -> PathBuf {
    let name = data_dir.file_name().unwrap_or_default().to_string_lossy();
    data_dir.with_file_name(format!(".{name}.restoring"))
}

async fn fill(beside: &Path, folder: &Path, name: &str) -> Result<(), BackupError> {
    let database = beside.join(DATABASE);
    fs::copy(Backups(folder).of(name).join(DATABASE), &database).map_err(at(&database))?;
    File::open(&database).and_then(|file| file.sync_all()).map_err(at(&database))?;
    let (from, to) = (Objects::of(folder), Objects::of(&beside.join("blobs")));
    let store = Store::open_to_read(&database_in(&Backups(folder).of(name))).await?;
    for shard in 0..=u8::MAX {
        for row in store.blob_rows_of_shard(shard).await? {
            to.take(&from.file(row.hash), &row)?;
        }
    }
    store.close().await;
    flush_folder(beside)
}
