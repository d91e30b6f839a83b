//! Jobs on a farm, through the creator's client.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Farm, list_of};

/// The longest that a job of the tests may take.
const JOB_WITHIN: Duration = Duration::from_secs(180);

impl Farm {
    /// Submits a file and gives the job's id.
    pub fn submit(&self, file: &Path, options: &[&str]) -> Result<String> {
        let file = file.to_string_lossy();
        let mut arguments = vec!["submit", &*file];
        arguments.extend(options);
        let job = self.pictor(&arguments)?;
        job["id"].as_str().map(str::to_owned).context("the answer to submit names the job")
    }

    /// A job as the API shows it.
    pub fn job(&self, job: &str) -> Result<Value> {
        self.pictor(&["jobs", "show", job])
    }

    /// Waits until a job is in this state; fails at once if it ends in another.
    pub fn wait_job(&self, job: &str, state: &str) -> Result<Value> {
        self.wait_within(JOB_WITHIN, &format!("the job to be {state}"), |farm| {
            let shown = farm.job(job)?;
            let now = shown["state"].as_str().unwrap_or_default();
            if now == state {
                return Ok(Some(shown));
            }
            if matches!(now, "completed" | "failed" | "cancelled") {
                bail!("the job is {now} instead of {state}: {shown:#}");
            }
            Ok(None)
        })
    }

    /// Waits until at least so many frames are stored.
    pub fn wait_frames(&self, job: &str, count: u64) -> Result<Value> {
        self.wait_within(JOB_WITHIN, &format!("{count} frames"), |farm| {
            let shown = farm.job(job)?;
            Ok((shown["frames_done"].as_u64() >= Some(count)).then_some(shown))
        })
    }

    /// Waits until a frame of the job is being rendered somewhere, and gives the worker's name.
    pub fn wait_rendering(&self, job: &str) -> Result<String> {
        self.wait_for("a frame in hand", |farm| {
            let workers = farm.pictor(&["workers", "list"])?;
            let renders = |slot: &Value| slot["job"] == job && slot["phase"] == "rendering";
            let is_at_it = |worker: &&Value| list_of(&worker["slots"]).iter().any(renders);
            let worker = list_of(&workers).iter().find(is_at_it);
            Ok(worker.and_then(|worker| worker["name"].as_str()).map(str::to_owned))
        })
    }

    /// Downloads what is stored of a job.
    pub fn pull(&self, job: &str, folder: &Path) -> Result<()> {
        self.pictor(&["pull", job, "--out", &folder.to_string_lossy()]).map(drop)
    }
}
