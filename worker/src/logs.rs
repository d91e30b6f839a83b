//! The worker's own log: to standard error, and to a file of bounded size with a few older ones beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Older files that are kept beside the newest.
const OLDER_MAX: u32 = 4;
/// Name of the newest file.
const NEWEST: &str = "worker.log";

/// A log file that starts anew when it is full.
#[derive(Clone)]
pub struct RotatingFile(Arc<Mutex<Rotating>>);

struct Rotating {
    folder: PathBuf,
    bytes_max: u64,
    file: File,
    written: u64,
}

/// Begins to log. `level` as in "info" or "info,pictor_worker=debug".
pub fn start(folder: &Path, bytes_max: u64, level: &str) -> io::Result<()> {
    let targets: Targets = level.parse().map_err(|error| io::Error::other(format!("log level: {error}")))?;
    let file = RotatingFile::open(folder, bytes_max)?;
    tracing_subscriber::registry()
        .with(targets)
        .with(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(file))
        .with(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(io::stderr))
        .try_init()
        .map_err(io::Error::other)
}

/// The newest file's path in this folder.
#[must_use]
pub fn newest(folder: &Path) -> PathBuf {
    folder.join(NEWEST)
}

impl RotatingFile {
    /// The file in this folder, at most `bytes_max` long.
    pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        let file = open(folder)?;
        let written = file.metadata()?.len();
        Ok(Self(Arc::new(Mutex::new(Rotating { folder: folder.to_owned(), bytes_max, file, written }))))
    }
}

impl Rotating {
    fn rotate(&mut self) -> io::Result<()> {
        let older = |number: u32| self.folder.join(format!("{NEWEST}.{number}"));
        for number in (1..OLDER_MAX).rev() {
            if older(number).exists() {
                fs::rename(older(number), older(number + 1))?;
            }
        }
        fs::rename(newest(&self.folder), older(1))?;
        self.file = open(&self.folder)?;
        self.written = 0;
        Ok(())
    }
}

impl Write for &RotatingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rotating = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rotating.written > 0 && rotating.written + bytes.len() as u64 > rotating.bytes_max {
            rotating.rotate()?;
        }
        let written = rotating.file.write(bytes)?;
        rotating.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a log event is written to.
pub struct Into(RotatingFile);

impl Write for Into {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for RotatingFile {
    type Writer = Into;

    fn make_writer(&self) -> Into {
        Into(self.clone())
    }
}

fn open(folder: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(newest(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_stays_below_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let file = RotatingFile::open(folder.path(), 100).unwrap();
        for number in 0..100 {
            writeln!(&file, "line {number:>20}").unwrap();
        }
        let sizes: Vec<u64> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(sizes.len(), 1 + OLDER_MAX as usize);
        assert!(sizes.iter().all(|size| *size <= 100), "{sizes:?}");
        let text = fs::read_to_string(newest(folder.path())).unwrap();
        assert!(text.ends_with("99\n"), "{text}");
    }
}
