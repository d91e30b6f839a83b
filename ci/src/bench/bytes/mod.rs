//! Large blobs through the cloud, beside a plain actix-web file server and beside `cp`, in one run: speed,
//! processor time for each GiB, and whether memory stays flat.
//!
//! Everything counts until it is on the disk. The cloud's upload is the creator's own: parts, then joining,
//! hashing and reading.

mod line;
mod watch;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::farm::{Farm, FarmOptions, Programs, kill_hard};
use crate::shell;
use line::Line;
use watch::{Used, Watch};

const MIB: u64 = 1024 * 1024;

/// What to measure.
#[derive(clap::Args)]
pub struct BytesArguments {
    /// MiB of the blob
    #[arg(long, default_value_t = 2048)]
    size: u64,
    /// Rounds; the fastest of each counts, since whatever else the machine does only slows down
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// Folder for all files (five times the blob); the temporary one unless given
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Folder of programs that are built already: `pictor-cloud`, `ci-plain`
    #[arg(long)]
    programs: Option<PathBuf>,
}

/// Measures and prints the table.
pub fn run(root: &Path, arguments: &BytesArguments) -> Result<()> {
    let programs = match &arguments.programs {
        Some(folder) => Programs::at(folder),
        None => build(root)?,
    };
    let base = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = Folder(base.join(format!("pictor-bytes-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0)?;
    let source = folder.0.join("source");
    let size = arguments.size * MIB;
    make(&source, size)?;
    let plain = Plain::start(&programs, &folder.0.join("plain"))?;
    let farm = Farm::start(programs, &folder.0.join("farm"), FarmOptions::default())?;
    let mut best = Best::default();
    for round in 1..=arguments.rounds {
        shell::say(&format!("round {round} of {}", arguments.rounds));
        best.take("cp", copy(&source, &folder.0.join("copy"))?);
        best.take("plain upload", plain.upload(&source, size)?);
        best.take("plain download", plain.download(size)?);
        let (sent, completed, hash) = upload(&farm, &source, size, round)?;
        best.take("cloud upload", Used::both(&sent, &completed));
        best.take("  sending parts", sent);
        best.take("  completing", completed);
        best.take("cloud download", download(&farm, &hash, size)?);
    }
    best.print(size);
    Ok(())
}

fn build(root: &Path) -> Result<Programs> {
    let packages = ["--package", "pictor-cloud", "--package", "ci-plain"];
    shell::run("cargo", &[&["build", "--release", "--bins"], &packages[..]].concat())?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(Programs::at(&target.join("release")))
}

/// Removed with all that is in it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} was not removed: {error}", self.0.display());
        }
    }
}

fn make(source: &Path, size: u64) -> Result<()> {
    // What the cloud takes for a scene by its first bytes; that it cannot be read is only a warning.
    let mut bytes = b"BLENDER-v405".chain(File::open("/dev/urandom")?).take(size);
    let mut file = File::create(source)?;
    std::io::copy(&mut bytes, &mut file)?;
    file.sync_all().context("cannot write the bytes to measure with")
}

fn copy(from: &Path, to: &Path) -> Result<Used> {
    let watch = Watch::begin(None);
    let (from, to) = (from.to_string_lossy(), to.to_string_lossy());
    shell::output("cp", &[&from, &to])?;
    shell::output("sync", &[&to])?;
    let used = watch.end();
    std::fs::remove_file(&*to)?;
    Ok(used)
}

/// The plain server.
struct Plain {
    process: Child,
    file: PathBuf,
    line: Line,
}

impl Plain {
    fn start(programs: &Programs, file: &Path) -> Result<Self> {
        let mut command: Command = programs.command("ci-plain");
        let mut process = command.arg(file).stdout(Stdio::piped()).spawn().context("cannot start it")?;
        let mut address = String::new();
        BufReader::new(process.stdout.take().context("its output is a pipe")?).read_line(&mut address)?;
        let line = Line::to(address.trim(), None);
        Ok(Self { process, file: file.into(), line })
    }

    fn upload(&self, source: &Path, size: u64) -> Result<Used> {
        // As the cloud, which never writes over a file.
        drop(std::fs::remove_file(&self.file));
        let watch = Watch::begin(Some(self.process.id()));
        self.line.open()?.put("/x", source, 0, size)?;
        Ok(watch.end())
    }

    fn download(&self, size: u64) -> Result<Used> {
        let watch = Watch::begin(Some(self.process.id()));
        ensure!(self.line.open()?.get("/x")? == size, "the plain server sent something else");
        Ok(watch.end())
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = kill_hard(&mut self.process);
    }
}

/// The creator's way; the second part is the completing. Each round is another file, by its name and first
/// bytes, so that the cloud does not know it.
fn upload(farm: &Farm, source: &Path, size: u64, round: u32) -> Result<(Used, Used, String)> {
    stamp(source, round)?;
    let mut line = Line::to(farm.url(), Some(farm.token())).open()?;
    let watch = Watch::begin(Some(farm.cloud_process()));
    let new = json!({ "file_name": format!("round-{round}.blend"), "size": size });
    let begun: Value = line.post("/api/v1/uploads", &new)?;
    let id = begun["id"].as_str().context("an upload has an id")?;
    let part_size = begun["part_size"].as_u64().context("an upload has a part size")?;
    for part in 0..size.div_ceil(part_size) {
        let from = part * part_size;
        let path = format!("/api/v1/uploads/{id}/parts/{part}");
        line.put(&path, source, from, part_size.min(size - from))?;
    }
    let sent = watch.end();
    let watch = Watch::begin(Some(farm.cloud_process()));
    loop {
        let state: Value = line.post(&format!("/api/v1/uploads/{id}/complete"), &json!({}))?;
        if let Some(hash) = state["blake3"].as_str() {
            return Ok((sent, watch.end(), hash.to_owned()));
        }
    }
}

fn stamp(source: &Path, round: u32) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let file = File::options().write(true).open(source)?;
    file.write_all_at(&round.to_le_bytes(), 64)?;
    file.sync_all().context("cannot change the bytes to measure with")
}

fn download(farm: &Farm, hash: &str, size: u64) -> Result<Used> {
    let mut line = Line::to(farm.url(), Some(farm.token())).open()?;
    let watch = Watch::begin(Some(farm.cloud_process()));
    ensure!(line.get(&format!("/api/v1/blobs/{hash}"))? == size, "the cloud sent something else");
    Ok(watch.end())
}

/// The fastest of each, in the order in which they came first.
#[derive(Default)]
struct Best(Vec<(&'static str, Used)>);

impl Best {
    fn take(&mut self, name: &'static str, used: Used) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, best)) if used.wall < best.wall => *best = used,
            Some(_) => {}
            None => self.0.push((name, used)),
        }
    }

    fn print(&self, size: u64) {
        #[allow(clippy::cast_precision_loss)] // shown with three digits
        let gib = size as f64 / (1024 * MIB) as f64;
        let speed = |name: &str| {
            let found = self.0.iter().find(|(known, _)| *known == name);
            found.map_or(f64::NAN, |(_, used)| gib / used.wall.as_secs_f64())
        };
        println!("\n{gib:.2} GiB, until it is on the disk\n");
        println!("| what | s | GiB/s | of plain | of cp | CPU s per GiB | memory before → most, MiB |");
        println!("| --- | --- | --- | --- | --- | --- | --- |");
        for (name, used) in &self.0 {
            let plain = if name.contains("download") { "plain download" } else { "plain upload" };
            let own = gib / used.wall.as_secs_f64();
            println!(
                "| {name} | {:.2} | {own:.2} | {:.2} | {:.2} | {} | {} |",
                used.wall.as_secs_f64(),
                own / speed(plain),
                own / speed("cp"),
                used.cpu.map_or("–".to_owned(), |cpu| format!("{:.2}", cpu.as_secs_f64() / gib)),
                used.memory.map_or("–".to_owned(), |(before, most)| format!("{before} → {most}")),
            );
        }
    }
}
