//! The list of jobs and its rows.

use pictor_cloud_api::jobs::Job;
use serde::Serialize;

use super::JobActions;
use super::progress::Progress;
use crate::views::View;
use crate::views::state::StateLine;

/// `/jobs`.
#[derive(Debug, Clone, Serialize)]
pub struct JobListPage {
    /// Rows of this page.
    pub rows: Vec<JobRow>,
    /// There is no job at all: show how to begin.
    pub is_first_time: bool,
    /// What was searched for.
    pub search: String,
    /// State filter in force; empty: all.
    pub state: String,
    /// Filters to choose from.
    pub filters: Vec<FilterLink>,
    /// Address of the next page.
    pub next_href: Option<String>,
    /// It is not the first page.
    pub is_later_page: bool,
}

impl View for JobListPage {
    const TEMPLATE: &'static str = "pages/jobs";
}

/// A filter.
#[derive(Debug, Clone, Serialize)]
pub struct FilterLink {
    /// In words.
    pub label: &'static str,
    /// Where it leads.
    pub href: String,
    /// It is in force.
    pub is_current: bool,
}

/// A job in the list.
#[derive(Debug, Clone, Serialize)]
pub struct JobRow {
    /// The job.
    pub id: String,
    /// Name.
    pub name: String,
    /// Where its page is.
    pub href: String,
    /// Address of its newest thumbnail.
    pub thumbnail: Option<String>,
    /// State line.
    pub state: StateLine,
    /// Progress.
    pub progress: Progress,
    /// 0 to 100.
    pub priority: u8,
    /// RFC 3339.
    pub created_at: String,
    /// Expected end, RFC 3339.
    pub eta: Option<String>,
    /// RFC 3339.
    pub ended_at: Option<String>,
    /// What can be done to it.
    pub actions: JobActions,
}

impl View for JobRow {
    const TEMPLATE: &'static str = "partials/jobs/row";
}

impl JobRow {
    /// The row of this job.
    #[must_use]
    pub fn new(job: &Job, in_hand: u64, thumbnail_of: Option<i32>) -> Self {
        Self {
            id: job.id.clone(),
            name: job.name.clone(),
            href: format!("/jobs/{}", job.id),
            thumbnail: thumbnail_of.map(|frame| format!("/api/v1/jobs/{}/frames/{frame}/thumbnail", job.id)),
            state: StateLine::of_job(&job.state, waits_because(job, in_hand)),
            progress: Progress::new(job, in_hand),
            priority: job.priority,
            created_at: job.created_at.clone(),
            eta: job.eta.clone(),
            ended_at: job.ended_at.clone(),
            actions: JobActions::of(job),
        }
    }
}

/// Why nothing of a job is rendered, where somebody waits for it. A job under way is between two frames now
/// and then: only that nobody is there is worth a word.
fn waits_because(job: &Job, in_hand: u64) -> Option<&str> {
    let line = job.waiting.first().filter(|_| in_hand == 0)?;
    let is_told = match job.state.as_str() {
        "ready" => true,
        "running" => line.starts_with("no worker"),
        _ => false,
    };
    is_told.then_some(line)
}
