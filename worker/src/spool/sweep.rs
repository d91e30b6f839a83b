//! What a start finds in the spool, and the corner for frames that nobody wants.
//!
//! An unwanted frame stays for a day, within bounds: if the cloud's no was a mistake, the pixels are still
//! there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use pictor_actors::now::{Clock, SystemClock};
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

/// What a look through the spool brought.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Every whole entry, the oldest first.
    pub entries: Vec<Manifest>,
    /// Entries that could not be read this time, and were left as they are.
    pub unread: usize,
}

impl Spool {
    /// Looks for whole entries. Half ones are swept away, damaged ones set aside.
    pub fn scan(&self) -> io::Result<Scanned> {
        let _alone = self.sweeping.write().unwrap_or_else(PoisonError::into_inner);
        let mut found = Scanned::default();
        for path in files_in(&self.folder)? {
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(MANIFEST) => self.take_up(&path, &mut found),
                Some(FRAME) if !path.with_extension(MANIFEST).exists() => drop_rest(&path),
                Some(ending) if TEMPORARY.ends_with(ending) => drop_rest(&path),
                Some(_) | None => {}
            }
        }
        found.entries.sort_by_key(Manifest::spooled_at);
        Ok(found)
    }

    /// Sets an entry aside that nobody wants, and keeps the corner of the unwanted within its bounds.
    pub fn discard(&self, key: outbox::Key, now: UnixMillis) -> io::Result<()> {
        let aside = self.sweeping.read().unwrap_or_else(PoisonError::into_inner);
        self.set_aside(&self.path(key, MANIFEST));
        self.set_aside(&self.path(key, FRAME));
        drop(aside);
        durable::sync_folder_of(&self.path(key, FRAME))?;
        self.unwanted.has_more.store(true, Ordering::SeqCst);
        // Whoever waited for a sweep that began after this frame came needs none of its own: a whole lease is
        // discarded at once.
        let _turn = self.unwanted.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.unwanted.has_more.swap(false, Ordering::SeqCst) { self.sweep_alone(now) } else { Ok(()) }
    }

    /// Deletes what has been unwanted for long enough, and the oldest above the bound.
    pub fn sweep_unwanted(&self, now: UnixMillis) -> io::Result<()> {
        let _turn = self.unwanted.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.sweep_alone(now)
    }

    fn sweep_alone(&self, now: UnixMillis) -> io::Result<()> {
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

    fn take_up(&self, path: &Path, found: &mut Scanned) {
        let whole = super::manifest::read(path).and_then(|manifest| self.manifest(manifest.entry().key()));
        match whole {
            Ok(manifest) => found.entries.push(manifest),
            Err(error) if !error.is_for_good() => {
                found.unread += 1;
                tracing::warn!(path = %path.display(), ?error, "a frame cannot be read now: looked at again");
            }
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
        let target = folder.join(name);
        let moved = fs::create_dir_all(&folder).and_then(|()| fs::rename(path, &target));
        if moved.is_ok() {
            // Its day begins now, however long it waited for the cloud before; without that it only goes
            // sooner.
            let _ = durable::touch(&target, SystemClock.now().wall);
        }
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use pictor_actors::ids::{JobId, LeaseId, TaskId};
    use pictor_actors::protocol::LeaseRef;
    use pictor_actors::protocol::assignment::OutputFormat;

    use super::*;
    use crate::spool::FrameFacts;

    /// An unwanted file of this size that came there so many hours ago; it takes no room on the disk.
    fn unwanted(folder: &Path, size: u64, hours_ago: u64) -> PathBuf {
        let path = folder.join(UNWANTED).join(format!("{hours_ago}.{FRAME}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(&path).unwrap();
        file.set_len(size).unwrap();
        let ago = Millis::from_secs(hours_ago * 3600).to_duration();
        file.set_modified(durable::time_of(SystemClock.now().wall) - ago).unwrap();
        path
    }

    #[test]
    fn each_frame_that_comes_to_the_unwanted_keeps_them_within_their_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::at(folder.path().to_owned());
        let old = unwanted(folder.path(), 1, 25);
        let [large, last] = [3, 2].map(|hours| unwanted(folder.path(), UNWANTED_BYTES_MAX - 1_000, hours));
        let source = folder.path().join("frame.png");
        fs::write(&source, [7; 100]).unwrap();
        let facts = FrameFacts {
            lease: LeaseRef { lease: LeaseId::from_u128(1), fence: 3 },
            task: TaskId::from_u128(2),
            job: JobId::from_u128(3),
            frame: 5,
            format: OutputFormat::Png,
            render_ms: 40,
        };
        let now = SystemClock.now().wall;
        let key = spool.keep(&source, &facts, now).unwrap().entry().key();
        let waited = now.0 - 3 * 86_400_000;
        durable::touch(&spool.frame_path(key), UnixMillis(waited)).unwrap();
        spool.discard(key, now).unwrap();
        assert!(!old.exists() && !large.exists() && last.exists());
        let name = spool.frame_path(key).file_name().unwrap().to_owned();
        assert!(folder.path().join(UNWANTED).join(name).exists(), "its day has only begun");
    }
}
