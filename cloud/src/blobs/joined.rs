//! Parts that came one after the other, in one file from the beginning: such an upload becomes a blob without
//! being written twice.
//!
//! The file's name says what of it counts (`joined-3-16777216-50000000`: three parts, the first two of that
//! size, so many bytes); it changes only after the bytes are on the disk, so what a broken line or a kill
//! left behind them is no part of it.

use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};

use pictor_actors::faults;
use tokio::fs::{self, File};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use super::staging::{copy, disk, flush_folder, injected};
use super::{BlobError, BytesIn};

/// The file and what of it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    pub path: PathBuf,
    /// Parts in it, from number 0.
    pub count: u32,
    /// Bytes of every part but perhaps the last.
    part_size: u64,
    /// Bytes of all.
    pub size: u64,
}

impl Joined {
    /// By its file's name; nothing for another file.
    pub fn of(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_prefix("joined-")?;
        let mut numbers = name.split('-');
        let mut next = || numbers.next()?.parse::<u64>().ok();
        let (count, part_size, size) = (next()?, next()?, next()?);
        Some(Self { count: u32::try_from(count).ok()?, part_size, size, path })
    }

    /// The name of a file that holds the first part alone.
    pub fn begun(folder: &Path, length: u64) -> PathBuf {
        named(folder, 1, length, length)
    }

    /// Whether that part can follow: it is the next one, and none before it was shorter than the first.
    pub fn takes(&self, part: u32, length: u64) -> bool {
        let is_even = u64::from(self.count).checked_mul(self.part_size) == Some(self.size);
        part == self.count && is_even && length <= self.part_size && !self.is_shared()
    }

    /// A blob has the same bytes by now: nothing more may be written to them.
    #[cfg(unix)]
    fn is_shared(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(&self.path).is_ok_and(|found| found.nlink() > 1)
    }

    #[cfg(not(unix))]
    fn is_shared(&self) -> bool {
        false
    }

    /// Where a part lies in it: its first byte and its length.
    pub fn place_of(&self, part: u32) -> (u64, u64) {
        let from = (u64::from(part) * self.part_size).min(self.size);
        (from, self.part_size.min(self.size - from))
    }

    /// Appends a part; what breaks off or has another length changes nothing.
    pub async fn append(self, body: BytesIn, length: u64) -> Result<(), BlobError> {
        let mut file = File::options().write(true).open(&self.path).await.map_err(disk)?;
        file.set_len(self.size).await.map_err(disk)?;
        file.seek(SeekFrom::Start(self.size)).await.map_err(disk)?;
        let found = copy(body, &mut file, length, |_| {}).await;
        // A write may be on its way to the disk still: it must not come after the next sender's.
        file.flush().await.map_err(disk)?;
        let found = found?;
        if found != length {
            return Err(BlobError::Incomplete { found, wanted: length });
        }
        faults::pass("part.filled").await.map_err(injected)?;
        file.sync_all().await.map_err(disk)?;
        faults::pass("part.flushed").await.map_err(injected)?;
        let folder = self.path.parent().unwrap_or(&self.path);
        let name = named(folder, self.count + 1, self.part_size, self.size + length);
        fs::rename(&self.path, name).await.map_err(disk)?;
        faults::pass("part.named").await.map_err(injected)?;
        flush_folder(folder).await
    }

    /// Another name for the same bytes, at which nothing was. Blocks.
    pub fn link(&self, to: &Path) -> io::Result<()> {
        let file = std::fs::File::options().write(true).open(&self.path)?;
        file.set_len(self.size)?;
        // It is as young as the blob that it becomes.
        #[allow(clippy::disallowed_methods)] // the file system's own time, which the sweep compares with
        file.set_modified(std::time::SystemTime::now())?;
        file.sync_all()?;
        std::fs::hard_link(&self.path, to)
    }
}

fn named(folder: &Path, count: u32, part_size: u64, size: u64) -> PathBuf {
    folder.join(format!("joined-{count}-{part_size}-{size}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_name_says_what_counts() {
        let joined = |name: &str| Joined::of(Path::new("/x").join(name));
        let three = joined("joined-3-16-40").unwrap();
        assert_eq!((three.count, three.size), (3, 40));
        assert_eq!((three.place_of(1), three.place_of(2)), ((16, 16), (32, 8)));
        assert!(!three.takes(3, 16), "after a short one nothing follows");
        let two = joined("joined-2-16-32").unwrap();
        assert!(two.takes(2, 16) && two.takes(2, 8) && !two.takes(2, 17) && !two.takes(1, 16));
        assert_eq!(Joined::of(Joined::begun(Path::new("/x"), 16)), joined("joined-1-16-16"));
        for other in ["7", "joined-", "joined-1-2", "joined-x-16-16", "joined-99999999999-1-1"] {
            assert_eq!(joined(other), None, "{other}");
        }
    }
}
