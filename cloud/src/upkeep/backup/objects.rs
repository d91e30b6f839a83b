//! The bytes of a backup: files under their hashes, linked where the file system can, copied where not.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use pictor_actors::units::BlobHash;

use super::{BackupError, at, flush_folder};
use crate::blobs::{BlobError, Blobs};
use crate::store::BlobRow;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// What bringing a blob took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    /// It was there from an earlier backup.
    Already,
    /// It is new.
    New,
    /// The farm does not have it.
    Missing,
}

/// A folder of files under their hashes.
pub(super) struct Objects(PathBuf);

impl Objects {
    pub fn of(folder: &Path) -> Self {
        Self(folder.join("objects"))
    }

    pub fn file(&self, hash: BlobHash) -> PathBuf {
        let name = hash.to_string();
        self.0.join(&name[..2]).join(name)
    }

    /// Brings a blob of the farm, and looks whether it is what its name says.
    pub async fn bring(&self, blobs: &dyn Blobs, row: &BlobRow) -> Result<Brought, BackupError> {
        let target = self.file(row.hash);
        if fs::metadata(&target).is_ok_and(|found| found.len() == row.size) {
            return Ok(Brought::Already);
        }
        let part = self.part(&target)?;
        let is_linked = blobs.local_path(row.hash).is_some_and(|from| fs::hard_link(from, &part).is_ok());
        if !is_linked && !fetch(blobs, row.hash, &part).await? {
            return Ok(Brought::Missing);
        }
        self.keep(&part, &target, row)?;
        Ok(Brought::New)
    }

    /// Brings a file of a backup to a farm.
    pub fn take(&self, from: &Path, row: &BlobRow) -> Result<(), BackupError> {
        let target = self.file(row.hash);
        let part = self.part(&target)?;
        if fs::hard_link(from, &part).is_err() {
            fs::copy(from, &part).map_err(at(from))?;
        }
        self.keep(&part, &target, row)
    }

    /// A fresh name beside the target.
    fn part(&self, target: &Path) -> Result<PathBuf, BackupError> {
        let folder = target.parent().unwrap_or(target);
        if !folder.exists() {
            fs::create_dir_all(folder).map_err(at(folder))?;
            flush_folder(&self.0)?;
        }
        let part = target.with_extension("part");
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&part)(error)),
            _ => Ok(part),
        }
    }

    fn keep(&self, part: &Path, target: &Path, row: &BlobRow) -> Result<(), BackupError> {
        if let Some(problem) = problem_of(part, row)? {
            let _ = fs::remove_file(part); // a left-over is replaced by the next try
            return Err(BackupError::Unsound { what: "a blob is damaged", problems: vec![problem] });
        }
        File::open(part).and_then(|file| file.sync_all()).map_err(at(part))?;
        fs::rename(part, target).map_err(at(target))?;
        flush_folder(target.parent().unwrap_or(target))
    }
}

/// What is wrong with a file that should hold that blob.
pub(super) fn problem_of(file: &Path, row: &BlobRow) -> Result<Option<String>, BackupError> {
    let (found, size) = match hash_of(file) {
        Ok(found) => found,
        Err(BackupError::Disk { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(Some(format!("blob {} is not there", row.hash)));
        }
        Err(error) => return Err(error),
    };
    if found != row.hash {
        return Ok(Some(format!("blob {} holds {size} bytes with the hash {found}", row.hash)));
    }
    Ok((size != row.size).then(|| format!("blob {} has {size} bytes, not {}", row.hash, row.size)))
}

/// Hash and length of a file.
pub(super) fn hash_of(path: &Path) -> Result<(BlobHash, u64), BackupError> {
    let mut file = File::open(path).map_err(at(path))?;
    let (mut hasher, mut size, mut chunk) = (blake3::Hasher::new(), 0_u64, vec![0; CHUNK]);
    loop {
        let count = file.read(&mut chunk).map_err(at(path))?;
        if count == 0 {
            return Ok((BlobHash::from_bytes(*hasher.finalize().as_bytes()), size));
        }
        size += count as u64;
        hasher.update(&chunk[..count]);
    }
}

/// Writes a blob into a fresh file; false if there is no such blob.
async fn fetch(blobs: &dyn Blobs, hash: BlobHash, to: &Path) -> Result<bool, BackupError> {
    let mut stream = match blobs.get(hash, None).await {
        Ok((_, stream)) => stream,
        Err(BlobError::NotFound) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let mut file = File::create_new(to).map_err(at(to))?;
    while let Some(bytes) = stream.next().await {
        file.write_all(&bytes.map_err(BlobError::Io)?).map_err(at(to))?;
    }
    file.sync_all().map_err(at(to))?;
    Ok(true)
}
