//! `cargo ci demo`: the main job from end to end, with real programs, as a newcomer sees it first.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::farm::{self, Farm, FarmOptions, Fleet, Programs, Sample, made_up_scene, simulating};
use crate::{setup, shell};

const FRAMES: u32 = 24;
/// A made-up job keeps its workers busy for some twenty minutes.
const FRAMES_A_SIMULATED_WORKER: usize = 150;
/// The cloud takes no longer job.
const FRAMES_MAX: usize = 250_000;
/// Thousands of simulated workers are made, enrolled and connected within this.
const CONNECTED_WITHIN: Duration = Duration::from_secs(600);

/// How to show it.
#[derive(clap::Args)]
pub struct DemoArguments {
    /// End when the frames are there and were decoded, instead of keeping the farm up for a look
    #[arg(long)]
    once: bool,
    /// Where the dashboard listens; a free loopback port unless given
    #[arg(long)]
    listen: Option<String>,
    /// Simulated workers beside the real one, and a made-up job for them: a dashboard full of machines
    #[arg(long, default_value_t = 0)]
    workers: usize,
    /// Folder for everything the demo makes (emptied first)
    #[arg(long, default_value = "target/demo")]
    folder: PathBuf,
    /// Save a picture of the job's page here (for the README; needs chromium)
    #[arg(long)]
    screenshot: Option<PathBuf>,
}

/// Runs it.
pub fn run(root: &Path, arguments: &DemoArguments) -> Result<()> {
    let started = shell::started_now();
    shell::say("setting up");
    if arguments.screenshot.is_some() {
        setup::everything(root)?;
    } else {
        setup::for_demo(root)?;
    }
    shell::say("building (the first time takes some minutes)");
    let programs = Programs::build(root, false)?;
    let built = started.elapsed();
    let folder = fresh(&root.join(&arguments.folder))?;

    shell::say(&format!("making a sample animation of {FRAMES} frames with Blender"));
    let scene = farm::make_scene(Sample::Demo, FRAMES, &folder.join("scene"))?;
    farm::stop_on_signals()?;
    shell::say("starting the cloud and a worker");
    let settings = if arguments.workers > 0 { simulating() } else { Vec::new() };
    let options = FarmOptions { listen: arguments.listen.clone(), settings, ..FarmOptions::default() };
    let mut farm = Farm::start(programs, &folder, options)?;
    farm.add_worker("demo-rig")?;
    println!("  dashboard {}   sign in as {} with {}", farm.url(), farm::EMAIL, farm.password());

    let fleet = made_up_farm(&farm, arguments.workers, &folder)?;
    shell::say("submitting and waiting for the frames");
    let submitted = shell::started_now();
    let job = farm.submit(&scene, &["--name", "Turning still life"])?;
    let frames = folder.join("frames");
    fetch(&farm, &job, &frames)?;
    let rendered = submitted.elapsed();
    decode(&frames)?;
    if let Some(file) = &arguments.screenshot {
        picture(root, &farm, &job, &root.join(file))?;
    }
    shell::say("done");
    println!("  dashboard  {}/jobs/{job}", farm.url());
    println!("  sign in    {}   {}", farm::EMAIL, farm.password());
    println!("  frames     {} ({FRAMES} PNG, all decoded)", frames.display());
    println!(
        "  time       {:.0} s to set up and build, {:.1} s from submit to the last frame ({:.2} s a frame)",
        built.as_secs_f64(),
        rendered.as_secs_f64(),
        rendered.as_secs_f64() / f64::from(FRAMES)
    );
    if let Some(fleet) = &fleet {
        let report = fleet.report();
        println!("  simulated  {} workers, {} made-up frames so far", report["connected"], report["frames"]);
    }
    if !arguments.once {
        println!("\nThe farm stays up: look around in the dashboard. Press Enter (or Ctrl-C) to stop it.");
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).unwrap_or(0) == 0 {
            println!("(no terminal to wait for: stopping)");
        }
    }
    Ok(())
}

/// Simulated workers, each with work of its own kind: no real job goes to them.
fn made_up_farm(farm: &Farm, workers: usize, folder: &Path) -> Result<Option<Fleet>> {
    if workers == 0 {
        return Ok(None);
    }
    shell::say(&format!("starting {workers} simulated workers with a made-up job"));
    let kept = folder.join("fleet");
    let fleet = farm.simulate(workers, Some(&kept), &["--frame-time", "8s", "--failures", "0.002"])?;
    fleet.wait_connected(CONNECTED_WITHIN)?;
    let frames = (workers * FRAMES_A_SIMULATED_WORKER).min(FRAMES_MAX);
    let film = ["--name", "A made-up film", "--frames", &format!("1-{frames}"), "--engine", "simulated"];
    farm.submit(&made_up_scene(folder)?, &film)?;
    Ok(Some(fleet))
}

fn fresh(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        let is_old_demo = folder.join("cloud.log").is_file() || std::fs::read_dir(folder)?.next().is_none();
        if !is_old_demo {
            bail!("{} holds other things than an earlier demo: name another --folder", folder.display());
        }
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder)?;
    folder.canonicalize().context("the demo's folder has a path")
}

/// Follows the job with its progress bar and fetches each frame as it arrives.
fn fetch(farm: &Farm, job: &str, folder: &Path) -> Result<()> {
    let folder_text = folder.to_string_lossy();
    let status =
        farm.client(&["pull", job, "--watch", "--out", &folder_text]).stdin(Stdio::null()).status()?;
    if status.success() {
        return Ok(());
    }
    let shown = farm.job(job)?;
    bail!("the job did not complete: {} {}", shown["state"], shown["reason"])
}

/// Every frame is a whole picture, and they are not all the same one.
fn decode(folder: &Path) -> Result<()> {
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("no frames in {}", folder.display()))? {
        let path = entry?.path();
        let picture = image::open(&path).with_context(|| format!("{} is not a picture", path.display()))?;
        seen.insert(picture.into_rgb8().into_raw());
    }
    if seen.len() != FRAMES as usize {
        bail!("{} different frames instead of {FRAMES}", seen.len());
    }
    Ok(())
}

fn picture(root: &Path, farm: &Farm, job: &str, file: &Path) -> Result<()> {
    shell::say("taking a picture of the job's page");
    let mut node = std::process::Command::new("node");
    node.current_dir(root.join("templates/web"))
        .arg("tests/picture.mjs")
        .args([&format!("{}/jobs/{job}", farm.url()), farm::EMAIL, farm.password()])
        .arg(file);
    shell::run_with(&mut node)
}
