//! How many trivial tasks a cloud completes each second, durably: made-up frames uploaded, rows committed;
//! beside what the same database and disk do without a cloud in the same run.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::process::{Reading, seconds_below};
use super::raw::{self, Raw};
use crate::farm::{self, Farm, FarmOptions, Fleet, Programs, made_up_scene, pause, simulating};
use crate::postgres::{Durability, Postgres};
use crate::shell;

/// All workers are connected by then, or something is wrong.
const CONNECTED_WITHIN: Duration = Duration::from_secs(120);
/// The first tasks are done by then.
const BEGUN_WITHIN: Duration = Duration::from_secs(60);

/// What to measure.
#[derive(clap::Args)]
pub struct ThroughputArguments {
    /// Simulated workers
    #[arg(long, default_value_t = 100)]
    workers: usize,
    /// Tasks in the queue, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "20000")]
    queued: Vec<u32>,
    /// Jobs that they are split over
    #[arg(long, default_value_t = 20)]
    jobs: u32,
    /// Databases
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    databases: Vec<String>,
    /// Seconds to watch, at most: until the queue is empty
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

struct Row {
    database: String,
    queued: u32,
    done: u64,
    seconds: f64,
    raw: Raw,
    cloud_percent: f64,
    fleet_percent: f64,
    database_percent: Option<f64>,
    last: Value,
}

/// Measures and prints the table.
pub fn run(root: &Path, arguments: &ThroughputArguments) -> Result<()> {
    let folder = super::fresh(root, "throughput")?;
    farm::stop_on_signals()?;
    // Built once; each farm takes the programs as they lie.
    drop(Programs::build(root, true)?);
    let mut rows = Vec::new();
    for database in &arguments.databases {
        for queued in &arguments.queued {
            shell::say(&format!("{database}, {queued} tasks, {} workers", arguments.workers));
            let of_this = folder.join(format!("{database}-{queued}"));
            rows.push(measure(root, arguments, database, *queued, &of_this)?);
            print(&rows);
        }
    }
    Ok(())
}

fn measure(
    root: &Path,
    arguments: &ThroughputArguments,
    database: &str,
    queued: u32,
    folder: &Path,
) -> Result<Row> {
    std::fs::create_dir_all(folder)?;
    let mut settings = simulating();
    let server = match database {
        "postgres" => Some(Postgres::start(Durability::Real)?),
        _ => None,
    };
    let raw = match &server {
        Some(server) => raw::postgres(server, folder)?,
        None => raw::sqlite(folder)?,
    };
    if let Some(server) = &server {
        settings.push(("PICTOR__DATABASE__URL", server.url()));
    }
    let options = FarmOptions { settings, ..FarmOptions::default() };
    let farm = Farm::start(Programs::built(root, true), folder, options)?;
    let trivial = ["--frame-time", "0ms", "--load-time", "0ms", "--frame-bytes", "500", "--every", "250ms"];
    let fleet = farm.simulate(arguments.workers, None, &trivial)?;
    fleet.wait_connected(CONNECTED_WITHIN)?;
    let scene = made_up_scene(folder)?;
    let each = (queued / arguments.jobs).max(1);
    let frames = format!("1-{each}");
    // Paused first: the whole queue is there before the first task begins.
    let of_job = ["--frames", &frames, "--chunk", "1", "--engine", "simulated", "--paused"];
    let jobs = (0..arguments.jobs).map(|_| farm.submit(&scene, &of_job)).collect::<Result<Vec<_>>>()?;
    for job in &jobs {
        farm.pictor(&["jobs", "resume", job])?;
    }
    let total = u64::from(each) * u64::from(arguments.jobs);
    let (done, seconds, percents) = watched(&farm, &fleet, server.as_ref(), total, arguments.seconds)?;
    let [cloud_percent, fleet_percent, database_percent] = percents;
    let database_percent = server.is_some().then_some(database_percent);
    let last = fleet.finish()?;
    Ok(Row {
        database: database.to_owned(),
        queued,
        done,
        seconds,
        raw,
        cloud_percent,
        fleet_percent,
        database_percent,
        last,
    })
}

/// Tasks done and seconds, from a second after the first one on until the queue is empty or the time is up;
/// and the processor time of cloud, simulator and database server meanwhile, in percent of a core.
fn watched(
    farm: &Farm,
    fleet: &Fleet,
    server: Option<&Postgres>,
    total: u64,
    seconds: u64,
) -> Result<(u64, f64, [f64; 3])> {
    let done = |report: &Value| report["frames"].as_u64().unwrap_or(0);
    fleet.wait(BEGUN_WITHIN, "the first tasks", |report| done(report) > 0)?;
    pause(Duration::from_secs(1));
    let look = || -> Result<(u64, f64, [f64; 2], f64)> {
        let report = fleet.report();
        let at = report["seconds"].as_f64().context("a report says when")?;
        let used = [Reading::of(farm.cloud_process())?, Reading::of(fleet.process())?];
        let zero = Reading::default();
        let of_server = server.map_or(Ok(0.0), |server| seconds_below(server.process()?))?;
        Ok((done(&report), at, [used[0].seconds_since(zero)?, used[1].seconds_since(zero)?], of_server))
    };
    let from = look()?;
    let began = shell::started_now();
    let is_over = || done(&fleet.report()) >= total || began.elapsed() > Duration::from_secs(seconds);
    while !is_over() {
        pause(Duration::from_millis(50));
    }
    let to = look()?;
    let span = (to.1 - from.1).max(0.001);
    let percent = |to: f64, from: f64| 100.0 * (to - from) / span;
    let percents = [percent(to.2[0], from.2[0]), percent(to.2[1], from.2[1]), percent(to.3, from.3)];
    Ok((to.0 - from.0, span, percents))
}

fn print(rows: &[Row]) {
    println!(
        "\ndatabase   queued     tasks/s   raw rows/s  of raw   raw files/s   cloud CPU  simulator CPU  \
         database CPU   upload p50   p99   again"
    );
    for row in rows {
        let rate = row.done as f64 / row.seconds;
        let of_database =
            row.database_percent.map_or("in cloud".to_owned(), |percent| format!("{percent:.0} %"));
        println!(
            "{:<9} {:>7} {:>11.0} {:>12.0} {:>7.2} {:>13.0} {:>9.0} % {:>12.0} % {:>13} {:>9} ms {:>4} ms \
             {:>6}",
            row.database,
            row.queued,
            rate,
            row.raw.tasks_per_second,
            rate / row.raw.tasks_per_second,
            row.raw.files_per_second,
            row.cloud_percent,
            row.fleet_percent,
            of_database,
            row.last["upload_ms"]["p50"],
            row.last["upload_ms"]["p99"],
            row.last["uploads_again"],
        );
    }
    println!("raw: {}", rows.iter().map(|row| row.raw.how.as_str()).collect::<Vec<_>>().join("; "));
}
