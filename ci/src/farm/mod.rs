//! A small farm of real programs on this machine, for the demo, the benchmarks and the end-to-end tests: a
//! cloud with a folder of its own on a free loopback port, and workers enrolled with configuration files.
//! Dropping it stops what it started, and so does the end of the tool, however it comes (`kept`).

mod fleet;
mod job;
pub mod kept;
mod log;
mod programs;
mod replica;
mod scene;
mod signals;
mod worker;

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub use fleet::{Fleet, made_up_scene, simulating};
pub use kept::{kill_hard, stop};
pub use log::unix_ms;
pub use programs::{Programs, children, is_alive};
pub use replica::Replica;
pub use scene::{Sample, make_scene};
pub use signals::stop_on_signals;
pub use worker::{Worker, copy_probes};

/// The account that owns everything on such a farm.
pub const EMAIL: &str = "demo@pictor.example";

/// How long a program may take to say that it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// What may differ from the default.
#[derive(Default)]
pub struct FarmOptions {
    /// Where the cloud listens; a free loopback port unless said.
    pub listen: Option<String>,
    /// Settings by environment (`PICTOR__…`).
    pub settings: Vec<(&'static str, String)>,
    /// Where workers' answers about installed software are kept for the next farm: finding out takes each new
    /// worker some seconds for every program and engine.
    pub probes: Option<PathBuf>,
}

/// A cloud with its workers.
pub struct Farm {
    programs: Programs,
    folder: PathBuf,
    settings: Vec<(&'static str, String)>,
    probes: Option<PathBuf>,
    token: String,
    password: String,
    // Workers end before the cloud does.
    workers: Vec<Worker>,
    cloud: Replica,
}

impl Farm {
    /// Starts a cloud in `folder` and makes the account.
    pub fn start(programs: Programs, folder: &Path, options: FarmOptions) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let listen = match options.listen {
            Some(listen) => listen,
            None => format!("127.0.0.1:{}", free_port()?),
        };
        let cloud = Replica::start(&programs, folder, &listen, &options.settings)?;
        let mut farm = Self {
            programs,
            folder: folder.into(),
            settings: options.settings,
            probes: options.probes,
            token: String::new(),
            password: random_text()?,
            workers: Vec::new(),
            cloud,
        };
        farm.make_account()?;
        farm.token = farm.admin(&["token", "create", "--email", EMAIL, "--scope", "all"], None)?;
        Ok(farm)
    }

    /// Address of the cloud.
    pub fn url(&self) -> &str {
        self.cloud.url()
    }

    /// The cloud's `host:port`.
    pub fn listen(&self) -> &str {
        self.cloud.listen()
    }

    /// Where the programs are.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// A setting of the cloud that differs from the default.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }

    /// Folder of everything the farm keeps.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Password of [`EMAIL`].
    pub fn password(&self) -> &str {
        &self.password
    }

    /// API token of [`EMAIL`], good for everything.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The cloud's process number.
    pub fn cloud_process(&self) -> u32 {
        self.cloud.process()
    }

    /// Ends the cloud as a power cut would.
    pub fn kill_cloud(&mut self) -> Result<()> {
        self.cloud.kill()
    }

    /// Starts the cloud again at the same address with the same folder.
    pub fn restart_cloud(&mut self) -> Result<()> {
        self.cloud.restart(&self.programs)
    }

    /// Asks the cloud to end, as a service manager would, waits until it has, and gives the time it took.
    pub fn stop_cloud(&mut self, within: Duration) -> Result<Duration> {
        self.cloud.end(within)
    }

    /// Starts another cloud with the farm's settings and a data folder of its own.
    pub fn start_replica(&self, name: &str) -> Result<Replica> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        Replica::start(&self.programs, &folder, &format!("127.0.0.1:{}", free_port()?), &self.settings)
    }

    /// Ends the cloud and starts it at the same address with these settings beside its own.
    pub fn restart_cloud_with(&mut self, settings: &[(&'static str, &str)]) -> Result<()> {
        self.cloud.end(READY_WITHIN)?;
        self.start_cloud_with(settings)
    }

    /// Starts a cloud that has ended, at the same address, with these settings beside its own.
    pub fn start_cloud_with(&mut self, settings: &[(&'static str, &str)]) -> Result<()> {
        let more = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let all: Vec<_> = self.settings.iter().cloned().chain(more).collect();
        self.cloud.restart_with(&self.programs, &all)
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
    pub fn admin(&self, arguments: &[&str], input: Option<&str>) -> Result<String> {
        let mut command = self.programs.command("pictor-cloud");
        command.arg("admin").args(arguments).arg("--data").arg(self.folder.join("cloud"));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
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

    /// Looks whether the farm keeps its promises, beside the cloud; an error holds what is broken.
    pub fn audit(&self) -> Result<()> {
        self.audit_with(&[])
    }

    /// The same with these options of `pictor-cloud audit`.
    pub fn audit_with(&self, options: &[&str]) -> Result<()> {
        let mut command = self.programs.command("pictor-cloud");
        command.arg("audit").args(options).arg("--data").arg(self.folder.join("cloud"));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        let output = command.stdin(Stdio::null()).output().context("cannot start pictor-cloud audit")?;
        if !output.status.success() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            bail!("the audit fails:\n{}{}", text(&output.stdout), text(&output.stderr));
        }
        Ok(())
    }

    /// Runs the creator's client and reads its JSON.
    pub fn pictor(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.client(arguments).arg("--json").output().context("cannot start pictor")?;
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
        command.args(arguments).env("PICTOR_URL", self.url()).env("PICTOR_TOKEN", &self.token);
        signals::die_with_this_process(&mut command);
        command
    }

    /// Asks again and again until there is an answer; bounded by a minute.
    pub fn wait_for<T>(&self, what: &str, ask: impl FnMut(&Self) -> Result<Option<T>>) -> Result<T> {
        self.wait_within(READY_WITHIN, what, ask)
    }

    /// Asks again and again until there is an answer, for at most so long.
    pub fn wait_within<T>(
        &self,
        within: Duration,
        what: &str,
        mut ask: impl FnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let started = crate::shell::started_now();
        loop {
            if let Some(answer) = ask(self)? {
                return Ok(answer);
            }
            if started.elapsed() > within {
                bail!("waited {} s for {what}; see the logs in {}", within.as_secs(), self.folder.display());
            }
            pause(Duration::from_millis(50));
        }
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        self.workers.clear();
    }
}

/// Between two looks at something that is waited for.
pub(crate) fn pause(length: Duration) {
    let (_keep, never) = sync_channel::<()>(1);
    let _ = never.recv_timeout(length);
}

/// Entries of a list answer, be it a bare list or a page.
pub fn list_of(answer: &Value) -> &[Value] {
    answer.as_array().or_else(|| answer["items"].as_array()).map_or(&[], Vec::as_slice)
}

/// A loopback port that nobody listens on at this moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn random_text() -> Result<String> {
    let mut bytes = [0; 12];
    std::io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
