//! Jobs: list, show, watch, act.

use std::time::Duration;

use pictor_cloud_api::jobs::{Frame, Job, JobChange, LogLine, Task};

use crate::arguments::ListArguments;
use crate::client::Client;
use crate::error::{Failure, Kind};
use crate::show;
use crate::watching::{Reader, Watching};
use crate::workers::Names;

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
        (
            "failed",
            Some(job.frames_failed).filter(|count| *count > 0).map(|count| show::counted(count, "frame")),
        ),
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
        let attempts = show::counted(failure.attempts, "attempt");
        println!("failure  {} ({attempts}): {}", failure.words, failure.message);
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
    let reader = if is_json { Reader::Program } else { Reader::Person };
    let mut looks = Looks::new();
    let mut watching = None;
    let mut done = 0;
    loop {
        let job: Job = client.get(&format!("jobs/{id}")).await?;
        let watching = watching.get_or_insert_with(|| Watching::new(&job, reader));
        watching.look(&job, job.frames_done)?;
        if has_ended(&job) {
            watching.finish();
            if !is_json {
                let frames = show::counted(job.frames_total, "frame");
                println!("{} {}: {} of {frames}", job.id, job.state, job.frames_done);
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

/// Pauses, resumes, cancels or retries.
pub async fn act(client: &Client, job: &str, action: &str, is_json: bool) -> Result<(), Failure> {
    let job: Job = client.post(&format!("jobs/{job}/{action}"), &serde_json::json!({})).await?;
    if is_json {
        return show::json(&job);
    }
    println!("{}", done_words(&job, action));
    Ok(())
}

/// What became of the job and of its frames.
fn done_words(job: &Job, action: &str) -> String {
    let id = &job.id;
    let kept = format!("{} of {}", job.frames_done, show::counted(job.frames_total, "frame"));
    let begun = match job.frames_in_hand {
        Some(0) => "nothing is being rendered".to_owned(),
        Some(1) => "the frame in hand is finished and kept".to_owned(),
        Some(count) => format!("the {count} frames in hand are finished and kept"),
        None => "frames in hand are finished and kept".to_owned(),
    };
    match action {
        "pause" => format!(
            "{id} paused at {kept}: {begun}, and nothing new starts; go on with `pictor jobs resume {id}`"
        ),
        "cancel" if job.frames_done > 0 => {
            format!("{id} cancelled: {kept} are done and stay; fetch them with `pictor pull {id}`")
        }
        "cancel" => format!("{id} cancelled: no frame was done"),
        "retry" => format!("{id} {}: what failed is tried again, {kept} are done", job.state),
        _ => format!("{id} {}: goes on at {kept}", job.state),
    }
}

/// Changes the priority.
pub async fn priority(client: &Client, job: &str, priority: u8, is_json: bool) -> Result<(), Failure> {
    let change = JobChange { priority: Some(priority), name: None };
    let job: Job = client.patch(&format!("jobs/{job}"), &change).await?;
    if is_json {
        return show::json(&job);
    }
    println!("{} {}: priority {}", job.id, job.state, job.priority);
    Ok(())
}

/// Prints a job's tasks.
pub async fn tasks(client: &Client, job: &str, is_json: bool) -> Result<(), Failure> {
    let tasks: Vec<Task> = client.list(&format!("jobs/{job}/tasks"), None).await?;
    if is_json {
        return show::json(&tasks);
    }
    let names = Names::of(client, tasks.iter().map(|task| task.worker.as_deref())).await;
    let row = |task: &Task| {
        let who = names.of_worker(task.worker.as_deref());
        vec![
            task.id.clone(),
            task.state.clone(),
            task.frames.clone(),
            format!("{}/{}", task.frames_done, task.frames_total),
            task.attempts.to_string(),
            who.or_else(|| task.failure_message.clone()).unwrap_or_else(nothing_yet),
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
    let names = Names::of(client, frames.iter().map(|frame| frame.worker.as_deref())).await;
    let row = |frame: &Frame| {
        vec![
            frame.frame.to_string(),
            frame.state.clone(),
            frame.render_ms.map(show::duration).unwrap_or_else(nothing_yet),
            frame.size.map(show::bytes).unwrap_or_else(nothing_yet),
            names.of_worker(frame.worker.as_deref()).unwrap_or_else(nothing_yet),
        ]
    };
    show::table(&["frame", "state", "render time", "size", "worker"], frames.iter().map(row).collect());
    Ok(())
}

fn nothing_yet() -> String {
    show::NOTHING_YET.to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_says_what_becomes_of_the_frames() {
        let mut job: Job = serde_json::from_str(include_str!("../tests/client/job.json")).unwrap();
        job.frames_in_hand = Some(2);
        let id = job.id.clone();
        assert_eq!(
            done_words(&job, "pause"),
            format!(
                "{id} paused at 1 of 4 frames: the 2 frames in hand are finished and kept, and nothing new \
                 starts; go on with `pictor jobs resume {id}`"
            )
        );
        job.frames_in_hand = Some(0);
        assert!(done_words(&job, "pause").contains("4 frames: nothing is being rendered, and nothing new"));
        assert!(done_words(&job, "cancel").contains("1 of 4 frames are done and stay"));
        job.frames_done = 0;
        assert_eq!(done_words(&job, "cancel"), format!("{id} cancelled: no frame was done"));
    }
}
