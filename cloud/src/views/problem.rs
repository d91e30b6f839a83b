//! The page for what went wrong: what, why, what to do, and a reference for the log.

use serde::Serialize;

use super::state::capital;
use super::{Chrome, View, Views};

/// An error as a person sees it.
#[derive(Debug, Clone, Serialize)]
pub struct ProblemPage {
    /// HTTP status.
    pub status: u16,
    /// What the code means.
    pub title: String,
    /// What happened here and what to do.
    pub detail: String,
    /// Reference to find it in the log.
    pub request_id: Option<String>,
    /// Where to go on from here.
    pub next: NextStep,
}

/// The one button of an error page.
#[derive(Debug, Clone, Serialize)]
pub struct NextStep {
    /// Its words.
    pub label: String,
    /// Where it leads, a path of this cloud.
    pub href: String,
}

impl View for ProblemPage {
    const TEMPLATE: &'static str = "errors/problem";
}

impl ProblemPage {
    /// A page for this problem; the next step follows from the status.
    #[must_use]
    pub fn new(status: u16, title: &str, detail: &str, request_id: Option<&str>) -> Self {
        let (label, href) = match status {
            401 => ("Sign in", "/sign-in"),
            _ => ("Back to the start", "/"),
        };
        Self {
            status,
            title: capital(title),
            detail: capital(detail),
            request_id: request_id.map(ToOwned::to_owned),
            next: NextStep { label: label.to_owned(), href: href.to_owned() },
        }
    }
}

impl Views {
    /// An error page; never fails, since it stands at the end of every other failure.
    #[must_use]
    pub fn problem(&self, chrome: &Chrome, problem: &ProblemPage) -> String {
        self.page(chrome, problem).unwrap_or_else(|error| {
            tracing::error!(%error, "the error page could not be filled");
            format!("{} {}", problem.status, handlebars::html_escape(&problem.title))
        })
    }
}
