//! Frames of one simulated worker until their receipt: in a folder, or only noted, since a simulated picture
//! can be made anew.
//!
//! Nothing is flushed to the disk: a fleet of thousands would wait for nothing else. A kill of the simulator
//! loses nothing, a power cut may.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use pictor_actors::ids::{JobId, LeaseId, WorkerId};
use pictor_actors::protocol::LeaseRef;
use pictor_actors::protocol::assignment::OutputFormat;
use pictor_worker_domain::outbox::{Entry, Key};

use crate::durable::TEMPORARY;
use crate::engines::fake::pixels;

/// A picture to be made.
#[derive(Debug, Clone, Copy)]
pub struct Picture {
    /// Whose machine.
    pub worker: WorkerId,
    /// Of which lease.
    pub lease: LeaseRef,
    /// Of which job.
    pub job: JobId,
    /// Which frame.
    pub frame: i32,
    /// In which format.
    pub format: OutputFormat,
    /// Pixels wide and high.
    pub resolution: (u32, u32),
    /// How long it took to render, as far as anybody shall know.
    pub render_ms: u64,
}

impl Picture {
    /// The file's bytes: always the same, and different from every other worker's, job's and frame's.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        let note = format!("{} {} {}", self.job, self.frame, self.worker);
        let (width, height) = self.resolution;
        pixels::picture(self.format, self.frame, width, height, &note).into()
    }
}

/// The frames that wait.
#[derive(Debug, Default)]
pub struct Spool {
    folder: Option<PathBuf>,
    kept: BTreeMap<Key, Kept>,
}

/// A frame as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its file.
    pub bytes: Bytes,
    /// In which format.
    pub format: OutputFormat,
    /// How long it took.
    pub render_ms: u64,
}

#[derive(Debug)]
struct Kept {
    entry: Entry,
    bytes: KeptBytes,
}

#[derive(Debug)]
enum KeptBytes {
    Made(Picture),
    File { path: PathBuf, format: OutputFormat, render_ms: u64 },
}

impl Spool {
    /// In a folder, with what an earlier run left there.
    pub fn open(folder: PathBuf) -> io::Result<(Self, Vec<Entry>)> {
        fs::create_dir_all(&folder)?;
        let (mut kept, mut entries) = (BTreeMap::new(), Vec::new());
        for file in fs::read_dir(&folder)? {
            let file = file?;
            let Some(found) = described(file.path(), file.metadata()?.len()) else { continue };
            entries.push(found.entry.clone());
            kept.insert(found.entry.key(), found);
        }
        Ok((Self { folder: Some(folder), kept }, entries))
    }

    /// Takes a picture in.
    pub fn keep(&mut self, picture: Picture) -> io::Result<Entry> {
        let Picture { lease, frame, job, format, render_ms, .. } = picture;
        let bytes = picture.bytes();
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let entry = Entry { lease, frame, job, size };
        let bytes = match &self.folder {
            None => KeptBytes::Made(picture),
            Some(folder) => {
                let path = folder.join(name_of(&entry, format, render_ms));
                let temporary = path.with_extension(TEMPORARY.trim_start_matches('.'));
                fs::write(&temporary, &bytes)?;
                fs::rename(&temporary, &path)?;
                KeptBytes::File { path, format, render_ms }
            }
        };
        self.kept.insert(entry.key(), Kept { entry: entry.clone(), bytes });
        Ok(entry)
    }

    /// A frame as it is sent.
    pub fn read(&self, key: Key) -> io::Result<Stored> {
        match self.kept.get(&key).map(|kept| &kept.bytes) {
            Some(KeptBytes::Made(picture)) => {
                let Picture { format, render_ms, .. } = *picture;
                Ok(Stored { bytes: picture.bytes(), format, render_ms })
            }
            Some(KeptBytes::File { path, format, render_ms }) => {
                Ok(Stored { bytes: fs::read(path)?.into(), format: *format, render_ms: *render_ms })
            }
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    /// What a frame is.
    #[must_use]
    pub fn entry(&self, key: Key) -> Option<Entry> {
        self.kept.get(&key).map(|kept| kept.entry.clone())
    }

    /// Every frame that waits.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.kept.values().map(|kept| kept.entry.clone()).collect()
    }

    /// Lets a frame go.
    pub fn remove(&mut self, key: Key) {
        if let Some(Kept { bytes: KeptBytes::File { path, .. }, .. }) = self.kept.remove(&key) {
            let _ = fs::remove_file(path); // else it is sent again at the next start, which the cloud takes
        }
    }
}

/// Everything that an entry says stands in its name: there is no second file to lose.
fn name_of(entry: &Entry, format: OutputFormat, render_ms: u64) -> String {
    let LeaseRef { lease, fence } = entry.lease;
    format!("{lease}.{fence}.{}.{}.{render_ms}.{}", entry.frame, entry.job, format.extension())
}

fn described(path: PathBuf, size: u64) -> Option<Kept> {
    let mut parts = path.file_name()?.to_str()?.split('.');
    let lease: LeaseId = parts.next()?.parse().ok()?;
    let fence = parts.next()?.parse().ok()?;
    let frame = parts.next()?.parse().ok()?;
    let job = parts.next()?.parse().ok()?;
    let render_ms = parts.next()?.parse().ok()?;
    let extension = parts.next()?;
    let format = [OutputFormat::Png, OutputFormat::Jpeg, OutputFormat::OpenExr]
        .into_iter()
        .find(|format| format.extension() == extension)?;
    let entry = Entry { lease: LeaseRef { lease, fence }, frame, job, size };
    Some(Kept { entry, bytes: KeptBytes::File { path, format, render_ms } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(frame: i32) -> Picture {
        Picture {
            worker: WorkerId::from_u128(1),
            lease: LeaseRef { lease: LeaseId::from_u128(2), fence: 3 },
            job: JobId::from_u128(4),
            frame,
            format: OutputFormat::Png,
            resolution: (16, 9),
            render_ms: 40,
        }
    }

    #[test]
    fn a_restart_finds_what_was_kept_and_half_written_files_count_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut spool, entries) = Spool::open(folder.path().join("spool")).unwrap();
        assert_eq!(entries, []);
        let kept = spool.keep(picture(-5)).unwrap();
        let gone = spool.keep(picture(6)).unwrap();
        spool.remove(gone.key());
        fs::write(folder.path().join("spool/half.tmp"), "half").unwrap();
        let (again, entries) = Spool::open(folder.path().join("spool")).unwrap();
        assert_eq!(entries, std::slice::from_ref(&kept));
        let stored = Stored { bytes: picture(-5).bytes(), format: OutputFormat::Png, render_ms: 40 };
        assert_eq!(again.read(kept.key()).unwrap(), stored);
        assert!(again.read(gone.key()).is_err());
    }

    #[test]
    fn a_picture_is_the_same_every_time_and_no_other_ones() {
        let mut spool = Spool::default();
        let entry = spool.keep(picture(1)).unwrap();
        let stored = spool.read(entry.key()).unwrap();
        assert_eq!((stored.bytes.len() as u64, &stored.bytes), (entry.size, &picture(1).bytes()));
        // Colours repeat after 256 frames; the bytes must not, or the cloud would keep one blob for both.
        assert_ne!(picture(1).bytes(), picture(257).bytes());
        let other = Picture { worker: WorkerId::from_u128(9), ..picture(1) };
        assert_ne!(picture(1).bytes(), other.bytes());
    }
}
