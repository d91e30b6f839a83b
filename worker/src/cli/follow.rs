//! `logs`: the newest lines, and what comes after them; as text, or as the JSON lines that the files hold.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use super::logs;
use super::{Exit, say};
use crate::config::DataDir;

/// How often a followed log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// At most this much is read at one look.
const LOOK_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How many lines to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lines(usize);

impl Lines {
    /// A number, or "all".
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self(usize::MAX)),
            number => number.parse().map(Self).map_err(|_| "write a number of lines, or all".to_owned()),
        }
    }
}

pub(super) async fn logs(data: &DataDir, follow: bool, lines: Lines, json: bool) -> Exit {
    let folder = data.logs();
    let print = |line: &str| if json { say::line(line) } else { say::line(&readable(line)) };
    let mut at = match logs::last_lines(&folder, lines.0) {
        Ok((last, end)) => {
            last.iter().for_each(|line| print(line));
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
        at = grown(&folder, at, &print).unwrap_or(at);
    }
}

/// Prints whole lines from `at` on; the answer is where to go on. A file that shrank was started anew: what
/// came before that is at the end of the youngest older one.
fn grown(folder: &Path, at: u64, print: &impl Fn(&str)) -> io::Result<u64> {
    let newest = logs::newest(folder);
    if std::fs::metadata(&newest)?.len() >= at {
        return from(&newest, at, print);
    }
    from(&logs::older(folder, 1), at, print)?;
    from(&newest, 0, print)
}

fn from(path: &Path, at: u64, print: &impl Fn(&str)) -> io::Result<u64> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(LOOK_BYTES_MAX).read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    String::from_utf8_lossy(&bytes[..whole]).lines().for_each(print);
    Ok(at + whole as u64)
}

/// A line for people. What is not one of ours (an older version wrote text) is shown as it is.
fn readable(line: &str) -> String {
    let Ok(Value::Object(mut entry)) = serde_json::from_str(line) else { return line.to_owned() };
    let mut fields = match entry.remove("fields") {
        Some(Value::Object(fields)) => fields,
        Some(_) | None => Map::new(),
    };
    let word = |value: Option<Value>| value.as_ref().map_or_else(String::new, plain);
    let (at, level) = (word(entry.remove("timestamp")), word(entry.remove("level")));
    let message = word(fields.remove("message"));
    let mut text = format!("{at} {level:>5} {message}");
    for (name, value) in &fields {
        text.push_str(&format!(" {name}={}", plain(value)));
    }
    text
}

/// Text without its quotes, unless it would not be told from its neighbours.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_are_shown_as_text_and_foreign_ones_as_they_are() {
        let line = r#"{"timestamp":"2026-11-23T12:00:00.123456Z","level":"INFO","target":"t","fields":
            {"message":"frame started","job.id":"job_1","frame":7}}"#;
        let text = "2026-11-23T12:00:00.123456Z  INFO frame started frame=7 job.id=job_1";
        assert_eq!(readable(&line.replace('\n', "")), text);
        for foreign in ["", "2026 INFO text", "[1]", "{", "7"] {
            assert_eq!(readable(foreign), foreign);
        }
        assert_eq!(Lines::parse("all"), Ok(Lines(usize::MAX)));
        assert_eq!(Lines::parse("20"), Ok(Lines(20)));
        assert!(Lines::parse("-1").is_err());
    }

    #[test]
    fn a_followed_log_loses_nothing_when_its_file_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let file = logs::RotatingFile::open(folder.path(), 60).unwrap();
        let seen = RefCell::new(Vec::new());
        let mut at = 0;
        for number in 0..20 {
            (&file).write_all(format!("line {number:>9}\n").as_bytes()).unwrap();
            if number % 3 == 0 {
                at = grown(folder.path(), at, &|line: &str| seen.borrow_mut().push(line.to_owned())).unwrap();
            }
        }
        let wanted: Vec<_> = (0..19).map(|number| format!("line {number:>9}")).collect();
        assert_eq!(seen.into_inner(), wanted);
    }
}
