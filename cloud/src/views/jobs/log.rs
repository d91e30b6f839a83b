//! The job's log as the page shows it.

use pictor_cloud_api::jobs::LogLine;
use serde::Serialize;

use crate::views::View;

/// The newest lines of a job's log, oldest first.
#[derive(Debug, Clone, Serialize)]
pub struct LogPart {
    /// The job.
    pub job: String,
    /// The lines.
    pub lines: Vec<LogRowLine>,
    /// Older lines are left out here.
    pub is_cut: bool,
}

impl View for LogPart {
    const TEMPLATE: &'static str = "partials/jobs/log";
}

/// A line.
#[derive(Debug, Clone, Serialize)]
pub struct LogRowLine {
    /// RFC 3339.
    pub at: String,
    /// Time of day, UTC.
    pub clock: String,
    /// The line.
    pub text: String,
}

impl LogPart {
    /// These lines of this job.
    #[must_use]
    pub fn new(job: &str, lines: &[LogLine], is_cut: bool) -> Self {
        let line = |line: &LogLine| LogRowLine {
            at: line.at.clone(),
            clock: line.at.get(11..19).unwrap_or_default().to_owned(),
            text: line.text.clone(),
        };
        Self { job: job.to_owned(), lines: lines.iter().map(line).collect(), is_cut }
    }
}
