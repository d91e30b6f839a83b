//! What a database and a disk do by themselves: the yardstick of `bench throughput`.
//!
//! A task costs a claim (the row changes hands under a lease) and a completion (the row ends, a frame's row
//! is kept). The yardstick does just that, committed durably, as quickly as the database can take it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::postgres::Postgres;
use crate::shell;

/// Rows in the yardstick's table.
const ROWS: u32 = 20_000;
/// Each measurement takes this long.
const SECONDS: u64 = 4;
/// Connections to PostgreSQL, as many as the peers' figures were taken with.
const CLIENTS: u32 = 32;
/// Connections that claim whole batches.
const BATCH_CLIENTS: u32 = 8;
/// Tasks of a batch.
const BATCH: f64 = 64.0;

/// The yardstick.
pub struct Raw {
    /// Tasks claimed and completed each second, a claim and a completion a commit.
    pub one_by_one: f64,
    /// The same, 64 tasks a commit, as a group commit takes them.
    pub in_batches: f64,
    /// Small files written, flushed and renamed each second.
    pub files_per_second: f64,
    /// How the first two were had, in words.
    pub how: String,
}

/// One writer with `synchronous=FULL`.
pub fn sqlite(folder: &Path) -> Result<Raw> {
    let script = folder.join("raw.py");
    std::fs::write(&script, include_str!("raw.py"))?;
    let output = Command::new("python3")
        .arg(&script)
        .arg(folder.join("raw.db"))
        .args([ROWS.to_string(), SECONDS.to_string()])
        .stdin(Stdio::null())
        .output()
        .context("cannot start python3")?;
    if !output.status.success() {
        bail!("the raw probe failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let mut rates = said.lines().map(|line| line.trim().parse().context("the raw probe tells no rate"));
    let mut rate = || rates.next().context("the raw probe tells too little")?;
    let (one_by_one, in_batches) = (rate()?, rate()?);
    let how = "SQLite: FULL, one writer".to_owned();
    Ok(Raw { one_by_one, in_batches, files_per_second: files(folder)?, how })
}

/// pgbench: claims with SKIP LOCKED and completions.
pub fn postgres(server: &Postgres, folder: &Path) -> Result<Raw> {
    let files_per_second = files(folder)?;
    let one_by_one = pgbench(server, CLIENTS, ROWS * 10, include_str!("raw.sql"))?;
    let in_batches = pgbench(server, BATCH_CLIENTS, ROWS * 30, include_str!("raw-batches.sql"))? * BATCH;
    let how = format!("PostgreSQL: {CLIENTS} connections, in batches {BATCH_CLIENTS}");
    Ok(Raw { one_by_one, in_batches, files_per_second, how })
}

/// Runs of the script each second, over so many pending tasks.
fn pgbench(server: &Postgres, clients: u32, rows: u32, script: &str) -> Result<f64> {
    let fill = format!(
        "DROP TABLE IF EXISTS raw_tasks, raw_frames; \
         CREATE TABLE raw_tasks (id BIGINT PRIMARY KEY, state TEXT NOT NULL, fence BIGINT NOT NULL, \
         lease TEXT); \
         CREATE INDEX ON raw_tasks (id) WHERE state = 'pending'; \
         CREATE TABLE raw_frames (task BIGINT NOT NULL, hash TEXT NOT NULL); \
         INSERT INTO raw_tasks SELECT id, 'pending', 0, NULL FROM generate_series(1, {rows}) AS id; \
         ANALYZE raw_tasks"
    );
    shell::output("psql", &[&server.url(), "-q", "-c", &fill])?;
    let path = server.folder().join("raw.sql");
    std::fs::write(&path, script)?;
    let (path, clients, seconds) =
        (path.to_string_lossy().into_owned(), clients.to_string(), SECONDS.to_string());
    let arguments =
        ["-n", "-M", "prepared", "-c", &clients, "-j", "2", "-T", &seconds, "-f", &path, &server.url()];
    let said = shell::output(&server.program("pgbench"), &arguments)?;
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench tells no rate")?;
    let rate = rate.split_whitespace().next().unwrap_or_default().parse()?;
    shell::output("psql", &[&server.url(), "-q", "-c", "DROP TABLE raw_tasks, raw_frames"])?;
    Ok(rate)
}

/// Small files as a blob store keeps them: written, flushed, renamed, their folder flushed; 16 at a time.
fn files(folder: &Path) -> Result<f64> {
    let folder = folder.join(format!("raw-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let began = shell::started_now();
    let counts: Vec<std::io::Result<u64>> = std::thread::scope(|scope| {
        let keep = |thread: u32| {
            let folder = &folder;
            scope.spawn(move || {
                let mut count = 0;
                while began.elapsed() < Duration::from_secs(SECONDS) {
                    keep_file(folder, &format!("{thread}-{count}"))?;
                    count += 1;
                }
                Ok(count)
            })
        };
        let threads: Vec<_> = (0..16).map(keep).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Ok(0))).collect()
    });
    let seconds = began.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&folder)?;
    let count: u64 = counts.into_iter().sum::<std::io::Result<u64>>()?;
    Ok(count as f64 / seconds)
}

fn keep_file(folder: &Path, name: &str) -> std::io::Result<()> {
    let (temporary, path) = (folder.join(format!("{name}.part")), folder.join(name));
    let file = std::fs::File::create(&temporary)?;
    std::io::Write::write_all(&mut &file, &[7; 500])?;
    file.sync_all()?;
    std::fs::rename(&temporary, &path)?;
    std::fs::File::open(folder)?.sync_all()
}
