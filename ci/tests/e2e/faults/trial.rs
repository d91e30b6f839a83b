//! A farm under trial: a real cloud, simulated workers that break by themselves, work that never ends, and
//! the audit.

use std::path::PathBuf;
use std::time::Duration;

use ci::farm::{Farm, Fleet, is_alive, simulating};
use serde_json::Value;

use super::is_soak;
use super::rows::Rows;
use crate::harness::Stage;

/// The names of the places that were reached, one a line.
const SEEN: &str = "seen";
/// Between two looks at all jobs.
const LOOK_EVERY: Duration = Duration::from_millis(300);

pub struct Trial {
    pub stage: Stage,
    pub fleet: Option<Fleet>,
    pub rows: Rows,
    /// Jobs that were surely made.
    pub jobs: Vec<String>,
    files: u32,
}

/// How simulated workers of a trial behave: quick, and not too well.
pub const RESTLESS: &[&str] = &[
    "--frame-time",
    "60ms",
    "--load-time",
    "30ms",
    "--every",
    "200ms",
    "--failures",
    "0.05",
    "--failure-class",
    "crash",
    "--failure-class",
    "bad_scene",
    "--fault",
    "cut:5s",
    "--fault",
    "silence:6s",
    "--fault",
    "duplicate:8s",
    "--fault-for",
    "4s",
];

/// The same, quick and well.
pub const CALM: &[&str] = &["--frame-time", "60ms", "--load-time", "30ms", "--every", "200ms"];

/// What every trial's cloud is told: a silent worker loses its leases within seconds.
pub fn settings() -> Vec<(&'static str, String)> {
    [
        ("PICTOR__LIVENESS__HEARTBEAT_MS", "300"),
        ("PICTOR__LIVENESS__STALE_AFTER_MS", "1200"),
        ("PICTOR__LIVENESS__OFFLINE_AFTER_MS", "2400"),
        ("PICTOR__LIVENESS__LEASE_TTL_MS", "3000"),
        ("PICTOR__LIVENESS__PATIENCE_MS", "500"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into_iter()
    .chain(simulating())
    .collect()
}

impl Trial {
    /// A cloud, and so many workers with it.
    pub fn begin(workers: usize, behaviour: &[&str]) -> Self {
        Self::on(Stage::with(settings()), workers, behaviour)
    }

    /// The same on a stage that is there.
    pub fn on(stage: Stage, workers: usize, behaviour: &[&str]) -> Self {
        let mut trial = Self::without_workers(stage);
        let folder = trial.stage.folder.path().join("fleet");
        let fleet = trial.stage.farm.simulate(workers, Some(&folder), behaviour).unwrap();
        fleet.wait_connected(Duration::from_secs(60)).unwrap();
        trial.fleet = Some(fleet);
        trial
    }

    pub fn without_workers(stage: Stage) -> Self {
        let rows = Rows::of(&stage);
        Self { stage, fleet: None, rows, jobs: Vec::new(), files: 0 }
    }

    pub fn seen_file(&self) -> PathBuf {
        self.stage.folder.path().join(SEEN)
    }

    /// The places that were reached so far.
    pub fn seen(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.seen_file()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Ends the cloud, if it still runs, and starts one to which this happens.
    pub fn cloud_with(&mut self, faults: &str) -> bool {
        let seen = self.seen_file();
        let settings = [("PICTOR_FAULTS", faults), ("PICTOR_FAULTS_SEEN", &*seen.to_string_lossy())];
        self.stage.farm.kill_cloud().unwrap();
        let started = self.stage.farm.start_cloud_with(&settings);
        if let Err(error) = &started {
            println!("with {faults:?} the cloud does not start: {error:#}");
        }
        started.is_ok()
    }

    pub fn is_cloud_alive(&self) -> bool {
        is_alive(self.stage.farm.cloud_process())
    }

    /// New work; nothing if the cloud did not take it.
    pub fn submit(&mut self, frames: u32) -> Option<String> {
        self.files += 1;
        let file = self.stage.folder.path().join(format!("scene-{}.blend", self.files));
        std::fs::write(&file, format!("BLENDER-v304, the {}th that nobody opens", self.files)).unwrap();
        let file = file.to_string_lossy().into_owned();
        let frames = format!("1-{frames}");
        let options = ["--frames", &frames, "--engine", "simulated", "--chunk", "2"];
        let said = self.ask(&[&["submit", &file], &options[..]].concat())?;
        let job = said["id"].as_str()?.to_owned();
        self.jobs.push(job.clone());
        Some(job)
    }

    /// Asks the client, but not for longer than the cloud lives.
    pub fn ask(&self, arguments: &[&str]) -> Option<Value> {
        let mut client = self.stage.farm.client(arguments);
        client.arg("--json").stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
        let mut client = client.spawn().unwrap();
        while client.try_wait().unwrap().is_none() {
            if !self.is_cloud_alive() {
                client.kill().unwrap();
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let output = client.wait_with_output().unwrap();
        output.status.success().then(|| serde_json::from_slice(&output.stdout).ok()).flatten()
    }

    /// A creator at work: jobs are made, held, let go and ended.
    pub fn stir(&mut self) {
        let Some(job) = self.submit(8) else { return };
        if self.jobs.len().is_multiple_of(2) {
            self.ask(&["jobs", "pause", &job]);
            self.ask(&["jobs", "resume", &job]);
        }
        if self.jobs.len().is_multiple_of(3) {
            self.ask(&["jobs", "cancel", &job]);
        }
    }

    /// Stirs until the cloud has died by itself; false: it lives on.
    pub fn stir_until_dead(&mut self, within: Duration) -> bool {
        let begun = ci::shell::started_now();
        while begun.elapsed() < within {
            self.stir();
            if !self.is_cloud_alive() {
                return true;
            }
        }
        false
    }

    /// Every job with its state.
    pub fn states(&self) -> Vec<(String, String)> {
        self.rows.jobs()
    }

    /// Every job that the cloud has comes to an end, none is gone, and the audit has nothing to say.
    pub fn all_ends_well(&mut self) {
        let within = Duration::from_secs(if is_soak() { 3_600 } else { 240 });
        let rows = &self.rows;
        let end = |farm: &Farm| {
            let jobs = rows.jobs();
            for (job, _) in jobs.iter().filter(|(_, state)| state == "paused") {
                farm.pictor(&["jobs", "resume", job])?;
            }
            let have_ended =
                jobs.iter().all(|(_, state)| matches!(&**state, "completed" | "failed" | "cancelled"));
            if !have_ended {
                std::thread::park_timeout(LOOK_EVERY);
            }
            Ok(have_ended.then_some(jobs))
        };
        let ended = self.stage.farm.wait_within(within, "every job to end", end).unwrap();
        for job in &self.jobs {
            assert!(ended.iter().any(|(id, _)| id == job), "{job} was made and is gone");
        }
        self.audit_deep();
    }

    /// The cloud keeps its promises.
    pub fn audit(&self) {
        self.stage.farm.audit().unwrap();
    }

    /// The same, with the bytes of every stored frame.
    pub fn audit_deep(&self) {
        self.stage.farm.audit_with(&["--deep"]).unwrap();
    }
}
