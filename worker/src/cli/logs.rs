//! The worker's own log: as text to standard error, and as JSON lines to a file of bounded size with a few
//! older ones beside it. A line has `timestamp` (RFC 3339, UTC), `level`, `target` and `fields`, of which one
//! is `message`; programs read them by `pictor-worker logs --json`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Subscriber;
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
    subscriber(folder, bytes_max, level)?.try_init().map_err(io::Error::other)
}

/// What [`start`] makes the whole process log to.
pub fn subscriber(
    folder: &Path,
    bytes_max: u64,
    level: &str,
) -> io::Result<impl Subscriber + Send + Sync + use<>> {
    let targets: Targets = level.parse().map_err(|error| io::Error::other(format!("log level: {error}")))?;
    let file = RotatingFile::open(folder, bytes_max)?;
    let lines = tracing_subscriber::fmt::layer().json().with_current_span(false).with_span_list(false);
    let text = tracing_subscriber::fmt::layer().with_ansi(false);
    let registry = tracing_subscriber::registry().with(targets);
    Ok(registry.with(lines.with_writer(file)).with(text.with_writer(io::stderr)))
}

/// The newest file's path in this folder.
#[must_use]
pub fn newest(folder: &Path) -> PathBuf {
    folder.join(NEWEST)
}

/// Path of the file that was the newest before the last few: 1 is the youngest of the older ones.
#[must_use]
pub fn older(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{NEWEST}.{number}"))
}

/// The last `lines` lines of all files together, oldest first, and how far the newest file was read.
pub fn last_lines(folder: &Path, lines: usize) -> io::Result<(Vec<String>, u64)> {
    let (mut last, end) = lines_of(&newest(folder))?;
    for number in 1..=OLDER_MAX {
        if last.len() >= lines {
            break;
        }
        match lines_of(&older(folder, number)) {
            Ok((mut before, _)) => {
                before.append(&mut last);
                last = before;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    last.drain(..last.len().saturating_sub(lines));
    Ok((last, end))
}

/// The whole lines of a file, which is bounded, and where they end.
fn lines_of(path: &Path) -> io::Result<(Vec<String>, u64)> {
    let bytes = fs::read(path)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let text = String::from_utf8_lossy(&bytes[..whole]);
    Ok((text.lines().map(str::to_owned).collect(), whole as u64))
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
        let older = |number: u32| older(&self.folder, number);
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
            // An event is one write, so that no line is cut.
            (&file).write_all(format!("line {number:>20}\n").as_bytes()).unwrap();
        }
        let sizes: Vec<u64> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(sizes.len(), 1 + OLDER_MAX as usize);
        assert!(sizes.iter().all(|size| *size <= 100), "{sizes:?}");
        let text = fs::read_to_string(newest(folder.path())).unwrap();
        assert!(text.ends_with("99\n"), "{text}");

        let last = |lines| last_lines(folder.path(), lines).unwrap().0;
        assert_eq!(last(1), ["line                   99"]);
        let numbers: Vec<u32> =
            last(usize::MAX).iter().map(|line| line[5..].trim().parse().unwrap()).collect();
        assert_eq!(numbers, (87..100).collect::<Vec<_>>(), "older files come first, without a gap");
        assert_eq!(last(7), last(usize::MAX)[6..]);
    }
}
