//! A farm under trial: a real cloud, simulated workers that break by themselves, work that never ends, and
//! the audit.

use std::path::PathBuf;
use std::time::Duration;

use ci::farm::{Fleet, is_alive};
use serde_json::Value;

use super::rows::Rows;
use crate::harness::{Stage, quick};

/// The names of the places that were reached, one a line.
const SEEN: &str = "seen";

pub struct Trial {
    pub stage: Stage,
    pub fleet: Option<Fleet>,
    rows: Rows,
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
    "0.03",
    "--failure-class",
    "crash",
    "--failure-class",
    "bad_scene",
    "--fault",
    "cut:12s",
    "--fault",
    "silence:20s",
    "--fault",
    "duplicate:15s",
    "--fault-for",
    "13s",
];

/// The same, quick and well.
pub const CALM: &[&str] = &["--frame-time", "60ms", "--load-time", "30ms", "--every", "200ms"];

impl Trial {
    pub fn begin(workers: usize, behaviour: &[&str]) -> Self {
        Self::on(Stage::with(Self::settings(quick())), workers, behaviour)
    }

    /// These settings, and those that every trial needs.
    pub fn settings(mut settings: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
        settings.push(("PICTOR__SIMULATION__ALLOWED", "true".into()));
        settings.push(("PICTOR__LIMITS__SIGN_INS_PER_MINUTE", "100000".into()));
        settings
    }

    pub fn on(stage: Stage, workers: usize, behaviour: &[&str]) -> Self {
        let folder = stage.folder.path().join("fleet");
        let fleet = stage.farm.simulate(workers, Some(&folder), behaviour).unwrap();
        fleet.wait_connected(Duration::from_secs(60)).unwrap();
        let rows = Rows::of(&stage);
        Self { stage, fleet: Some(fleet), rows, jobs: Vec::new(), files: 0 }
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
        let Some(job) = self.submit(24) else { return };
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

    /// Every job that the cloud has comes to an end, and the audit has nothing to say.
    pub fn all_ends_well(&mut self) {
        let (farm, rows) = (&self.stage.farm, &self.rows);
        farm.wait_within(Duration::from_secs(240), "every job to end", |farm| {
            let open = rows.open_jobs();
            for (job, _) in open.iter().filter(|(_, state)| state == "paused") {
                farm.pictor(&["jobs", "resume", job])?;
            }
            Ok(open.is_empty().then_some(()))
        })
        .unwrap();
        for job in &self.jobs {
            let shown = farm.job(job).unwrap_or_else(|error| panic!("{job} was made and is gone: {error}"));
            if shown["state"] == "completed" {
                assert_eq!(shown["frames_done"], shown["frames_total"], "{shown:#}");
            }
        }
        self.audit(true);
    }

    /// A look at the rows, and, `deep`, at the files of every stored frame.
    pub fn audit(&self, deep: bool) {
        self.rows.audit();
        if deep {
            self.rows.audit_files(&self.stage.folder.path().join("cloud/blobs/objects"));
        }
    }
}
