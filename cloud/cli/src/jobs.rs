//! Jobs: list, show, watch, act.

use std::time::Duration;

use pictor_cloud_api::jobs::{Frame, Job, JobChange, LogLine, Task};

use crate::arguments::ListArguments;
use crate::client::Client;
use crate::error::{Failure, Kind};
use crate::progress::Bar;
use crate::show;

/// Pause between two looks at a job: short at first, so that a quick job is seen to end at once.
const LOOK_AFTER_FIRST: Duration = Duration::from_millis(100);
/// The longest it grows to.
const LOOK_AFTER_MAX: Duration = Duration::from_millis(1_000);

/// Grows slowly from the shortest to the longest pause.
pub struct Looks(Duration);

impl Looks {
    /// From the shortest on.
    pub const fn new() -> Self {
        Self(LOOK_AFTER_FIRST)
    }

    /// Waits for the next look.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 + self.0 / 50).min(LOOK_AFTER_MAX);
    }

    /// Something moved: look soon again.
    pub fn moved(&mut self) {
        self.0 = LOOK_AFTER_FIRST;
    }
}

/// Prints the account's jobs.
pub async fn list(client: &Client, arguments: &ListArguments, is_json: bool) -> Result<(), Failure> {
    let jobs: Vec<Job> = client.list("jobs", Some(arguments.limit)).await?;
    if is_json {
        return show::json(&jobs);
    }
    let row = |job: &Job| {
        vec![
            job.id.clone(),
            job.name.clone(),
            job.state.clone(),
            format!("{}/{}", job.frames_done, job.frames_total),
            job.priority.to_string(),
            job.created_at.clone(),
        ]
    };
    show::table(&["id", "name", "state", "frames", "priority", "created"], jobs.iter().map(row).collect());
    Ok(())
}

/// Prints one job.
pub async fn show(client: &Client, job: &str, is_json: bool) -> Result<(), Failure> {
    let job: Job = client.get(&format!("jobs/{job}")).await?;
    print(&job, is_json)
}

fn print(job: &Job, is_json: bool) -> Result<(), Failure> {
    if is_json {
        return show::json(job);
    }
    let settings = &job.settings;
    let size = settings.width.zip(settings.height).map(|(width, height)| format!("{width}x{height}"));
    let state = job.reason.as_ref().map_or_else(|| job.state.clone(), |why| format!("{} ({why})", job.state));
    show::pairs(&[
        ("id", Some(job.id.clone())),
        ("name", Some(job.name.clone())),
        ("state", Some(state)),
        ("frames", Some(format!("{} of {} ({})", job.frames_done, job.frames_total, settings.frames))),
        ("failed", Some(job.frames_failed).filter(|count| *count > 0).map(|count| format!("{count} frames"))),
        ("expected end", job.eta.clone()),
        ("mean frame", job.frame_mean_ms.map(show::duration)),
        ("scene file", Some(settings.main.clone())),
        ("format", Some(settings.format.clone())),
        ("engine", settings.engine.clone()),
        ("resolution", size),
        ("samples", settings.samples.map(|samples| samples.to_string())),
        ("priority", Some(job.priority.to_string())),
        ("created", Some(job.created_at.clone())),
        ("ended", job.ended_at.clone()),
    ]);
    for warning in &job.warnings {
        println!("warning  {warning}");
    }
    for failure in &job.failures {
        println!("failure  {} ({} attempts): {}", failure.words, failure.attempts, failure.message);
    }
    for reason in &job.waiting {
        println!("waiting  {reason}");
    }
    Ok(())
}

/// Whether a job has reached its end.
pub fn has_ended(job: &Job) -> bool {
    matches!(job.state.as_str(), "completed" | "failed" | "cancelled")
}

/// The result that the job's end means to a script.
pub fn verdict(job: &Job) -> Result<(), Failure> {
    if job.state == "completed" {
        return Ok(());
    }
    let why = job.reason.clone().unwrap_or_default();
    Err(Failure::failed(format!("{} {} {why}", job.id, job.state).trim_end().to_owned()))
}

/// Follows a job to its end.
pub async fn watch(client: &Client, id: &str, is_json: bool) -> Result<(), Failure> {
    let mut looks = Looks::new();
    let mut bar = None;
    let mut done = 0;
    loop {
        let job: Job = client.get(&format!("jobs/{id}")).await?;
        let bar = bar.get_or_insert_with(|| Bar::frames(&job.name, u64::from(job.frames_total), is_json));
        bar.set(u64::from(job.frames_done), &status_words(&job));
        if has_ended(&job) {
            bar.finish();
            if is_json {
                show::json(&job)?;
            } else {
                println!("{} {}: {} of {} frames", job.id, job.state, job.frames_done, job.frames_total);
            }
            return verdict(&job);
        }
        if job.frames_done != done {
            done = job.frames_done;
            looks.moved();
        }
        looks.wait().await;
    }
}

/// State, and why nothing moves where nothing does.
pub fn status_words(job: &Job) -> String {
    match job.waiting.first() {
        Some(reason) if job.state != "running" || job.progress == 0.0 => format!("{}: {reason}", job.state),
        _ => job.state.clone(),
    }
}

/// Pauses, resumes, cancels or retries.
pub async fn act(client: &Client, job: &str, action: &str, is_json: bool) -> Result<(), Failure> {
    let job: Job = client.post(&format!("jobs/{job}/{action}"), &serde_json::json!({})).await?;
    acted(&job, is_json)
}

/// Changes the priority.
pub async fn priority(client: &Client, job: &str, priority: u8, is_json: bool) -> Result<(), Failure> {
    let change = JobChange { priority: Some(priority), name: None };
    let job: Job = client.patch(&format!("jobs/{job}"), &change).await?;
    acted(&job, is_json)
}

fn acted(job: &Job, is_json: bool) -> Result<(), Failure> {
    if is_json {
        return show::json(job);
    }
    println!("{} {} (priority {})", job.id, job.state, job.priority);
    Ok(())
}

/// Prints a job's tasks.
pub async fn tasks(client: &Client, job: &str, is_json: bool) -> Result<(), Failure> {
    let tasks: Vec<Task> = client.list(&format!("jobs/{job}/tasks"), None).await?;
    if is_json {
        return show::json(&tasks);
    }
    let row = |task: &Task| {
        vec![
            task.id.clone(),
            task.state.clone(),
            task.frames.clone(),
            format!("{}/{}", task.frames_done, task.frames_total),
            task.attempts.to_string(),
            task.worker.clone().or_else(|| task.failure_message.clone()).unwrap_or_default(),
        ]
    };
    show::table(
        &["id", "state", "frames", "done", "attempts", "worker or failure"],
        tasks.iter().map(row).collect(),
    );
    Ok(())
}

/// Prints a job's frames.
pub async fn frames(client: &Client, job: &str, is_json: bool) -> Result<(), Failure> {
    let frames: Vec<Frame> = client.list(&format!("jobs/{job}/frames"), None).await?;
    if is_json {
        return show::json(&frames);
    }
    let row = |frame: &Frame| {
        vec![
            frame.frame.to_string(),
            frame.state.clone(),
            frame.render_ms.map(show::duration).unwrap_or_default(),
            frame.size.map(show::bytes).unwrap_or_default(),
            frame.worker.clone().unwrap_or_default(),
        ]
    };
    show::table(&["frame", "state", "render time", "size", "worker"], frames.iter().map(row).collect());
    Ok(())
}

/// The lines after the one that was printed last. Found by what it says and not by its place: the cloud
/// forgets the first lines of a long log.
fn after<'a>(lines: &'a [LogLine], last: Option<&LogLine>) -> &'a [LogLine] {
    let is_last = |line: &LogLine| {
        last.is_some_and(|last| {
            (&line.at, &line.task, &line.worker, &line.text)
                == (&last.at, &last.task, &last.worker, &last.text)
        })
    };
    lines.iter().rposition(is_last).map_or(lines, |at| &lines[at + 1..])
}

/// Prints the render log; with `follow` until the job ends.
pub async fn logs(client: &Client, id: &str, follow: bool, is_json: bool) -> Result<(), Failure> {
    if follow && is_json {
        return Err(Failure::new(Kind::Usage, "--follow prints lines as they come; leave --json away"));
    }
    let mut last: Option<LogLine> = None;
    let mut looks = Looks::new();
    loop {
        let job: Job = client.get(&format!("jobs/{id}")).await?;
        let lines: Vec<LogLine> = client.list(&format!("jobs/{id}/log"), None).await?;
        if is_json {
            return show::json(&lines);
        }
        let new = after(&lines, last.as_ref());
        for line in new {
            println!("{}  {}", line.at, line.text);
        }
        if let Some(newest) = new.last() {
            looks.moved();
            last = Some(newest.clone());
        }
        if !follow || has_ended(&job) {
            return Ok(());
        }
        looks.wait().await;
    }
}
