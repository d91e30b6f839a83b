//! What the farm costs over bare Blender: the same scene three ways in one run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::farm::{self, Farm, FarmOptions, Programs, Sample};
use crate::{setup, shell};

/// What to measure.
#[derive(clap::Args)]
pub struct OverheadArguments {
    /// Frames of each scene
    #[arg(long, default_value_t = 24)]
    frames: u32,
    /// Rounds; the fastest of each way counts, since whatever else the machine does only slows down
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// Leave the heavy scene out (it takes minutes)
    #[arg(long)]
    quick: bool,
}

struct Times {
    sample: Sample,
    frames: u32,
    bare: Duration,
    process_a_frame: Duration,
    farm: Duration,
    /// Between the end of a frame and the start of the next one, ascending, milliseconds.
    gaps_ms: Vec<f64>,
    first_start_ms: f64,
}

/// Measures and prints the table.
pub fn run(root: &Path, arguments: &OverheadArguments) -> Result<()> {
    setup::for_demo(root)?;
    let folder = root.join("target/bench/overhead");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    farm::stop_on_signals()?;
    let mut farm = Farm::start(Programs::build(root, true)?, &folder, FarmOptions::default())?;
    farm.add_worker("bench")?;
    farm.wait_probed("bench")?;
    let mut rows = Vec::new();
    for (sample, frames) in [
        (Sample::Trivial, arguments.frames),
        (Sample::Second, arguments.frames),
        (Sample::Heavy, arguments.frames.min(6)),
    ] {
        if arguments.quick && sample == Sample::Heavy {
            continue;
        }
        rows.push(measure(&farm, sample, frames, arguments.rounds, &folder)?);
    }
    print(&rows);
    Ok(())
}

fn measure(farm: &Farm, sample: Sample, frames: u32, rounds: u32, folder: &Path) -> Result<Times> {
    shell::say(&format!("scene {}: {frames} frames, {rounds} rounds of three ways", sample.name()));
    let scene = farm::make_scene(sample, frames, &folder.join(sample.name()))?;
    let mut times = Times {
        sample,
        frames,
        bare: Duration::MAX,
        process_a_frame: Duration::MAX,
        farm: Duration::MAX,
        gaps_ms: Vec::new(),
        first_start_ms: f64::MAX,
    };
    for round in 0..rounds {
        let out = folder.join(format!("{}-{round}", sample.name()));
        times.bare = times.bare.min(bare(&scene, &out.join("bare"))?);
        times.process_a_frame =
            times.process_a_frame.min(process_a_frame(&scene, frames, &out.join("single"))?);
        let through = through_the_farm(farm, &scene, frames, &out.join("farm"))?;
        times.farm = times.farm.min(through.wall);
        times.first_start_ms = times.first_start_ms.min(through.first_start_ms);
        times.gaps_ms.extend(through.gaps_ms);
        same_pixels(&out.join("bare"), &out.join("farm"), frames)?;
        println!(
            "  round {}: -a {:.2} s, a process a frame {:.2} s, farm {:.2} s",
            round + 1,
            times.bare.as_secs_f64(),
            times.process_a_frame.as_secs_f64(),
            times.farm.as_secs_f64()
        );
    }
    times.gaps_ms.sort_by(f64::total_cmp);
    Ok(times)
}

fn bare(scene: &Path, out: &Path) -> Result<Duration> {
    std::fs::create_dir_all(out)?;
    timed(|| blender(scene, out, &["-a"]))
}

fn process_a_frame(scene: &Path, frames: u32, out: &Path) -> Result<Duration> {
    std::fs::create_dir_all(out)?;
    timed(|| (1..=frames).try_for_each(|frame| blender(scene, out, &["-f", &frame.to_string()])))
}

fn blender(scene: &Path, out: &Path, what: &[&str]) -> Result<()> {
    let mut command = Command::new("blender");
    command
        .args(["--background", "--factory-startup", "-noaudio"])
        .arg(scene)
        .arg("-o")
        .arg(out.join("####"));
    let status = command
        .args(what)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot start blender")?;
    if !status.success() {
        bail!("blender ended with {status}");
    }
    Ok(())
}

fn timed(what: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let started = shell::started_now();
    what()?;
    Ok(started.elapsed())
}

struct Through {
    wall: Duration,
    gaps_ms: Vec<f64>,
    first_start_ms: f64,
}

/// From the call of `pictor submit` until the last frame is in the creator's folder.
fn through_the_farm(farm: &Farm, scene: &Path, frames: u32, out: &Path) -> Result<Through> {
    let started = shell::started_now();
    let job = farm.submit(scene, &[])?;
    let mut pull = farm.client(&["pull", &job, "--watch", "--out", &out.to_string_lossy()]);
    if !pull.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success() {
        bail!("the job did not complete");
    }
    let wall = started.elapsed();
    let (gaps_ms, first_start_ms) = gaps(farm, &job, frames)?;
    Ok(Through { wall, gaps_ms, first_start_ms })
}

/// Gaps between frames, and the wait for the first one, from the worker's own log: it notes with the time of
/// day when each frame of a job began and ended.
fn gaps(farm: &Farm, job: &str, frames: u32) -> Result<(Vec<f64>, f64)> {
    let spans = farm.frame_spans(job)?;
    if spans.len() != frames as usize {
        bail!("the worker's log tells of {} of {frames} frames", spans.len());
    }
    let shown = farm.job(job)?;
    let created: f64 =
        shown["created_at"].as_str().map(farm::unix_ms).context("a job says when it was made")??;
    let first = spans.first().map_or(f64::NAN, |span| span.0) - created;
    Ok((spans.windows(2).map(|pair| (pair[1].0 - pair[0].1).max(0.0)).collect(), first))
}

fn same_pixels(bare: &Path, farm: &Path, frames: u32) -> Result<()> {
    let files = |folder: &Path| -> Result<Vec<PathBuf>> {
        let mut files: Vec<_> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
        files.sort();
        Ok(files)
    };
    let (bare, farm) = (files(bare)?, files(farm)?);
    if bare.len() != frames as usize || farm.len() != bare.len() {
        bail!("{} frames by bare Blender, {} through the farm, instead of {frames}", bare.len(), farm.len());
    }
    for (one, other) in bare.iter().zip(&farm) {
        if image::open(one)?.into_rgba8() != image::open(other)?.into_rgba8() {
            bail!("{} and {} differ", one.display(), other.display());
        }
    }
    Ok(())
}

fn print(rows: &[Times]) {
    println!(
        "\nscene     frames      -a   1/frame     farm   farm/-a   farm/1-per-frame   gap p50   gap p99   \
        first frame after"
    );
    for row in rows {
        let at = |part: f64| -> f64 {
            let last = row.gaps_ms.len().saturating_sub(1);
            row.gaps_ms.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
        };
        println!(
            "{:<9} {:>6} {:>6.2} s {:>7.2} s {:>6.2} s {:>9.2} {:>18.2} {:>6.0} ms {:>6.0} ms {:>14.0} ms",
            row.sample.name(),
            row.frames,
            row.bare.as_secs_f64(),
            row.process_a_frame.as_secs_f64(),
            row.farm.as_secs_f64(),
            row.farm.as_secs_f64() / row.bare.as_secs_f64(),
            row.farm.as_secs_f64() / row.process_a_frame.as_secs_f64(),
            at(0.5),
            at(0.99),
            row.first_start_ms,
        );
    }
    println!(
        "\nEvery frame of the farm equals bare Blender's, pixel by pixel. Aim: farm/-a ≤ 1.10 on `second`."
    );
}
