//! What is told of a job while somebody waits for it: a bar on a terminal, a line a change elsewhere.

use std::io::IsTerminal;

use pictor_cloud_api::jobs::Job;

use crate::error::Failure;
use crate::progress::Bar;
use crate::show;

/// Changes of the reason that are told: a reason that goes to and fro for days fills no disk with log.
const REASONS_MAX: u32 = 500;

/// Tells whoever waits.
pub struct Watching {
    bar: Bar,
    reader: Reader,
    told: Told,
}

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A person at a terminal, or whoever reads standard error.
    Person,
    /// A program that reads JSON lines on standard output.
    Program,
    /// Nobody: the result says it all.
    Nobody,
}

impl Watching {
    /// Begins with this job.
    pub fn new(job: &Job, reader: Reader) -> Self {
        let bar = Bar::frames(&job.name, u64::from(job.frames_total), reader != Reader::Person);
        Self { bar, reader, told: Told::default() }
    }

    /// Tells how the job stands, where that is news; `done`: frames that are there for whoever waits.
    pub fn look(&mut self, job: &Job, done: u32) -> Result<(), Failure> {
        let words = status_words(job);
        self.bar.set(u64::from(done), &words);
        if !self.told.is_news(&job.state, &words, done, job.frames_total) {
            return Ok(());
        }
        match self.reader {
            Reader::Person if std::io::stderr().is_terminal() => Ok(()),
            Reader::Person => {
                let frames = show::counted(job.frames_total, "frame");
                eprintln!("pictor: {}: {done} of {frames}, {words}", job.name);
                Ok(())
            }
            Reader::Program => show::json_line(job),
            Reader::Nobody => Ok(()),
        }
    }

    /// So many frames more are there.
    pub fn advance(&self, by: u64) {
        self.bar.advance(by);
    }

    /// It is over.
    pub fn finish(&self) {
        self.bar.finish();
    }
}

/// What was told last.
#[derive(Debug, Default)]
struct Told {
    state: String,
    words: String,
    tenths: u32,
    reasons: u32,
}

impl Told {
    /// Each state, each reason up to a bound, each tenth of the frames.
    fn is_news(&mut self, state: &str, words: &str, done: u32, total: u32) -> bool {
        let tenths = u32::try_from(u64::from(done) * 10 / u64::from(total.max(1))).unwrap_or(u32::MAX);
        let has_reason = words != self.words && self.reasons < REASONS_MAX;
        if state == self.state && tenths == self.tenths && !has_reason {
            return false;
        }
        self.reasons += u32::from(has_reason);
        (self.state, self.words, self.tenths) = (state.to_owned(), words.to_owned(), tenths);
        true
    }
}

/// State, and why nothing moves where nothing does.
fn status_words(job: &Job) -> String {
    let waits = match job.state.as_str() {
        "ready" => true,
        // Between two frames it waits for a moment, which is no news; that nobody works is.
        "running" => {
            job.progress == 0.0 || job.waiting.first().is_some_and(|line| line.starts_with("no worker"))
        }
        _ => false,
    };
    let reason = if waits { Some(job.waiting.join("; ")) } else { job.reason.clone() };
    match reason.filter(|reason| !reason.is_empty()) {
        Some(reason) => format!("{}: {reason}", job.state),
        None => job.state.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_states_reasons_and_tenths_and_no_more_than_that() {
        let mut told = Told::default();
        let mut news = |state: &str, words: &str, done| told.is_news(state, words, done, 100);
        assert!(news("ready", "ready: nobody", 0));
        assert!(!news("ready", "ready: nobody", 0));
        assert!(news("ready", "ready: busy", 0));
        assert!(news("running", "running", 0));
        assert!(!news("running", "running", 9));
        assert!(news("running", "running", 10));
        assert!(news("completed", "completed", 100));
    }

    #[test]
    fn a_reason_that_goes_to_and_fro_is_told_a_bounded_number_of_times() {
        let mut told = Told::default();
        let news = (0..10_000).filter(|turn| {
            told.is_news("ready", if turn % 2 == 0 { "ready: one" } else { "ready: other" }, 0, 1)
        });
        assert_eq!(news.count(), REASONS_MAX as usize);
        assert!(told.is_news("failed", "failed", 0, 1), "a state is always told");
    }
}
