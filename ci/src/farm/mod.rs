//! A small farm of real programs on this machine, for the demo and the benchmarks: a cloud with a folder of its own
//! on a free loopback port, and workers enrolled with configuration files. Dropping it stops what it started.

mod log;
mod scene;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub use log::unix_ms;
pub use scene::{Sample, make_scene};

/// The account that owns everything on such a farm.
pub const EMAIL: &str = "demo@pictor.example";

/// How long a program may take to say that it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Where the programs are, and whether they are optimised.
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds them. Optimised programs are for measuring; the demo takes the quick build.
    pub fn build(root: &Path, is_release: bool) -> Result<Self> {
        let mut arguments = vec!["build", "--workspace", "--bins", "--exclude", "ci"];
        if is_release {
            arguments.push("--release");
        }
        crate::shell::run("cargo", &arguments)?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self { folder: target.join(if is_release { "release" } else { "debug" }) })
    }

    /// A command that runs one of them.
    pub fn command(&self, name: &str) -> Command {
        Command::new(self.folder.join(name))
    }
}

/// A cloud with its workers.
pub struct Farm {
    programs: Programs,
    folder: PathBuf,
    url: String,
    token: String,
    password: String,
    // Workers end before the cloud does.
    workers: Vec<Child>,
    cloud: Child,
}

impl Farm {
    /// Starts a cloud in `folder` and makes the account.
    pub fn start(programs: Programs, folder: &Path, listen: &str) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let cloud_folder = folder.join("cloud");
        let mut command = programs.command("pictor-cloud");
        command.arg("serve").args(["--listen", listen]).arg("--data").arg(&cloud_folder);
        let log = File::create(folder.join("cloud.log")).context("cannot make the cloud's log")?;
        let mut cloud =
            command.stdout(Stdio::piped()).stderr(log).spawn().context("cannot start pictor-cloud")?;
        let url = address_said(&mut cloud).inspect_err(|_| drop(cloud.kill()))?;
        let password = random_text()?;
        let mut farm = Self {
            programs,
            folder: folder.into(),
            url,
            token: String::new(),
            password,
            workers: vec![],
            cloud,
        };
        farm.make_account()?;
        farm.token = farm.admin(&["token", "create", "--email", EMAIL, "--scope", "all"], None)?;
        Ok(farm)
    }

    /// Address of the cloud.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Password of [`EMAIL`].
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Process numbers of the cloud and of the workers.
    pub fn processes(&self) -> (u32, Vec<u32>) {
        (self.cloud.id(), self.workers.iter().map(Child::id).collect())
    }

    fn make_account(&self) -> Result<()> {
        let mut arguments = vec!["account", "create", "--email", EMAIL, "--name", "Demo"];
        arguments.extend([
            "--role",
            "provider",
            "--role",
            "creator",
            "--role",
            "operator",
            "--password-stdin",
        ]);
        self.admin(&arguments, Some(&self.password)).map(drop)
    }

    /// Runs an admin verb beside the running cloud and gives what it printed.
    fn admin(&self, arguments: &[&str], input: Option<&str>) -> Result<String> {
        let mut command = self.programs.command("pictor-cloud");
        command.arg("admin").args(arguments).arg("--data").arg(self.folder.join("cloud"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.unwrap_or_default().as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("pictor-cloud admin {} ended with {}", arguments.join(" "), output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Enrols a worker by its configuration file and starts it.
    pub fn add_worker(&mut self, name: &str) -> Result<()> {
        let file = self.folder.join(format!("{name}.pictor"));
        let file_text = file.to_string_lossy().into_owned();
        self.admin(&["worker", "create", "--email", EMAIL, "--name", name, "--out", &file_text], None)?;
        let worker_folder = self.folder.join(name);
        let mut import = self.programs.command("pictor-worker");
        let status = import
            .arg("import")
            .arg(&file)
            .arg("--data")
            .arg(&worker_folder)
            .stdout(Stdio::null())
            .status()?;
        if !status.success() {
            bail!("pictor-worker import ended with {status}");
        }
        let log =
            File::create(self.folder.join(format!("{name}.log"))).context("cannot make the worker's log")?;
        let mut run = self.programs.command("pictor-worker");
        let run = run.arg("run").arg("--data").arg(&worker_folder);
        self.workers
            .push(run.stdout(Stdio::null()).stderr(log).spawn().context("cannot start pictor-worker")?);
        self.wait_for("the worker to come online", |farm| {
            let workers = farm.pictor(&["workers", "list", "--json"])?;
            let is_online = |worker: &Value| worker["name"] == name && worker["connection"] == "online";
            Ok(list_of(&workers).iter().any(is_online).then_some(()))
        })
    }

    /// Folders of the workers.
    fn worker_folders(&self) -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(&self.folder)?.flatten().map(|entry| entry.path());
        Ok(entries.filter(|path| path.with_extension("pictor").is_file() && path.is_dir()).collect())
    }

    /// Runs the creator's client and reads its JSON.
    pub fn pictor(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.client(arguments).output().context("cannot start pictor")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("pictor {} ended with {}: {said}", arguments.join(" "), output.status);
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("pictor {} wrote no JSON", arguments.join(" ")))
    }

    /// The creator's client, set to this cloud.
    pub fn client(&self, arguments: &[&str]) -> Command {
        let mut command = self.programs.command("pictor");
        command.args(arguments).env("PICTOR_URL", &self.url).env("PICTOR_TOKEN", &self.token);
        command
    }

    /// Asks again and again until there is an answer; bounded.
    pub fn wait_for<T>(&self, what: &str, mut ask: impl FnMut(&Self) -> Result<Option<T>>) -> Result<T> {
        let started = crate::shell::started_now();
        let (_keep, pause) = sync_channel::<()>(1);
        while started.elapsed() < READY_WITHIN {
            if let Some(answer) = ask(self)? {
                return Ok(answer);
            }
            let _ = pause.recv_timeout(Duration::from_millis(50));
        }
        bail!("waited {} s for {what}; see the logs in {}", READY_WITHIN.as_secs(), self.folder.display())
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        for child in self.workers.iter_mut().chain([&mut self.cloud]) {
            stop(child);
        }
    }
}

/// Asks a program to end, as a service manager would, and makes it end if it does not.
fn stop(child: &mut Child) {
    let asked = crate::shell::output("kill", &["-TERM", &child.id().to_string()]).is_ok();
    let started = crate::shell::started_now();
    let (_keep, pause) = sync_channel::<()>(1);
    while asked && started.elapsed() < Duration::from_secs(12) {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        let _ = pause.recv_timeout(Duration::from_millis(20));
    }
    drop(child.kill());
    drop(child.wait());
}

/// Entries of a list answer, be it a bare list or a page.
pub fn list_of(answer: &Value) -> &[Value] {
    answer.as_array().or_else(|| answer["items"].as_array()).map_or(&[], Vec::as_slice)
}

/// The first address that the cloud prints; the rest of its output is read on and dropped so that it never blocks.
fn address_said(cloud: &mut Child) -> Result<String> {
    let output = cloud.stdout.take().context("the cloud's output is a pipe")?;
    let (tell, told) = sync_channel(1);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(at) = line.find("http") {
                let address = line[at..].split_whitespace().next().unwrap_or_default();
                drop(tell.try_send(address.trim_end_matches('/').to_owned()));
            }
        }
    });
    told.recv_timeout(READY_WITHIN).context("the cloud did not print its address; see cloud.log")
}

fn random_text() -> Result<String> {
    let mut bytes = [0; 12];
    std::io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
