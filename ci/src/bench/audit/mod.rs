//! How long `pictor-cloud audit` takes on a large farm, over both databases, and that it finds one broken
//! promise there.
//!
//! The program makes its database itself; the rows come by SQL (`farm.sql`), the files of their blobs are
//! empty, since without `--deep` the audit looks at names alone.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::farm::Programs;
use crate::postgres::{Durability, Postgres};
use crate::shell;

/// Tasks of a job.
const OF_JOB: u64 = 2_000;
/// Workers that they are spread over.
const WORKERS: u64 = 1_000;
/// How the name of each blob ends; the first 13 of its 64 digits differ.
const HASH_END: &str = "0123456789abcdef0123456789abcdef0123456789abcdef012";
/// The aim at a million tasks.
const AUDITED_WITHIN: Duration = Duration::from_secs(30);
/// Runs the statements given after the database's file and prints the rows that they give.
const PYTHON: &str = "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('PRAGMA synchronous=OFF')
for statement in sys.argv[2:]:
    for row in db.execute(statement):
        print(*row, sep='|')
";

/// How large the farm is.
#[derive(clap::Args)]
pub struct AuditArguments {
    /// Tasks to fill in, in jobs of 2,000; the aim is about a million
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(OF_JOB..))]
    tasks: u64,
    /// Databases
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    databases: Vec<String>,
    /// Folder with a `pictor-cloud` that is built already
    #[arg(long)]
    programs: Option<PathBuf>,
}

/// Measures and prints; fails where the aim is missed, or what is sound and what is broken is not told apart.
pub fn run(root: &Path, arguments: &AuditArguments) -> Result<()> {
    let programs = match &arguments.programs {
        Some(folder) => Programs::at(folder),
        None => Programs::build(root, true)?,
    };
    let folder = super::fresh(root, "audit")?;
    let tasks = arguments.tasks.div_ceil(OF_JOB) * OF_JOB;
    shell::say(&format!("files of the blobs of {tasks} tasks"));
    let blobs = folder.join("blobs");
    make_files(&blobs, tasks)?;
    for name in &arguments.databases {
        let database = match name.as_str() {
            "sqlite" => Database::Sqlite,
            "postgres" => Database::Postgres(Postgres::start(Durability::None)?),
            _ => bail!("{name} is no database: say sqlite or postgres"),
        };
        let data = folder.join(name);
        Farm { programs: &programs, data, blobs: &blobs, database }.measure(name, tasks)?;
    }
    std::fs::remove_dir_all(&folder).context("cannot remove what was measured with")
}

/// What a database is made of.
enum Database {
    Sqlite,
    Postgres(Postgres),
}

struct Farm<'a> {
    programs: &'a Programs,
    data: PathBuf,
    blobs: &'a Path,
    database: Database,
}

impl Farm<'_> {
    fn measure(&self, name: &str, tasks: u64) -> Result<()> {
        shell::say(&format!("{name}: {tasks} tasks"));
        let begun = shell::started_now();
        self.make_account()?;
        self.fill(tasks)?;
        println!("{name}: {}", self.rows()?);
        println!("{name}: filled in {:.1} s", begun.elapsed().as_secs_f64());
        let (took, code, told) = self.audit()?;
        for one in promises(&told) {
            println!(
                "{name}: {:<7} {:>7} ms  {}",
                text(one, "id"),
                one["took_ms"].to_string(),
                text(one, "promise")
            );
        }
        let aim = AUDITED_WITHIN.as_secs();
        let seconds = took.as_secs_f64();
        println!("{name}: audited in {seconds:.1} s (aim: {aim} s for 1000000 tasks), exit code {code}");
        ensure!(code == 0 && told["clean"] == true, "the audit finds fault with a sound farm: {told:#}");
        self.plant()?;
        let (again, code, told) = self.audit()?;
        println!("{name}: with a frame's row lost in {:.1} s, exit code {code}", again.as_secs_f64());
        let broken: Vec<&Value> = promises(&told).filter(|one| one["violations"] != 0).collect();
        broken.iter().for_each(|one| println!("{name}: {:<7} {}", text(one, "id"), one["rows"]));
        let is_found = matches!(&broken[..], [one] if text(one, "id") == "INV-8" && one["violations"] == 1);
        ensure!(code == 1 && is_found, "the audit should tell of one task without its frame: {told:#}");
        ensure!(took <= AUDITED_WITHIN, "the aim is missed");
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.programs.command("pictor-cloud");
        command.args(arguments).arg("--data").arg(&self.data).env("PICTOR__BLOBS__DIR", self.blobs);
        if let Database::Postgres(server) = &self.database {
            command.env("PICTOR__DATABASE__URL", server.url());
        }
        command
    }

    /// Which makes the database too.
    fn make_account(&self) -> Result<()> {
        std::fs::create_dir_all(&self.data)?;
        let account = ["admin", "account", "create", "--email", crate::farm::EMAIL, "--name", "Audit"];
        let mut command = self.command(&[&account[..], &["--role", "creator", "--password-stdin"]].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        child.stdin.take().context("its input is a pipe")?.write_all(b"measured, then thrown away")?;
        let status = child.wait()?;
        ensure!(status.success(), "pictor-cloud admin account create ended with {status}");
        Ok(())
    }

    fn fill(&self, tasks: u64) -> Result<()> {
        let values = [("TASKS", tasks), ("OF_JOB", OF_JOB), ("WORKERS", WORKERS)];
        let text = include_str!("farm.sql").replace("HASH_END", HASH_END);
        let text = values.iter().fold(text, |text, (name, value)| text.replace(name, &value.to_string()));
        let statements: Vec<&str> = text.split(";\n").filter(|one| !one.trim().is_empty()).collect();
        self.sql(&statements).map(drop)
    }

    /// How many rows of what.
    fn rows(&self) -> Result<String> {
        let tables = ["jobs", "tasks", "leases", "frames", "blobs"];
        let counts = tables.map(|table| format!("(SELECT COUNT(*) FROM {table}) || ' {table}'"));
        self.sql(&[&format!("SELECT {}", counts.join(" || ', ' || "))])
    }

    /// As if the row of one frame of a completed task had been lost.
    fn plant(&self) -> Result<()> {
        let task = "SELECT task_id FROM frames ORDER BY job_id, frame LIMIT 1";
        self.sql(&[&format!("DELETE FROM frames WHERE task_id = ({task})")]).map(drop)
    }

    /// How long it took, its exit code and what it said.
    fn audit(&self) -> Result<(Duration, i32, Value)> {
        let begun = shell::started_now();
        let mut command = self.command(&["audit", "--json"]);
        let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output()?;
        let took = begun.elapsed();
        let said = serde_json::from_slice(&stdout)
            .with_context(|| format!("pictor-cloud audit failed: {}", String::from_utf8_lossy(&stderr)))?;
        Ok((took, status.code().context("a signal ended pictor-cloud audit")?, said))
    }

    /// Each statement by itself, over one connection past the program.
    fn sql(&self, statements: &[&str]) -> Result<String> {
        match &self.database {
            Database::Sqlite => {
                let file = self.data.join("pictor.db").to_string_lossy().into_owned();
                shell::output("python3", &[&["-c", PYTHON, &file], statements].concat())
            }
            Database::Postgres(server) => {
                let url = server.url();
                let mut arguments = vec![url.as_str(), "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"];
                arguments.extend(statements.iter().flat_map(|statement| ["-c", statement]));
                shell::output("psql", &arguments)
            }
        }
    }
}

fn promises(told: &Value) -> impl Iterator<Item = &Value> {
    told["promises"].as_array().into_iter().flatten()
}

fn text<'a>(of: &'a Value, field: &str) -> &'a str {
    of[field].as_str().unwrap_or_default()
}

/// An empty file for each blob that `farm.sql` notes.
fn make_files(blobs: &Path, tasks: u64) -> Result<()> {
    for shard in 0..100 {
        std::fs::create_dir_all(blobs.join(format!("objects/{shard:02}")))?;
    }
    let is_done = |task: &u64| (task / OF_JOB) % 10 < 7 || task % OF_JOB < OF_JOB / 2;
    for task in (0..tasks).filter(is_done) {
        let name = format!("{:013}{HASH_END}", (task * 2_654_435_761) % 10_000_000_000_000);
        let file = blobs.join("objects").join(&name[..2]).join(&name);
        std::fs::File::create(&file).with_context(|| format!("cannot make {}", file.display()))?;
    }
    Ok(())
}
