//! Starts the program and waits for what it says.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::harness::Client;

/// A start takes a second; a loaded machine may take more.
const STARTED_WITHIN: Duration = Duration::from_secs(60);
/// What the program promises of a stop.
pub const STOPPED_WITHIN: Duration = Duration::from_secs(10);
pub const PASSWORD: &str = "correct horse battery";

/// The program without any setting of whoever runs the test.
pub fn pictor_cloud() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_pictor-cloud")))
}

/// Killed with the test.
pub fn clean(mut command: Command) -> Command {
    let foreign = std::env::vars_os().map(|(name, _)| name);
    for name in foreign.filter(|name| name.to_string_lossy().starts_with("PICTOR__")) {
        command.env_remove(name);
    }
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

/// A cloud that serves.
pub struct Running {
    pub child: Child,
    said: Lines<BufReader<ChildStdout>>,
    /// All it said on standard output until now.
    pub lines: Vec<String>,
    pub address: String,
    log: PathBuf,
}

impl Running {
    /// In this folder, on a free port.
    pub async fn start(data: &Path) -> Self {
        let mut command = pictor_cloud();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        Self::run(command, data).await
    }

    /// Its log goes beside the data folder.
    pub async fn run(mut command: Command, data: &Path) -> Self {
        let log = data.with_extension("log");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .expect("the program starts");
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Self { child, said, lines: Vec::new(), address: String::new(), log };
        let first = running.line().await;
        let address = first.strip_prefix("pictor-cloud listens on ").unwrap_or_else(|| panic!("{first}"));
        running.address = address.to_owned();
        running
    }

    /// The next line on standard output.
    pub async fn line(&mut self) -> String {
        let line = timeout(STARTED_WITHIN, self.said.next_line()).await.expect("it says something").unwrap();
        let line = line.unwrap_or_else(|| panic!("it ended: {}", self.log()));
        self.lines.push(line.clone());
        line
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn client(&self) -> Client {
        Client::new(&self.address)
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().unwrap().try_into().unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits for the end, as long as the program promises; then its lines are complete.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = timeout(STOPPED_WITHIN, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it does not stop: {}", self.log())).unwrap();
        while let Some(line) = self.said.next_line().await.unwrap() {
            self.lines.push(line);
        }
        status
    }

    pub async fn stop(mut self) -> Vec<String> {
        self.signal(Signal::SIGTERM);
        let status = self.ended().await;
        assert!(status.success(), "{status}: {}", self.log());
        self.lines
    }
}

/// What a run said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub words: String,
}

/// Runs the program to its end, with this on standard input.
pub async fn run(arguments: &[&str], data: &Path, input: &str) -> Said {
    let mut command = pictor_cloud();
    command.args(arguments).arg("--data").arg(data);
    run_command(command, input).await
}

pub async fn run_command(mut command: Command, input: &str) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
    let ended = timeout(STARTED_WITHIN, child.wait_with_output()).await.expect("it ends");
    let Output { status, stdout, stderr } = ended.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: status.code().unwrap_or(-1), out: text(stdout), words: text(stderr) }
}

/// Runs it and expects success; what it printed.
pub async fn good(arguments: &[&str], data: &Path, input: &str) -> String {
    let said = run(arguments, data, input).await;
    assert_eq!(said.code, 0, "{arguments:?}: {}", said.words);
    said.out
}

/// Runs it and expects a refusal that says this.
#[track_caller]
pub fn assert_refused(said: &Said, code: i32, words: &str) {
    assert_eq!((said.code, said.out.as_str()), (code, ""), "{}", said.words);
    assert!(said.words.contains(words), "{words:?} is not in {:?}", said.words);
    assert!(!said.words.contains("panicked"), "{}", said.words);
}

/// An account with every role, and a token for everything.
pub async fn with_account(data: &Path) -> String {
    let account = ["admin", "account", "create", "--email", "ada@example.org", "--name", "Ada"];
    let roles = ["--role", "provider", "--role", "creator", "--password-stdin"];
    good(&[&account[..], &roles[..]].concat(), data, PASSWORD).await;
    let token = ["admin", "token", "create", "--email", "ada@example.org", "--scope", "all"];
    good(&token, data, "").await.trim().to_owned()
}
