//! The owner's pause on disk, so that it outlives a restart, and the lengths a person may write ("2h").

use std::fs;
use std::io;

use pictor_actors::units::{Millis, UnixMillis};
use pictor_worker_domain::presence::Span;
use serde::{Deserialize, Serialize};

use super::DataDir;
use crate::durable::{self, Secrecy};

#[derive(Serialize, Deserialize)]
struct SavedPause {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<UnixMillis>,
}

/// The pause that was written down. A file that cannot be read counts as a pause: the owner wanted one.
#[must_use]
pub fn load(data: &DataDir) -> Option<Span> {
    match fs::read_to_string(data.pause()) {
        Ok(text) => {
            let until = toml::from_str::<SavedPause>(&text).ok().and_then(|saved| saved.until);
            Some(until.map_or(Span::Open, Span::Until))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some(Span::Open),
    }
}

/// Writes a pause down, or that there is none.
pub fn save(data: &DataDir, pause: Option<Span>) -> io::Result<()> {
    let Some(span) = pause else {
        return match fs::remove_file(data.pause()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        };
    };
    let text = toml::to_string(&SavedPause { until: span.end() }).map_err(io::Error::other)?;
    durable::replace(&data.pause(), text.as_bytes(), Secrecy::Plain)
}

/// A length as a person writes it: a whole number with `s`, `m`, `h` or `d`.
///
/// # Errors
/// The text says what would be right.
pub fn parse_length(text: &str) -> Result<Millis, String> {
    let wrong = || format!("{text:?} is not a length of time: write 90s, 30m, 2h or 1d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    // A year bounds it: more is a slip of the key, and an open pause is what was meant.
    let total =
        count.checked_mul(seconds).filter(|total| (1..=31_536_000).contains(total)).ok_or_else(wrong)?;
    Ok(Millis::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_outlives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(Some(folder.path().into())).unwrap();
        for pause in [None, Some(Span::Open), Some(Span::Until(UnixMillis(5))), None] {
            save(&data, pause).unwrap();
            assert_eq!(load(&data), pause);
        }
    }

    #[test]
    fn lengths_are_read_and_slips_refused() {
        assert_eq!(parse_length("2h"), Ok(Millis::from_secs(7_200)));
        assert_eq!(parse_length("90s"), Ok(Millis::from_secs(90)));
        for bad in ["", "h", "2", "2 h", "-1h", "0m", "999999d", "2w", "2é"] {
            assert!(parse_length(bad).is_err(), "{bad}");
        }
    }
}
