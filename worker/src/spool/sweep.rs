//! What a start finds in the spool, and the corner for frames that nobody wants.
//!
//! An unwanted frame stays for a day, within bounds: if the cloud's no was a mistake, the pixels are still
//! there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::UNIX_EPOCH;

use pictor_actors::units::{Millis, UnixMillis};
use pictor_worker_domain::outbox;

use super::{FRAME, MANIFEST, Manifest, Spool, TEMPORARY};
use crate::durable;

/// How long an unwanted frame stays.
const UNWANTED_FOR: Millis = Millis::from_secs(24 * 3600);
/// All unwanted frames together take at most this much.
const UNWANTED_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Folder of the unwanted ones.
const UNWANTED: &str = "unwanted";

impl Spool {
    /// Every whole entry, oldest first. Half ones are swept away, damaged ones set aside.
    pub fn scan(&self) -> io::Result<Vec<Manifest>> {
        let _alone = self.sweeping.write().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        for path in files_in(&self.folder)? {
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(MANIFEST) => self.take_up(&path, &mut found),
                Some(FRAME) if !path.with_extension(MANIFEST).exists() => drop_rest(&path),
                Some(ending) if TEMPORARY.ends_with(ending) => drop_rest(&path),
                Some(_) | None => {}
            }
        }
        found.sort_by_key(Manifest::spooled_at);
        Ok(found)
    }

    /// Sets an entry aside that nobody wants.
    pub fn discard(&self, key: outbox::Key) -> io::Result<()> {
        self.set_aside(&self.path(key, MANIFEST));
        self.set_aside(&self.path(key, FRAME));
        durable::sync_folder_of(&self.path(key, FRAME))
    }

    /// Deletes what has been unwanted for long enough, and the oldest above the bound.
    pub fn sweep_unwanted(&self, now: UnixMillis) -> io::Result<()> {
        let folder = self.folder.join(UNWANTED);
        if !folder.exists() {
            return Ok(());
        }
        let mut by_age = BTreeMap::new();
        for path in files_in(&folder)? {
            let facts = fs::metadata(&path)?;
            let age = facts.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let since = UnixMillis(i64::try_from(age.as_millis()).unwrap_or(0));
            by_age.insert((since, path), facts.len());
        }
        let mut total: u64 = by_age.values().sum();
        for ((since, path), size) in by_age {
            if since.until(now) > UNWANTED_FOR || total > UNWANTED_BYTES_MAX {
                fs::remove_file(path)?;
                total -= size;
            }
        }
        Ok(())
    }

    fn take_up(&self, path: &Path, found: &mut Vec<Manifest>) {
        let whole = super::manifest::read(path).and_then(|manifest| self.manifest(manifest.entry().key()));
        match whole {
            Ok(manifest) => found.push(manifest),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a frame is not whole: set aside");
                self.set_aside(path);
                self.set_aside(&path.with_extension(FRAME));
            }
        }
    }

    fn set_aside(&self, path: &Path) {
        let folder = self.folder.join(UNWANTED);
        let Some(name) = path.file_name().filter(|_| path.exists()) else { return };
        let moved = fs::create_dir_all(&folder).and_then(|()| fs::rename(path, folder.join(name)));
        if let Err(error) = moved {
            tracing::warn!(path = %path.display(), %error, "could not be set aside: deleted");
            let _ = fs::remove_file(path);
        }
    }
}

fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn drop_rest(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "a rest of a crash stays in the spool");
    }
}
