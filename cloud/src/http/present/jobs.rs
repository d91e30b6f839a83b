//! Jobs and frames: the row and what the job's actor knows of this moment.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::JobId;
use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::assignment::{OutputFormat, RenderEngine};
use pictor_cloud_api::jobs::{FailureGroup, Frame, Job, JobSettings};
use pictor_cloud_domain::job::FrameSet;

use super::time;
use crate::agents::{InHand, JobLive};
use crate::http::problem::Answer;
use crate::http::state::AppState;
use crate::store::{FailureRow, FrameRow, JobRow, JobWarningRow};

/// Everything about one job.
///
/// # Errors
/// As the store's.
pub async fn load_one(state: &AppState, row: &JobRow) -> Answer<Job> {
    let mut notes = notes_of(state, std::slice::from_ref(row)).await?;
    let live = live_of(state, row).await;
    Ok(job(row, live.as_ref(), &notes.remove(&row.id).unwrap_or_default()))
}

/// Jobs in the order of their rows, each with what its actor knows. As many questions for a long page as
/// for a short one.
///
/// # Errors
/// As the store's.
pub async fn load(state: &AppState, rows: &[JobRow]) -> Answer<Vec<(Job, Option<JobLive>)>> {
    let notes = notes_of(state, rows).await?;
    let is_live = |row: &&JobRow| row.state.is_live();
    let mut live = state.farm.jobs_live(rows.iter().filter(is_live).map(|row| row.id).collect()).await;
    let none = Notes::default();
    let shown = |row: &JobRow| {
        let live = live.remove(&row.id);
        (job(row, live.as_ref(), notes.get(&row.id).unwrap_or(&none)), live)
    };
    Ok(rows.iter().map(shown).collect())
}

async fn notes_of(state: &AppState, rows: &[JobRow]) -> Answer<BTreeMap<JobId, Notes>> {
    let jobs: Vec<JobId> = rows.iter().map(|row| row.id).collect();
    let mut notes: BTreeMap<JobId, Notes> = BTreeMap::new();
    for warning in state.store.job_warnings(&jobs).await? {
        notes.entry(warning.job_id).or_default().warnings.push(warning);
    }
    for failure in state.store.job_failures(&jobs).await? {
        notes.entry(failure.job_id).or_default().failures.push(failure);
    }
    Ok(notes)
}

/// What the job's actor knows; nothing for a job that has none.
pub async fn live_of(state: &AppState, row: &JobRow) -> Option<JobLive> {
    if row.state.is_live() { state.farm.jobs_live(vec![row.id]).await.remove(&row.id) } else { None }
}

/// What was noted about a job.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// Its warnings.
    pub warnings: Vec<JobWarningRow>,
    /// Its failed attempts by class.
    pub failures: Vec<FailureRow>,
}

/// A job.
#[must_use]
pub fn job(row: &JobRow, live: Option<&JobLive>, notes: &Notes) -> Job {
    let in_hand = live.map_or(&[][..], |live| &live.in_hand);
    Job {
        id: row.id.to_string(),
        name: row.name.clone(),
        state: row.state.as_str().into(),
        reason: row.reason.clone(),
        priority: row.priority,
        frames_total: row.frames_total,
        frames_done: row.frames_done,
        frames_failed: row.frames_failed,
        frames_in_hand: live.map(|live| u32::try_from(live.in_hand.len()).unwrap_or(u32::MAX)),
        progress: progress(row, in_hand),
        eta: live.and_then(|live| live.eta).map(time),
        frame_mean_ms: row.frame_mean().map(|mean| mean.0),
        settings: settings(row),
        warnings: notes.warnings.iter().map(|warning| warning.text.clone()).collect(),
        failures: notes.failures.iter().map(failure).collect(),
        waiting: live.map(|live| live.waiting.clone()).unwrap_or_default(),
        created_at: time(row.created_at),
        started_at: row.started_at.map(time),
        ended_at: row.ended_at.map(time),
    }
}

/// Part done with the frames in hand, 0 to 1. A job that is not done never says 1.
fn progress(row: &JobRow, in_hand: &[InHand]) -> f64 {
    if row.frames_total == 0 {
        return 0.0;
    }
    let begun: f64 =
        in_hand.iter().filter_map(|frame| frame.done).map(|done| f64::from(done.clamp(0.0, 1.0))).sum();
    let part = (f64::from(row.frames_done) + begun) / f64::from(row.frames_total);
    if row.frames_done >= row.frames_total { 1.0 } else { part.clamp(0.0, 0.999) }
}

fn settings(row: &JobRow) -> JobSettings {
    let render = &row.settings;
    JobSettings {
        frames: row.frames.clone(),
        main: row.main.clone(),
        format: format_text(render.format).into(),
        scene: render.scene.clone(),
        camera: render.camera.clone(),
        engine: render.engine.map(|engine| engine_text(engine).into()),
        width: render.resolution.map(|(width, _)| width),
        height: render.resolution.map(|(_, height)| height),
        samples: render.samples,
        chunk: row.chunk,
        frame_time_limit_ms: row.frame_time_limit_ms,
    }
}

fn failure(row: &FailureRow) -> FailureGroup {
    FailureGroup {
        class: class_text(row.class),
        words: row.class.words().into(),
        message: row.message.clone(),
        attempts: row.attempts,
        frames: row.frames,
    }
}

/// The API's word for a class of failures, as on the wire.
#[must_use]
pub fn class_text(class: FailureClass) -> String {
    match serde_json::to_value(class) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(_) | Err(_) => class.words().to_owned(),
    }
}

/// The API's word for an engine.
#[must_use]
pub const fn engine_text(engine: RenderEngine) -> &'static str {
    match engine {
        RenderEngine::Cycles => "cycles",
        RenderEngine::Eevee => "eevee",
        RenderEngine::Workbench => "workbench",
        RenderEngine::Simulated => "simulated",
    }
}

/// The API's word for a format.
#[must_use]
pub const fn format_text(format: OutputFormat) -> &'static str {
    match format {
        OutputFormat::Png => "PNG",
        OutputFormat::Jpeg => "JPEG",
        OutputFormat::OpenExr => "OPEN_EXR",
        OutputFormat::OpenExrMultilayer => "OPEN_EXR_MULTILAYER",
    }
}

/// What frames of a job there are beside its numbers.
#[derive(Debug, Clone, Default)]
pub struct FrameFacts {
    /// Stored ones by number.
    pub stored: BTreeMap<i32, FrameRow>,
    /// Numbers in hand.
    pub in_hand: BTreeSet<i32>,
    /// Numbers of tasks that were given up.
    pub given_up: BTreeSet<i32>,
}

/// Frames of a job by number.
#[must_use]
pub fn frames(job: &JobRow, numbers: &FrameSet, facts: &FrameFacts) -> Vec<Frame> {
    numbers.iter().map(|number| frame(job, number, facts)).collect()
}

/// A stored frame.
#[must_use]
pub fn stored_frame(job: &JobRow, row: &FrameRow) -> Frame {
    let stored = BTreeMap::from([(row.frame, row.clone())]);
    frame(job, row.frame, &FrameFacts { stored, ..FrameFacts::default() })
}

fn frame(job: &JobRow, number: i32, facts: &FrameFacts) -> Frame {
    let stored = facts.stored.get(&number);
    let state = if stored.is_some() {
        "stored"
    } else if facts.given_up.contains(&number) {
        "failed"
    } else if facts.in_hand.contains(&number) {
        "running"
    } else {
        "pending"
    };
    Frame {
        frame: number,
        state: state.into(),
        file_name: frame_file_name(job, number),
        blake3: stored.map(|row| row.hash.to_string()),
        size: stored.map(|row| row.size),
        render_ms: stored.map(|row| row.render_ms),
        worker: stored.map(|row| row.worker_id.to_string()),
        stored_at: stored.map(|row| time(row.stored_at)),
    }
}

/// Name of a frame's file for downloads: `name_0001.png`, with `-0001` before zero. Safe on every file
/// system.
#[must_use]
pub fn frame_file_name(job: &JobRow, number: i32) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let extension = job.settings.format.extension();
    format!("{}_{sign}{:04}.{extension}", file_stem(&job.name), number.unsigned_abs())
}

/// A job's name as part of a file name: letters, digits and few signs; never empty, never hidden.
#[must_use]
pub fn file_stem(name: &str) -> String {
    const CHARS_MAX: usize = 60;
    let name = name.strip_suffix(".blend").or_else(|| name.strip_suffix(".zip")).unwrap_or(name);
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let stem: String = name.chars().map(safe).take(CHARS_MAX).collect();
    let stem = stem.trim_matches(['.', '_']);
    if stem.is_empty() { "frames".to_owned() } else { stem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_stems_are_safe() {
        for (name, stem) in [
            ("lamp.blend", "lamp"),
            ("../../etc/passwd", "etc_passwd"),
            ("Shot 12 / v3", "Shot_12___v3"),
            ("…", "frames"),
            ("..", "frames"),
            ("Häuschen", "Häuschen"),
        ] {
            assert_eq!(file_stem(name), stem, "{name}");
        }
    }
}
