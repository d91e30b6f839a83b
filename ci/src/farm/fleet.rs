//! A simulated fleet beside a farm's cloud: the worker's `simulate` verb, its reports read as they come.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::kept::{self, Rank, kill_hard, stop};
use super::{Farm, is_alive, pause};

/// Reports that are kept.
const KEPT_MAX: usize = 10_000;

/// A running simulator. Dropping it ends it.
pub struct Fleet {
    process: Child,
    reports: Arc<Mutex<VecDeque<Value>>>,
}

/// Settings of a cloud that takes simulated workers and lets one machine enrol and ask as quickly as it can.
pub fn simulating() -> Vec<(&'static str, String)> {
    [
        ("PICTOR__SIMULATION__ALLOWED", "true"),
        ("PICTOR__LIMITS__SIGN_INS_PER_MINUTE", "100000"),
        ("PICTOR__LIMITS__REQUESTS_PER_MINUTE", "10000000"),
        ("PICTOR__LIMITS__WORKER_LINKS_MAX", "50000"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

/// A file to submit for the simulated engine, which opens none.
pub fn made_up_scene(folder: &Path) -> Result<PathBuf> {
    let file = folder.join("made-up.blend");
    std::fs::write(&file, "BLENDER-v304, and nothing more: its pictures are made up")
        .context("cannot write the scene")?;
    Ok(file)
}

impl Farm {
    /// Starts so many simulated workers of this farm's account; `options` are those of `pictor-worker
    /// simulate`. With a folder the next start there is the same fleet. The cloud must allow simulation.
    pub fn simulate(&self, count: usize, folder: Option<&Path>, options: &[&str]) -> Result<Fleet> {
        self.simulate_at(self.url(), count, folder, options)
    }

    /// The same at another replica of the cloud.
    pub fn simulate_at(
        &self,
        url: &str,
        count: usize,
        folder: Option<&Path>,
        options: &[&str],
    ) -> Result<Fleet> {
        let mut command = self.programs.command("pictor-worker");
        command.args(["simulate", "--json", "--count", &count.to_string()]).args(options);
        command.env("PICTOR_URL", url).env("PICTOR_TOKEN", self.token());
        if let Some(folder) = folder {
            command.arg("--config").arg(folder);
        }
        let log = OpenOptions::new().create(true).append(true).open(self.folder.join("fleet.log"))?;
        command.stdout(Stdio::piped()).stderr(log);
        Ok(Fleet::watching(kept::start(command, Rank::Worker)?))
    }
}

impl Fleet {
    fn watching(mut process: Child) -> Self {
        let reports: Arc<Mutex<VecDeque<Value>>> = Arc::default();
        let (output, kept) = (process.stdout.take(), Arc::clone(&reports));
        std::thread::spawn(move || {
            for line in
                output.into_iter().flat_map(|output| BufReader::new(output).lines().map_while(Result::ok))
            {
                let Ok(report) = serde_json::from_str(&line) else { continue };
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() >= KEPT_MAX {
                    kept.pop_front();
                }
                kept.push_back(report);
            }
        });
        Self { process, reports }
    }

    /// Its process number.
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// The newest report; null before the first.
    pub fn report(&self) -> Value {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).back().cloned().unwrap_or_default()
    }

    /// All reports so far, oldest first.
    pub fn reports(&self) -> Vec<Value> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Waits until a report is as wanted, and gives it.
    pub fn wait(&self, within: Duration, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        let started = crate::shell::started_now();
        loop {
            let report = self.report();
            if is_so(&report) {
                return Ok(report);
            }
            if !is_alive(self.process.id()) {
                bail!("the simulator ended before {what}; its last report: {report}; see fleet.log");
            }
            if started.elapsed() > within {
                bail!("waited {} s for {what}; the last report: {report}", within.as_secs());
            }
            pause(Duration::from_millis(20));
        }
    }

    /// Waits until all of its workers are connected.
    pub fn wait_connected(&self, within: Duration) -> Result<Value> {
        self.wait(within, "all workers to be connected", |report| {
            report["connected"].as_u64().is_some_and(|count| Some(count) == report["workers"].as_u64())
        })
    }

    /// Asks it to end, in good order, and gives the sum of all.
    pub fn finish(mut self) -> Result<Value> {
        stop(&mut self.process);
        let started = crate::shell::started_now();
        while self.report()["is_last"] != true {
            if started.elapsed() > Duration::from_secs(5) {
                bail!("the simulator gave no last report; see fleet.log");
            }
            pause(Duration::from_millis(20));
        }
        Ok(self.report())
    }

    /// Ends it as a power cut of all its machines would.
    pub fn kill(mut self) -> Result<()> {
        kill_hard(&mut self.process)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}
