//! A PostgreSQL server for the length of one test run: fresh, on a free loopback port, gone afterwards.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// What a commit of a server is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing in it is meant to survive: it does not wait for the disk.
    None,
    /// As in production: each commit waits for the disk.
    Real,
}

/// A running server; dropping it stops it and removes its files.
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub fn start(durability: Durability) -> Result<Self> {
        let programs = programs()?;
        let folder = std::env::temp_dir().join(format!("pictor-postgres-{}", std::process::id()));
        std::fs::create_dir_all(&folder).context("cannot make a folder for PostgreSQL")?;
        if is_root()? {
            shell::output("chown", &["postgres", &folder.to_string_lossy()])?;
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = Self { programs, folder, port };
        server.run(
            "initdb",
            &["-D", &server.cluster(), "-U", "pictor", "-A", "trust", "-E", "UTF8", "--no-sync"],
        )?;
        let fsync = if durability == Durability::None { "off" } else { "on" };
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync={fsync} -c \
            max_connections=300"
        );
        let log = server.folder.join("log").to_string_lossy().into_owned();
        server.run("pg_ctl", &["-D", &server.cluster(), "-w", "-l", &log, "-o", &options, "start"])?;
        Ok(server)
    }

    /// Address of a database in which tests may make databases of their own.
    pub fn url(&self) -> String {
        format!("postgres://pictor@127.0.0.1:{}/postgres", self.port)
    }

    /// Folder of all its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Path of one of its programs.
    pub fn program(&self, name: &str) -> String {
        self.programs.join(name).to_string_lossy().into_owned()
    }

    /// Number of the process that all its others are children of.
    pub fn process(&self) -> Result<u32> {
        let file = self.folder.join("cluster/postmaster.pid");
        let text = std::fs::read_to_string(&file).context("the server says its number")?;
        text.lines().next().and_then(|line| line.trim().parse().ok()).context("the server's number")
    }

    fn cluster(&self) -> String {
        self.folder.join("cluster").to_string_lossy().into_owned()
    }

    /// Runs one of PostgreSQL's programs; as its own user where we are root, which it refuses to be.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let program = self.programs.join(program);
        let mut command = if is_root()? {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        let output = command
            .args(arguments)
            .current_dir("/")
            // pg_ctl's server inherits the pipes; waiting for their end would wait for the server.
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .with_context(|| format!("cannot start {}", program.display()))?;
        if !output.success() {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            bail!("{} ended with {output}\n{log}", program.display());
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.run("pg_ctl", &["-D", &self.cluster(), "-m", "immediate", "-w", "stop"]) {
            eprintln!("PostgreSQL was not stopped: {error:#}");
        }
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("{} was not removed: {error}", self.folder.display());
        }
    }
}

fn is_root() -> Result<bool> {
    Ok(shell::output("id", &["-u"])? == "0")
}

/// The newest installed version's programs; Debian keeps them apart from the PATH.
fn programs() -> Result<PathBuf> {
    let debian = Path::new("/usr/lib/postgresql");
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(debian)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    versions.sort();
    if let Some((_, folder)) = versions.pop() {
        return Ok(folder);
    }
    shell::find("initdb")
        .and_then(|file| file.parent().map(Path::to_path_buf))
        .context("PostgreSQL's initdb was not found: run `cargo ci setup`")
}
