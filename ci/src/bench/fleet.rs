//! How many workers one cloud holds: simulated ones, in steps, at the default heartbeat and at one a second.
//!
//! Cloud and simulator share this machine, so both processes' time is shown. Figures of one step beside those
//! of the step before tell how a cost grows.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::process::Reading;
use crate::farm::{self, Farm, FarmOptions, Fleet, Programs, made_up_scene, pause, simulating};
use crate::shell;

/// Tasks of one wave: fewer than there are free slots, so that none waits for one.
const WAVE: u64 = 200;
/// All workers are connected by then, or something is wrong.
const CONNECTED_WITHIN: Duration = Duration::from_secs(300);
/// A job is over by then.
const OFFERED_WITHIN: Duration = Duration::from_secs(60);

/// What to measure.
#[derive(clap::Args)]
pub struct FleetArguments {
    /// Numbers of workers, ascending
    #[arg(long, value_delimiter = ',', default_value = "1000,5000,10000")]
    steps: Vec<usize>,
    /// Seconds to watch each step
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Waves of 200 tasks for the offers' latency
    #[arg(long, default_value_t = 5)]
    waves: u32,
    /// Single tasks for the offers' latency
    #[arg(long, default_value_t = 100)]
    singles: u32,
}

struct Row {
    workers: usize,
    beat: &'static str,
    connected_s: f64,
    kib_a_worker: f64,
    cloud_percent: f64,
    fleet_percent: f64,
    /// The last report of the workers that were watched, and then got whole waves.
    last: Value,
    /// And of those that got one task at a time.
    singles: Value,
}

/// How often heartbeats come.
const BEATS: [(&str, &[(&str, &str)]); 2] = [
    ("default", &[]),
    (
        "1 Hz",
        &[
            ("PICTOR__LIVENESS__HEARTBEAT_MS", "1000"),
            ("PICTOR__LIVENESS__HEARTBEATS_PER_SECOND_MAX", "100000"),
        ],
    ),
];

/// Measures and prints the table.
pub fn run(root: &Path, arguments: &FleetArguments) -> Result<()> {
    let folder = super::fresh(root, "fleet")?;
    farm::stop_on_signals()?;
    let options = FarmOptions { settings: simulating(), ..FarmOptions::default() };
    let mut farm = Farm::start(Programs::build(root, true)?, &folder, options)?;
    let fleet = folder.join("fleet");
    let most = arguments.steps.iter().copied().max().context("give at least one step")?;
    shell::say(&format!("enrolling {most} simulated workers"));
    let enrolling = farm.simulate(most, Some(&fleet), &[])?;
    let enrolled = enrolling.wait_connected(CONNECTED_WITHIN * 4)?;
    println!("  enrolled and connected after {:.0} s", enrolled["seconds"].as_f64().unwrap_or(f64::NAN));
    enrolling.finish()?;
    let scene = made_up_scene(&folder)?;
    let mut rows = Vec::new();
    for workers in &arguments.steps {
        for (beat, settings) in BEATS {
            shell::say(&format!("{workers} workers, heartbeat: {beat}"));
            rows.push(measure(&mut farm, *workers, beat, settings, &fleet, &scene, arguments)?);
        }
    }
    print(&rows);
    Ok(())
}

fn measure(
    farm: &mut Farm,
    workers: usize,
    beat: &'static str,
    settings: &[(&'static str, &str)],
    fleet: &Path,
    scene: &Path,
    arguments: &FleetArguments,
) -> Result<Row> {
    farm.restart_cloud_with(settings)?;
    pause(Duration::from_secs(2)); // what the start left to do
    let before = Reading::of(farm.cloud_process())?;
    let options = ["--frame-time", "100ms", "--load-time", "100ms", "--every", "250ms"];
    let simulated = farm.simulate(workers, Some(fleet), &options)?;
    let connected = simulated.wait_connected(CONNECTED_WITHIN)?;
    let connected_s = connected["all_connected_after_ms"].as_f64().unwrap_or(f64::NAN) / 1000.0;
    // The beats after the welcome come within an interval.
    pause(Duration::from_secs(arguments.seconds));
    let held = Reading::of(farm.cloud_process())?;
    let kib_a_worker = held.resident_kib.saturating_sub(before.resident_kib) as f64 / workers as f64;
    let began = shell::started_now();
    let from = [Reading::of(farm.cloud_process())?, Reading::of(simulated.process())?];
    pause(Duration::from_secs(arguments.seconds));
    let to = [Reading::of(farm.cloud_process())?, Reading::of(simulated.process())?];
    let wall = began.elapsed().as_secs_f64();
    let percent = |at: usize| -> Result<f64> { Ok(100.0 * to[at].seconds_since(from[at])? / wall) };
    let (cloud_percent, fleet_percent) = (percent(0)?, percent(1)?);
    let wave = WAVE.min(workers as u64 / 2).max(1);
    offer(farm, &simulated, scene, wave, arguments.waves)?;
    let last = simulated.finish()?;
    let simulated = farm.simulate(workers, Some(fleet), &options)?;
    simulated.wait_connected(CONNECTED_WITHIN)?;
    offer(farm, &simulated, scene, 1, arguments.singles)?;
    let singles = simulated.finish()?;
    let row = Row { workers, beat, connected_s, kib_a_worker, cloud_percent, fleet_percent, last, singles };
    print(std::slice::from_ref(&row));
    Ok(row)
}

/// So many jobs one after the other, each with so many tasks at once.
fn offer(farm: &Farm, workers: &Fleet, scene: &Path, tasks: u64, jobs: u32) -> Result<()> {
    for _ in 0..jobs {
        let done = workers.report()["frames"].as_u64().unwrap_or(0);
        farm.submit(scene, &["--frames", &format!("1-{tasks}"), "--chunk", "1", "--engine", "simulated"])?;
        let is_over = |report: &Value| report["frames"].as_u64() >= Some(done + tasks);
        workers.wait(OFFERED_WITHIN, "a job's tasks", is_over)?;
    }
    Ok(())
}

fn print(rows: &[Row]) {
    println!(
        "\nworkers  heartbeat  connected  memory/worker  cloud CPU  simulator CPU   beat p50   p99   \
         offer p50   p99   of a wave p50   p99   lost"
    );
    for row in rows {
        println!(
            "{:>7}  {:>9}  {:>7.1} s  {:>9.1} KiB  {:>7.1} %  {:>11.1} %  {:>6} {:>7}  \
             {:>6} {:>7}  {:>8} {:>8}  {:>5}",
            row.workers,
            row.beat,
            row.connected_s,
            row.kib_a_worker,
            row.cloud_percent,
            row.fleet_percent,
            below(&row.last["beat_ms"]["p50"]),
            below(&row.last["beat_ms"]["p99"]),
            below(&row.singles["offer_ms"]["p50"]),
            below(&row.singles["offer_ms"]["p99"]),
            below(&row.last["offer_ms"]["p50"]),
            below(&row.last["offer_ms"]["p99"]),
            row.last["connections_lost"],
        );
    }
    for (beat, _) in BEATS {
        let of_beat: Vec<&Row> = rows.iter().filter(|row| row.beat == beat).collect();
        for pair in of_beat.windows(2) {
            let (one, next) = (pair[0], pair[1]);
            println!(
                "growth {} → {} workers (×{:.1}), heartbeat {beat}: connecting ×{:.1}, cloud CPU ×{:.1}, \
                 memory/worker ×{:.2}",
                one.workers,
                next.workers,
                next.workers as f64 / one.workers as f64,
                next.connected_s / one.connected_s,
                next.cloud_percent / one.cloud_percent,
                next.kib_a_worker / one.kib_a_worker,
            );
        }
    }
}

/// Lengths are counted in steps of a fifth: below so much.
fn below(value: &Value) -> String {
    value.as_u64().map_or_else(|| "unknown".to_owned(), |value| format!("<{value} ms"))
}
