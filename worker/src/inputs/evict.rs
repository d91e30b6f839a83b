//! Making room: first folders of links that no lease uses, then broken-off downloads, then blobs, the
//! longest unused first.
//!
//! What a lease claims while room is made stays: each thing is looked up among the used ones at the moment at
//! which it goes.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::units::{BlobHash, Millis};

use super::{Inputs, Used, lock};
use crate::durable;

/// A download that no lease goes on with is kept this long: its task may come back.
const PARTIAL_KEPT: Millis = Millis::from_secs(24 * 3600);

/// What lies in the cache.
pub(super) struct Survey {
    total: u64,
    folders: Vec<Piece>,
    partials: Vec<Piece>,
    blobs: Vec<Piece>,
}

/// One thing in it. The order is that of going.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    used_at: SystemTime,
    path: PathBuf,
    size: u64,
}

impl Inputs {
    /// Frees at least this much, and whatever the cache has above its bound, as far as that is possible
    /// without touching what a lease uses. Answers how much was freed. Blocks.
    pub fn make_room(&self, bytes: u64) -> u64 {
        let _alone = lock(&self.laying);
        self.make_room_alone(bytes)
    }

    /// The same for whoever holds `laying`.
    pub(super) fn make_room_alone(&self, bytes: u64) -> u64 {
        let found = self.survey();
        let above = found.total.saturating_sub(self.bytes_max);
        self.clear(found, bytes.max(above))
    }

    pub(super) fn survey(&self) -> Survey {
        let mut folders = pieces(&self.folder.join("jobs"));
        for folder in &mut folders {
            folder.size = copied_bytes(&folder.path);
        }
        let partials = pieces(&self.folder.join("partial"));
        let blobs = pieces(&self.folder.join("blobs"));
        let total = [&folders, &partials, &blobs].into_iter().flatten().map(|piece| piece.size).sum();
        Survey { total, folders, partials, blobs }
    }

    pub(super) fn clear(&self, found: Survey, wanted: u64) -> u64 {
        discard(&self.gone()); // what a crash left on its way out
        let old = durable::time_of(SystemClock.now().wall).checked_sub(PARTIAL_KEPT.to_duration());
        let mut freed = 0;
        for partial in found.partials {
            if freed < wanted || Some(partial.used_at) < old {
                freed += self.drop_file(&partial);
            }
        }
        if freed >= wanted {
            return freed;
        }
        // A blob's room is free only when no folder links to it.
        for folder in found.folders {
            let is_used = |used: &Used| used.folder.as_ref() == Some(&folder.path);
            freed += self.drop_unless(is_used, &folder);
        }
        for blob in found.blobs {
            if freed >= wanted {
                break;
            }
            freed += self.drop_file(&blob);
        }
        freed
    }

    fn drop_file(&self, piece: &Piece) -> u64 {
        let hash = hash_of(&piece.path);
        self.drop_unless(|used| hash.is_some_and(|hash| used.blobs.contains(&hash)), piece)
    }

    /// The lock is held for a rename only: a large file takes its time to go, and whoever begins a lease
    /// waits for the lock.
    fn drop_unless(&self, is_used: impl Fn(&Used) -> bool, piece: &Piece) -> u64 {
        let gone = self.gone();
        let used = lock(&self.used);
        if used.values().any(is_used) {
            return 0;
        }
        let moved = fs::rename(&piece.path, &gone);
        drop(used);
        match moved {
            Ok(()) => {
                discard(&gone);
                piece.size
            }
            Err(error) => {
                tracing::warn!(path = %piece.path.display(), %error, "a cached input stays");
                0
            }
        }
    }

    fn gone(&self) -> PathBuf {
        self.folder.join("gone")
    }
}

fn pieces(folder: &Path) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = entries(folder)
        .map(|(path, facts)| Piece {
            used_at: facts.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            size: facts.len(),
            path,
        })
        .collect();
    pieces.sort();
    pieces
}

fn entries(folder: &Path) -> impl Iterator<Item = (PathBuf, Metadata)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
}

/// Bytes of a job's folder that are its own: where there are no hard links it is made of copies.
fn copied_bytes(folder: &Path) -> u64 {
    let bytes = |(path, facts): (PathBuf, Metadata)| {
        if facts.is_dir() { copied_bytes(&path) } else { facts.len() * u64::from(is_copy(&facts)) }
    };
    entries(folder).map(bytes).sum()
}

#[cfg(unix)]
fn is_copy(facts: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(facts) == 1
}

/// The number of links cannot be asked for here, and the usual file system has them.
#[cfg(not(unix))]
fn is_copy(_: &Metadata) -> bool {
    false
}

fn hash_of(path: &Path) -> Option<BlobHash> {
    path.file_stem()?.to_str()?.parse().ok()
}

fn discard(path: &Path) {
    let done = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "an old input stays");
        }
        Ok(()) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pictor_actors::ids::LeaseId;

    use super::*;
    use crate::cloud::Cloud;

    const BOUND: u64 = 100;

    fn cache(folder: &Path) -> Inputs {
        let cloud = Cloud::new("http://127.0.0.1:9".parse().unwrap());
        Inputs::open(folder.to_owned(), BOUND, Arc::new(cloud)).unwrap()
    }

    fn hash(number: u8) -> BlobHash {
        BlobHash::from_bytes([number; 32])
    }

    /// A file of 60 bytes that was used so many hours ago.
    fn put(inputs: &Inputs, corner: &str, name: &str, hours_ago: u64) -> PathBuf {
        let path = inputs.folder.join(corner).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, [7; 60]).unwrap();
        let then =
            durable::time_of(SystemClock.now().wall) - Millis::from_secs(hours_ago * 3600).to_duration();
        fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
        path
    }

    fn put_blob(inputs: &Inputs, corner: &str, number: u8, hours_ago: u64) -> PathBuf {
        put(inputs, corner, &hash(number).to_string(), hours_ago)
    }

    #[test]
    fn the_bound_holds_for_partial_downloads_and_copies_too() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = cache(folder.path());
        let (used, unused) = (put_blob(&inputs, "partial", 1, 3), put_blob(&inputs, "partial", 2, 2));
        inputs.note(LeaseId::from_u128(1), [hash(1)]);
        assert_eq!(inputs.make_room(0), 60);
        assert!(used.exists() && !unused.exists(), "a lease goes on with the one, nobody with the other");

        let copy = put(&inputs, "jobs", "job-1/textures/wood.png", 1);
        assert_eq!(inputs.make_room(0), 60);
        assert!(used.exists() && !copy.exists());

        let blob = put_blob(&inputs, "blobs", 3, 1);
        let linked = inputs.folder.join("jobs/job-2");
        fs::create_dir_all(&linked).unwrap();
        fs::hard_link(&blob, linked.join("a.blend")).unwrap();
        fs::remove_file(used).unwrap();
        assert_eq!(inputs.make_room(0), 0, "a link takes no room of its own");
        assert!(blob.exists() && linked.exists());
    }

    #[test]
    fn a_download_that_nobody_goes_on_with_is_dropped_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = cache(folder.path());
        let (old, new) = (put_blob(&inputs, "partial", 1, 25), put(&inputs, "partial", "2", 23));
        fs::write(&new, [7; 30]).unwrap();
        inputs.make_room(0);
        assert!(!old.exists() && new.exists());
    }

    #[test]
    fn room_is_made_below_the_bound_when_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = cache(folder.path());
        let blob = put_blob(&inputs, "blobs", 1, 1);
        assert_eq!(inputs.make_room(0), 0);
        assert_eq!(inputs.make_room(1), 60);
        assert!(!blob.exists());
    }

    #[test]
    fn what_a_lease_claims_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = cache(folder.path());
        let blobs = [1, 2].map(|number| put_blob(&inputs, "blobs", number, u64::from(number)));
        let place = inputs.folder.join("jobs/job-1");
        fs::create_dir_all(&place).unwrap();
        let found = inputs.survey();
        inputs.note(LeaseId::from_u128(1), [hash(2)]);
        lock(&inputs.used).get_mut(&LeaseId::from_u128(1)).unwrap().folder = Some(place.clone());
        assert_eq!(inputs.clear(found, u64::MAX), 60);
        assert!(!blobs[0].exists() && blobs[1].exists() && place.exists());
        inputs.release(LeaseId::from_u128(1));
        inputs.make_room(u64::MAX);
        assert!(!blobs[1].exists() && !place.exists() && !inputs.gone().exists());
    }
}
