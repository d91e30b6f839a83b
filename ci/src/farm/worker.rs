//! Workers of a farm.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::kept::{self, Rank, kill_hard, stop};
use super::{EMAIL, Farm, children, is_alive, list_of};

/// Folder of a worker's remembered answers about installed software.
const PROBES: &str = "probes";

/// Trying every engine of every installed Blender takes this long at most on a slow machine.
const PROBED_WITHIN: Duration = Duration::from_secs(300);

/// One worker: its folder, and its process while it runs.
pub struct Worker {
    /// Name on the dashboard.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    process: Child,
}

impl Worker {
    /// Its process number.
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// Process numbers of the engines it runs.
    pub fn engines(&self) -> Vec<u32> {
        let is_engine = |line: &str| line.contains("blender") || line.contains("python");
        children(self.process.id())
            .into_iter()
            .filter(|(_, line)| is_engine(line))
            .map(|(process, _)| process)
            .collect()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

impl Farm {
    /// Enrols a worker by its configuration file, starts it and waits until the cloud sees it.
    pub fn add_worker(&mut self, name: &str) -> Result<()> {
        let url = self.url().to_owned();
        self.add_worker_by(name, &url, &[])
    }

    /// The same with another way to the cloud (a proxy) and lines for the worker's `settings.toml`.
    pub fn add_worker_by(&mut self, name: &str, cloud: &str, settings: &[&str]) -> Result<()> {
        let file = self.configuration(name, cloud)?;
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        if !settings.is_empty() {
            std::fs::write(folder.join("settings.toml"), settings.join("\n"))?;
        }
        let mut import = self.programs.command("pictor-worker");
        let output = import.arg("import").arg(&file).arg("--data").arg(&folder).output()?;
        if !output.status.success() {
            bail!("pictor-worker import: {}", String::from_utf8_lossy(&output.stderr));
        }
        if let Some(known) = &self.probes {
            copy_probes(known, &folder);
        }
        self.start_worker(name)?;
        if self.probes.as_ref().is_some_and(|known| is_empty(known)) {
            self.wait_probed(name)?;
            self.keep_probes();
        }
        Ok(())
    }

    /// Keeps what the workers found out about this machine's software for the next farm.
    fn keep_probes(&self) {
        for (worker, known) in self.workers.iter().zip(self.probes.iter().cycle()) {
            copy_missing(&worker.folder.join(PROBES), known);
        }
    }

    /// Makes a worker in the cloud and saves its configuration file.
    pub fn configuration(&self, name: &str, cloud: &str) -> Result<PathBuf> {
        let file = self.folder.join(format!("{name}.pictor"));
        let file_text = file.to_string_lossy().into_owned();
        let create =
            ["worker", "create", "--email", EMAIL, "--name", name, "--out", &file_text, "--cloud", cloud];
        self.admin(&create, None)?;
        Ok(file)
    }

    /// Starts an enrolled worker (again) and waits until the cloud sees it.
    pub fn start_worker(&mut self, name: &str) -> Result<()> {
        let folder = self.folder.join(name);
        let log =
            OpenOptions::new().create(true).append(true).open(self.folder.join(format!("{name}.log")))?;
        let mut run = self.programs.command("pictor-worker");
        run.arg("run").arg("--data").arg(&folder);
        run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = kept::start(run, Rank::Worker)?;
        self.workers.push(Worker { name: name.to_owned(), folder, process });
        self.wait_for("the worker to come online", |farm| {
            let worker = farm.workers.last().context("it was just added")?;
            if !is_alive(worker.process()) {
                let log =
                    std::fs::read_to_string(farm.folder.join(format!("{name}.log"))).unwrap_or_default();
                bail!("the worker ended; its log:\n{log}");
            }
            Ok((farm.connection(name)? == "online").then_some(()))
        })
    }

    /// Waits until a running worker has tried every engine of every program it found: that takes the
    /// processor for some seconds, which must not be in a measurement.
    pub fn wait_probed(&self, name: &str) -> Result<()> {
        let folder = self.worker(name)?.folder.clone();
        self.wait_within(PROBED_WITHIN, "the worker to know its software", |farm| {
            Ok((farm.worker_status(&folder)?["software_search"] == "done").then_some(()))
        })
    }

    /// How the cloud sees a worker's connection.
    pub fn connection(&self, name: &str) -> Result<String> {
        let workers = self.pictor(&["workers", "list"])?;
        let worker =
            list_of(&workers).iter().find(|worker| worker["name"] == name).context("no such worker")?;
        Ok(worker["connection"].as_str().unwrap_or_default().to_owned())
    }

    /// What a running worker says of itself (`pictor-worker status --json`).
    pub fn worker_status(&self, folder: &Path) -> Result<Value> {
        let output = self
            .programs
            .command("pictor-worker")
            .args(["status", "--json", "--data"])
            .arg(folder)
            .output()?;
        serde_json::from_slice(&output.stdout).context("pictor-worker status wrote no JSON")
    }

    /// A running worker by its name.
    pub fn worker(&self, name: &str) -> Result<&Worker> {
        self.workers.iter().find(|worker| worker.name == name).with_context(|| format!("no worker {name}"))
    }

    /// Ends a worker as a power cut would.
    pub fn kill_worker(&mut self, name: &str) -> Result<()> {
        let at = self.workers.iter().position(|worker| worker.name == name).context("no such worker")?;
        kill_hard(&mut self.workers.remove(at).process)
    }

    /// Asks a worker to end and waits for it.
    pub fn stop_worker(&mut self, name: &str) -> Result<()> {
        let at = self.workers.iter().position(|worker| worker.name == name).context("no such worker")?;
        drop(self.workers.remove(at));
        Ok(())
    }

    /// Folders of the workers that were enrolled here.
    pub(super) fn worker_folders(&self) -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(&self.folder)?.flatten().map(|entry| entry.path());
        Ok(entries.filter(|path| path.with_extension("pictor").is_file() && path.is_dir()).collect())
    }
}

/// Gives a worker's folder what is known about this machine's software, so that it need not find out.
pub fn copy_probes(known: &Path, worker: &Path) {
    copy_missing(known, &worker.join(PROBES));
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

/// Copies the files that are not there yet. Best effort: without them a worker finds out for itself.
fn copy_missing(from: &Path, to: &Path) {
    let _ = std::fs::create_dir_all(to);
    for file in std::fs::read_dir(from).into_iter().flatten().flatten() {
        let target = to.join(file.file_name());
        if !target.exists() {
            let _ = std::fs::copy(file.path(), target);
        }
    }
}
