//! The state line: one word, its cause, and a shape and colour that go with it. State is never told by colour
//! alone.

use serde::Serialize;

/// A word and its cause as pages show them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateLine {
    /// `ok`, `work`, `warn`, `bad` or `muted`.
    pub tone: &'static str,
    /// Icon, a different shape for each kind of state.
    pub glyph: &'static str,
    /// The word.
    pub word: String,
    /// Its cause; nothing where the word says all.
    pub cause: Option<String>,
}

impl StateLine {
    /// Of a worker, from the status in words that the API carries (`paused: by its owner, for another 2 h`).
    #[must_use]
    pub fn of_worker(status: &str) -> Self {
        let (word, cause) =
            status.split_once(": ").map_or((status, None), |(word, cause)| (word, Some(cause)));
        let (tone, glyph) = match word {
            "working" => ("work", "activity"),
            "preparing" | "finishing" | "updating" => ("work", "circle-dot"),
            "idle" => ("ok", "check-circle"),
            "paused" => ("warn", "circle-pause"),
            "rested" | "stale" => ("warn", "clock"),
            "error" => ("bad", "error"),
            "never seen" => ("muted", "circle-dashed"),
            _ => ("muted", "wifi-off"),
        };
        Self { tone, glyph, word: capital(word), cause: cause.map(ToOwned::to_owned) }
    }

    /// Of a job or a task, from its state's name.
    #[must_use]
    pub fn of_job(state: &str, reason: Option<&str>) -> Self {
        let (tone, glyph) = match state {
            "completed" => ("ok", "check-circle"),
            "running" => ("work", "activity"),
            "ready" | "pending" | "uploading" => ("muted", "clock"),
            "paused" => ("warn", "circle-pause"),
            "failed" => ("bad", "error"),
            _ => ("muted", "circle-slash"),
        };
        let word = if state == "ready" { "Waiting".to_owned() } else { capital(state) };
        Self { tone, glyph, word, cause: reason.map(ToOwned::to_owned) }
    }
}

/// The same text with its first letter large.
#[must_use]
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_in_words_becomes_a_word_and_its_cause() {
        let line = StateLine::of_worker("paused: by its owner, from the dashboard, for another 2 h");
        assert_eq!((line.word.as_str(), line.tone), ("Paused", "warn"));
        assert_eq!(line.cause.as_deref(), Some("by its owner, from the dashboard, for another 2 h"));
        assert_eq!(StateLine::of_worker("idle").cause, None);
        assert_eq!(StateLine::of_job("ready", None).word, "Waiting");
    }
}
