//! `logs`: the newest lines, and what comes after them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use super::{Exit, say};
use crate::config::DataDir;
use crate::logs;

/// How often a followed log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// At most this much of the end is read to find the last lines.
const TAIL_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub(super) async fn logs(data: &DataDir, follow: bool, lines: usize) -> Exit {
    let path = logs::newest(&data.logs());
    let mut at = match tail(&path, lines) {
        Ok((text, end)) => {
            text.lines().for_each(say::line);
            end
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && follow => 0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return say::fault(
                Exit::Failed,
                "there is no log yet: the worker has not run with this data folder",
            );
        }
        Err(error) => return say::fault(Exit::Failed, &format!("the log cannot be read: {error}")),
    };
    if !follow {
        return Exit::Done;
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = tokio::signal::ctrl_c() => return Exit::Done,
        }
        at = grown(&path, at).unwrap_or(at);
    }
}

fn tail(path: &Path, lines: usize) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len();
    file.seek(SeekFrom::Start(end.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let skipped = text.lines().count().saturating_sub(lines);
    Ok((text.lines().skip(skipped).collect::<Vec<_>>().join("\n"), end))
}

/// Prints whole lines from `at` on; the answer is where to go on. A file that shrank was started anew.
fn grown(path: &Path, at: u64) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let at = if file.metadata()?.len() < at { 0 } else { at };
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    String::from_utf8_lossy(&bytes[..whole]).lines().for_each(say::line);
    Ok(at + whole as u64)
}
