//! Making room: first folders of links that no lease uses, then blobs, the longest unused first.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use super::{Inputs, lock};

impl Inputs {
    /// Brings the cache below its bound, as far as that is possible without touching what a lease uses.
    pub(super) fn evict(&self) {
        let used = lock(&self.used).clone();
        let folders: BTreeSet<PathBuf> = used.values().filter_map(|used| used.folder.clone()).collect();
        let blobs: BTreeSet<String> =
            used.values().flat_map(|used| &used.blobs).map(ToString::to_string).collect();
        let mut candidates = Vec::new();
        let mut total = 0;
        for entry in fs::read_dir(self.folder.join("blobs")).into_iter().flatten().flatten() {
            let Ok(facts) = entry.metadata() else { continue };
            total += facts.len();
            let is_used = entry.file_name().to_str().is_some_and(|name| blobs.contains(name));
            if !is_used {
                candidates.push((
                    facts.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                    entry.path(),
                    facts.len(),
                ));
            }
        }
        if total <= self.bytes_max {
            return;
        }
        // A blob's room is free only when no folder links to it.
        for entry in fs::read_dir(self.folder.join("jobs")).into_iter().flatten().flatten() {
            if !folders.contains(&entry.path()) {
                let _ = fs::remove_dir_all(entry.path()); // tried again at the next eviction
            }
        }
        candidates.sort();
        for (_, path, size) in candidates {
            if total <= self.bytes_max {
                break;
            }
            match fs::remove_file(&path) {
                Ok(()) => total -= size,
                Err(error) => tracing::warn!(path = %path.display(), %error, "a cached input stays"),
            }
        }
    }
}
