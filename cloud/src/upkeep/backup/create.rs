//! Makes a backup beside a cloud that runs.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use pictor_actors::now::Clock;
use pictor_actors::units::{BlobHash, Millis, UnixMillis};

use super::objects::{Brought, Objects, hash_of};
use super::verify::problems_of_rows;
use super::{BackupError, Backups, DATABASE, FORMAT, MANIFEST, Manifest, at, database_in, flush_folder};
use super::{PROBLEMS_TOLD, needs_sqlite};
use crate::blobs::{self, Blobs};
use crate::boot;
use crate::config::Config;
use crate::store::Store;

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its name: the moment, in UTC.
    pub name: String,
    /// Bytes of its database.
    pub database_bytes: u64,
    /// Blobs it speaks of.
    pub blobs: u64,
    /// Those of them that no earlier backup had brought.
    pub new_blobs: u64,
    /// Bytes of the new ones.
    pub new_bytes: u64,
}

/// What was counted on the way.
#[derive(Default)]
struct Counted {
    blobs: u64,
    bytes: u64,
    new_blobs: u64,
    new_bytes: u64,
    missing: Vec<BlobHash>,
}

/// Makes a backup of the farm of these settings in the folder of backups `to`. Until it was looked through it
/// has no name there.
///
/// # Errors
/// The farm's database is not SQLite, it or its copy breaks promises, or the disk fails.
pub async fn create(config: &Config, to: &Path, clock: Arc<dyn Clock>) -> Result<Created, BackupError> {
    needs_sqlite(config)?;
    boot::private_folder(to).map_err(|error| at(to)(std::io::Error::other(error)))?;
    let _lock = lock(to)?;
    let making = Backups(to).of(".making");
    if making.exists() {
        fs::remove_dir_all(&making).map_err(at(&making))?;
    }
    fs::create_dir_all(&making).map_err(at(&making))?;
    let made_at = clock.now().wall;
    let farm = Store::open_to_read(&config.database).await?;
    farm.copy_into(&making.join(DATABASE)).await?;
    let blobs = blobs::open_to_read(&config.blobs).await?;
    let counted = bring(&farm, &making, &*blobs, &Objects::of(to)).await?;
    farm.close().await;
    let manifest = looked_through(&making, made_at, &counted, clock).await?;
    let name = give_name(to, &making, made_at)?;
    Ok(Created {
        name,
        database_bytes: manifest.database_bytes,
        blobs: counted.blobs,
        new_blobs: counted.new_blobs,
        new_bytes: counted.new_bytes,
    })
}

/// One at a time in a folder of backups.
fn lock(to: &Path) -> Result<File, BackupError> {
    let path = to.join("lock");
    let file = File::create(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy(to.to_path_buf())),
        Err(TryLockError::Error(error)) => Err(at(&path)(error)),
    }
}

/// Brings what the copy speaks of. What nothing used, and was removed since the copy was made, is forgotten
/// in the copy too.
async fn bring(
    farm: &Store,
    making: &Path,
    blobs: &dyn Blobs,
    objects: &Objects,
) -> Result<Counted, BackupError> {
    let copy = Store::open_to_read(&database_in(making)).await?;
    let mut counted = Counted::default();
    for shard in 0..=u8::MAX {
        for row in copy.blob_rows_of_shard(shard).await? {
            match objects.bring(blobs, &row).await? {
                Brought::Missing if farm.blob(row.hash).await?.is_none() => {
                    counted.missing.push(row.hash);
                    continue;
                }
                Brought::Missing => return Err(lost(row.hash)),
                Brought::Already => {}
                Brought::New => {
                    counted.new_blobs += 1;
                    counted.new_bytes += row.size;
                }
            }
            counted.blobs += 1;
            counted.bytes += row.size;
        }
    }
    copy.close().await;
    Store::forget_in_copy(&database_in(making), &counted.missing).await?;
    Ok(counted)
}

fn lost(hash: BlobHash) -> BackupError {
    let problems =
        vec![format!("blob {hash} is not in the farm's store; `pictor-cloud audit` tells whose it is")];
    BackupError::Unsound { what: "the farm misses bytes, so no backup was made", problems }
}

async fn looked_through(
    making: &Path,
    made_at: UnixMillis,
    counted: &Counted,
    clock: Arc<dyn Clock>,
) -> Result<Manifest, BackupError> {
    let mut problems = problems_of_rows(making, clock).await?;
    if !problems.is_empty() {
        problems.truncate(PROBLEMS_TOLD);
        let what = "the farm breaks promises, so no backup was made (see `pictor-cloud audit`)";
        return Err(BackupError::Unsound { what, problems });
    }
    let database = making.join(DATABASE);
    File::open(&database).and_then(|file| file.sync_all()).map_err(at(&database))?;
    let (database_blake3, database_bytes) = hash_of(&database)?;
    let manifest = Manifest {
        format: FORMAT,
        made_at,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        database_bytes,
        database_blake3,
        blobs: counted.blobs,
        blob_bytes: counted.bytes,
    };
    let path = making.join(MANIFEST);
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| at(&path)(error.into()))?;
    fs::write(&path, text).map_err(at(&path))?;
    File::open(&path).and_then(|file| file.sync_all()).map_err(at(&path))?;
    flush_folder(making)?;
    Ok(manifest)
}

/// From here on it is a backup.
fn give_name(to: &Path, making: &Path, made_at: UnixMillis) -> Result<String, BackupError> {
    let mut moment = made_at;
    loop {
        let name = name_of(moment);
        let target: PathBuf = Backups(to).of(&name);
        if !target.exists() {
            fs::rename(making, &target).map_err(at(&target))?;
            flush_folder(target.parent().unwrap_or(to))?;
            return Ok(name);
        }
        moment = moment.plus(Millis(1));
    }
}

/// `20261123T152000.123Z`: names sort by time.
fn name_of(moment: UnixMillis) -> String {
    match Timestamp::from_millisecond(moment.0) {
        Ok(time) => format!("{}.{:03}Z", time.strftime("%Y%m%dT%H%M%S"), moment.0.rem_euclid(1_000)),
        Err(_) => format!("{:020}", moment.0),
    }
}
