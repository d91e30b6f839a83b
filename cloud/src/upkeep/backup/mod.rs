//! Backups of a farm that keeps its rows in SQLite and its blobs in a folder: made while the cloud runs,
//! looked through before they count, restored whole or not at all.
//!
//! ```text
//! BACKUPS/objects/ab/ab12…                 blobs, shared by all backups: each is brought once
//! BACKUPS/backups/20261123T152000.123Z/    one backup: pictor.db and backup.json
//! ```
//!
//! A backup holds every row and all bytes that they speak of, as of one moment; of uploads under way it holds
//! nothing. PostgreSQL and object stores have tools of their own: see the README.

mod create;
mod objects;
mod restore;
mod verify;

use std::io;
use std::path::{Path, PathBuf};

use pictor_actors::units::{BlobHash, UnixMillis};
use serde::{Deserialize, Serialize};

pub use create::{Created, create};
pub use restore::{Restored, restore};
pub use verify::{Verified, verify};

use crate::blobs::BlobError;
use crate::config::{Config, DatabaseConfig};
use crate::store::StoreError;

/// The version of what a backup's folder holds.
const FORMAT: u32 = 1;
const DATABASE: &str = "pictor.db";
const MANIFEST: &str = "backup.json";
/// Problems of a backup that are told one by one.
const PROBLEMS_TOLD: usize = 20;

/// Why a backup was not made, not found sound or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Another database than SQLite.
    #[error(
        "only the built-in SQLite database is backed up so; for PostgreSQL keep base backups and archive its \
         log (pg_basebackup and archive_command), which restores any moment, and keep blobs as long"
    )]
    OtherDatabase,
    /// Nothing to restore.
    #[error("there is no backup {name} in {}", folder.display())]
    NoBackup {
        /// Where it was looked for.
        folder: PathBuf,
        /// Its name.
        name: String,
    },
    /// Somebody else is at it.
    #[error("another backup is being made in {}: wait for it", .0.display())]
    Busy(PathBuf),
    /// The farm or its copy breaks promises.
    #[error("{what}:\n  {}", problems.join("\n  "))]
    Unsound {
        /// What is unsound and what to do.
        what: &'static str,
        /// Why, a few of them.
        problems: Vec<String>,
    },
    /// There is something where the farm should go.
    #[error("{} is not empty: restore into a folder that is empty or not there", .0.display())]
    NotEmpty(PathBuf),
    /// The settings put the farm's parts elsewhere.
    #[error("a restored farm lies whole in its data folder, but {setting} is set to another place: unset it")]
    Elsewhere {
        /// Which setting.
        setting: &'static str,
    },
    /// The database cannot be read.
    #[error("the database cannot be copied or read")]
    Store(#[from] StoreError),
    /// Blobs cannot be read.
    #[error("the blobs cannot be read")]
    Blobs(#[from] BlobError),
    /// The disk.
    #[error("{} cannot be read or written", path.display())]
    Disk {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What `backup.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    /// Version of the folder's layout.
    format: u32,
    /// When its moment was.
    made_at: UnixMillis,
    /// Version of the program that made it.
    program: String,
    /// Bytes of the database.
    database_bytes: u64,
    /// Its hash.
    database_blake3: BlobHash,
    /// Blobs it speaks of.
    blobs: u64,
    /// Their bytes.
    blob_bytes: u64,
}

/// The folder of all backups.
struct Backups<'a>(&'a Path);

impl Backups<'_> {
    fn of(&self, name: &str) -> PathBuf {
        self.0.join("backups").join(name)
    }

    /// The backup of that name; the newest, if none was named.
    fn find(&self, name: Option<&str>) -> Result<String, BackupError> {
        let missing =
            |name: &str| BackupError::NoBackup { folder: self.0.to_path_buf(), name: name.to_owned() };
        let folder = self.0.join("backups");
        if let Some(name) = name {
            let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
            let is_there = is_plain && folder.join(name).join(MANIFEST).is_file();
            return if is_there { Ok(name.to_owned()) } else { Err(missing(name)) };
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(|_| missing("at all"))? {
            let name = entry.map_err(at(&folder))?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && folder.join(&name).join(MANIFEST).is_file() {
                names.push(name);
            }
        }
        names.into_iter().max().ok_or_else(|| missing("at all"))
    }
}

/// Names the path in an error of the disk.
fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError + '_ {
    move |source| BackupError::Disk { path: path.to_path_buf(), source }
}

/// SQLite's file of a folder.
fn database_in(folder: &Path) -> DatabaseConfig {
    DatabaseConfig::in_folder(folder)
}

/// Only what lies in SQLite is backed up so.
fn needs_sqlite(config: &Config) -> Result<(), BackupError> {
    if config.database.is_one_process() { Ok(()) } else { Err(BackupError::OtherDatabase) }
}

/// Makes the names in a folder durable. Only Unix knows that.
fn flush_folder(folder: &Path) -> Result<(), BackupError> {
    if cfg!(unix) {
        std::fs::File::open(folder).and_then(|file| file.sync_all()).map_err(at(folder))?;
    }
    Ok(())
}
