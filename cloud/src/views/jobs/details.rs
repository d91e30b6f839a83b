//! A job's page: how far it is, its frames, what went wrong, its log and settings.

use pictor_cloud_api::jobs::{FailureGroup, Frame, Job, Task};
use serde::Serialize;

use super::JobActions;
use super::frames::FrameCell;
use super::log::LogPart;
use super::progress::Progress;
use crate::views::state::{StateLine, capital};
use crate::views::{View, format};

/// `/jobs/{id}`.
#[derive(Debug, Clone, Serialize)]
pub struct JobPage {
    /// Its changing part.
    pub live: JobLiveParts,
    /// `frames`, `tasks`, `log` or `settings`: exactly one of the four parts below is filled.
    pub tab: String,
    /// The tabs.
    pub tabs: Vec<TabLink>,
    /// The frames of this page.
    pub frames: Option<FramesPart>,
    /// The tasks of this page.
    pub tasks: Option<TasksPart>,
    /// The log.
    pub log: Option<LogPart>,
    /// Settings in force.
    pub settings: Option<Vec<SettingLine>>,
}

impl View for JobPage {
    const TEMPLATE: &'static str = "pages/job";
}

/// A tab.
#[derive(Debug, Clone, Serialize)]
pub struct TabLink {
    /// In words.
    pub label: &'static str,
    /// Where it leads.
    pub href: String,
    /// It is open.
    pub is_current: bool,
}

/// What changes while the page is open.
#[derive(Debug, Clone, Serialize)]
pub struct JobLiveParts {
    /// The job.
    pub id: String,
    /// Name.
    pub name: String,
    /// State line.
    pub state: StateLine,
    /// What can be done to it.
    pub actions: JobActions,
    /// How far it is.
    pub progress: Progress,
    /// Expected end, RFC 3339; nothing while unknown or over.
    pub eta: Option<String>,
    /// It goes on: an expected end that is not known is shown as such.
    pub is_live: bool,
    /// Mean render time of a frame, in words.
    pub frame_mean: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// RFC 3339.
    pub ended_at: Option<String>,
    /// Why nothing is rendered at all, though somebody waits for it.
    pub waiting: Vec<String>,
    /// Why the rest is not rendered at this moment too: the usual way of a job under way.
    pub rest_waits: Option<String>,
    /// Warnings, each once.
    pub warnings: Vec<String>,
    /// Failures, grouped.
    pub failures: Vec<FailurePart>,
}

impl View for JobLiveParts {
    const TEMPLATE: &'static str = "partials/jobs/live";
}

/// Failures of one class.
#[derive(Debug, Clone, Serialize)]
pub struct FailurePart {
    /// The class in words.
    pub title: String,
    /// "12 frames, 14 attempts".
    pub counts: String,
    /// What happened, why and what to do.
    pub message: String,
    /// Tasks ended so: it is not only a try that was made good elsewhere.
    pub is_final: bool,
}

/// The grid and its pages.
#[derive(Debug, Clone, Serialize)]
pub struct FramesPart {
    /// Cells of this page.
    pub cells: Vec<FrameCell>,
    /// "Frames 1 to 200 of 5 000"; nothing where all fit.
    pub range: Option<String>,
    /// Address of the page before.
    pub previous_href: Option<String>,
    /// Address of the page after.
    pub next_href: Option<String>,
    /// Only failed ones are shown.
    pub is_failed_only: bool,
    /// Address that shows the other choice.
    pub toggle_href: Option<String>,
}

/// Tasks of a job.
#[derive(Debug, Clone, Serialize)]
pub struct TasksPart {
    /// Rows.
    pub rows: Vec<TaskRowPart>,
    /// Address of the next page.
    pub next_href: Option<String>,
}

impl View for TasksPart {
    const TEMPLATE: &'static str = "partials/jobs/tasks";
}

/// A task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskRowPart {
    /// The task.
    pub id: String,
    /// Frames in words.
    pub frames: String,
    /// State line.
    pub state: StateLine,
    /// "3 of 10".
    pub done: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Worker that has it: where its page is.
    pub worker: Option<String>,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// RFC 3339.
    pub ended_at: Option<String>,
}

/// A setting in force.
#[derive(Debug, Clone, Serialize)]
pub struct SettingLine {
    /// Which.
    pub label: &'static str,
    /// Its value; nothing: as the file says.
    pub value: Option<String>,
}

impl JobLiveParts {
    /// From the job as the API shows it, with so many frames in hand.
    #[must_use]
    pub fn new(job: &Job, in_hand: u64) -> Self {
        let is_live = matches!(job.state.as_str(), "ready" | "running" | "paused");
        Self {
            id: job.id.clone(),
            name: job.name.clone(),
            // What failed is told in full below.
            state: StateLine::of_job(
                &job.state,
                job.reason.as_deref().filter(|_| job.failures.is_empty() || job.state != "failed"),
            ),
            actions: JobActions::of(job),
            progress: Progress::new(job, in_hand),
            eta: job.eta.clone().filter(|_| job.state == "running"),
            is_live,
            frame_mean: job.frame_mean_ms.map(format::duration),
            created_at: job.created_at.clone(),
            started_at: job.started_at.clone(),
            ended_at: job.ended_at.clone(),
            waiting: if job.state == "ready" { job.waiting.clone() } else { Vec::new() },
            rest_waits: (job.state == "running").then(|| capital(&job.waiting.join("; "))),
            warnings: job.warnings.clone(),
            failures: job.failures.iter().map(failure).collect(),
        }
    }
}

fn failure(group: &FailureGroup) -> FailurePart {
    let attempts = format::counted(u64::from(group.attempts), "attempt", "attempts");
    let counts = match group.frames {
        0 => format!("{attempts}, tried again elsewhere"),
        frames => format!("{}, {attempts}", format::counted(u64::from(frames), "frame", "frames")),
    };
    FailurePart {
        title: capital(&group.words),
        counts,
        message: group.message.clone(),
        is_final: group.frames > 0,
    }
}

impl FramesPart {
    /// Cells of these frames.
    #[must_use]
    pub fn cells(job: &str, frames: &[Frame]) -> Vec<FrameCell> {
        frames.iter().map(|frame| FrameCell::new(job, frame)).collect()
    }
}

impl From<&Task> for TaskRowPart {
    fn from(task: &Task) -> Self {
        Self {
            id: task.id.clone(),
            frames: task.frames.clone(),
            state: StateLine::of_job(&task.state, task.failure_message.as_deref()),
            done: format!("{} of {}", task.frames_done, task.frames_total),
            attempts: task.attempts,
            worker: task.worker.clone(),
            started_at: task.started_at.clone(),
            ended_at: task.ended_at.clone(),
        }
    }
}

/// Settings of a job as lines.
#[must_use]
pub fn setting_lines(job: &Job) -> Vec<SettingLine> {
    let settings = &job.settings;
    let line = |label, value: Option<String>| SettingLine { label, value };
    let size = settings.width.zip(settings.height).map(|(width, height)| format!("{width} × {height}"));
    vec![
        line("File", Some(settings.main.clone())),
        line("Frames", Some(settings.frames.clone())),
        line("Format", Some(format_words(&settings.format).to_owned())),
        line("Scene", settings.scene.clone()),
        line("Camera", settings.camera.clone()),
        line("Engine", settings.engine.as_deref().map(|engine| engine_words(engine).to_owned())),
        line("Resolution", size),
        line("Samples", settings.samples.map(|samples| samples.to_string())),
        line("Frames a task", Some(settings.chunk.map_or_else(|| "by time".to_owned(), |n| n.to_string()))),
        line("Longest time a frame", Some(format::duration(settings.frame_time_limit_ms))),
    ]
}

/// An output format as people call it.
#[must_use]
pub fn format_words(format: &str) -> &str {
    match format {
        "PNG" => "PNG",
        "JPEG" => "JPEG",
        "OPEN_EXR" => "OpenEXR",
        "OPEN_EXR_MULTILAYER" => "OpenEXR, all layers and passes",
        other => other,
    }
}

/// An engine as people call it.
#[must_use]
pub fn engine_words(engine: &str) -> &str {
    match engine {
        "cycles" => "Cycles",
        "eevee" => "EEVEE",
        "workbench" => "Workbench",
        "simulated" => "simulated",
        other => other,
    }
}
