//! How many trivial tasks a cloud completes each second, durably: made-up frames uploaded, rows committed;
//! beside what the same database and disk do without a cloud in the same run; on PostgreSQL by one replica or
//! several.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::process::{Reading, seconds_below};
use super::raw::{self, Raw};
use crate::farm::{self, Farm, FarmOptions, Fleet, Programs, Replica, made_up_scene, pause, simulating};
use crate::nats::Nats;
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
    /// Replicas of the cloud, one measurement each; more than one only on PostgreSQL
    #[arg(long, value_delimiter = ',', default_value = "1")]
    replicas: Vec<usize>,
    /// Seconds to watch, at most: until the queue is empty
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

struct Row {
    database: String,
    replicas: usize,
    queued: u32,
    done: u64,
    seconds: f64,
    raw: Raw,
    cloud_percent: f64,
    fleet_percent: f64,
    database_percent: Option<f64>,
    /// The last report of each replica's workers.
    last: Vec<Value>,
}

/// What runs during one measurement.
struct Running {
    farm: Farm,
    others: Vec<Replica>,
    fleets: Vec<Fleet>,
    server: Option<Postgres>,
    _nats: Option<Nats>,
}

/// What was done at a moment, and the processor time used by then.
struct Look {
    done: u64,
    at: f64,
    cloud: f64,
    fleet: f64,
    server: f64,
}

/// Measures and prints the table.
pub fn run(root: &Path, arguments: &ThroughputArguments) -> Result<()> {
    let folder = super::fresh(root, "throughput")?;
    farm::stop_on_signals()?;
    // Built once; each farm takes the programs as they lie.
    drop(Programs::build(root, true)?);
    let mut rows = Vec::new();
    for database in &arguments.databases {
        let most = if database == "postgres" { usize::MAX } else { 1 };
        for replicas in arguments.replicas.iter().filter(|replicas| **replicas <= most) {
            for queued in &arguments.queued {
                let workers = arguments.workers;
                shell::say(&format!("{database}, {replicas} replicas, {queued} tasks, {workers} workers"));
                let of_this = folder.join(format!("{database}-{replicas}-{queued}"));
                rows.push(measure(root, arguments, database, *replicas, *queued, &of_this)?);
                print(&rows);
            }
        }
    }
    Ok(())
}

fn measure(
    root: &Path,
    arguments: &ThroughputArguments,
    database: &str,
    replicas: usize,
    queued: u32,
    folder: &Path,
) -> Result<Row> {
    std::fs::create_dir_all(folder)?;
    let server = match database {
        "postgres" => Some(Postgres::start(Durability::Real)?),
        _ => None,
    };
    let raw = match &server {
        Some(server) => raw::postgres(server, folder)?,
        None => raw::sqlite(folder)?,
    };
    let running = start(root, arguments.workers, replicas, server, folder)?;
    let scene = made_up_scene(folder)?;
    let each = (queued / arguments.jobs).max(1);
    let frames = format!("1-{each}");
    // Paused first: the whole queue is there before the first task begins.
    let of_job = ["--frames", &frames, "--chunk", "1", "--engine", "simulated", "--paused"];
    let submit = |_| running.farm.submit(&scene, &of_job);
    let jobs = (0..arguments.jobs).map(submit).collect::<Result<Vec<_>>>()?;
    for job in &jobs {
        running.farm.pictor(&["jobs", "resume", job])?;
    }
    let total = u64::from(each) * u64::from(arguments.jobs);
    let (from, to) = running.watched(total, arguments.seconds)?;
    let seconds = (to.at - from.at).max(0.001);
    let percent = |to: f64, from: f64| 100.0 * (to - from) / seconds;
    Ok(Row {
        database: database.to_owned(),
        replicas,
        queued,
        done: to.done - from.done,
        seconds,
        raw,
        cloud_percent: percent(to.cloud, from.cloud),
        fleet_percent: percent(to.fleet, from.fleet),
        database_percent: running.server.is_some().then(|| percent(to.server, from.server)),
        last: running.fleets.into_iter().map(Fleet::finish).collect::<Result<_>>()?,
    })
}

/// Starts the replicas, each with its share of the workers.
fn start(
    root: &Path,
    workers: usize,
    replicas: usize,
    server: Option<Postgres>,
    folder: &Path,
) -> Result<Running> {
    let mut settings = simulating();
    settings.extend(server.iter().map(|server| ("PICTOR__DATABASE__URL", server.url())));
    let nats = if replicas > 1 { Some(Nats::start()?) } else { None };
    if let Some(nats) = &nats {
        let blobs = folder.join("blobs").to_string_lossy().into_owned();
        settings.extend([("PICTOR__BUS__URL", nats.url()), ("PICTOR__BLOBS__DIR", blobs)]);
    }
    let options = FarmOptions { settings, ..FarmOptions::default() };
    let farm = Farm::start(Programs::built(root, true), folder, options)?;
    let named = |number: usize| farm.start_replica(&format!("replica-{number}"));
    let others = (1..replicas).map(named).collect::<Result<Vec<_>>>()?;
    let trivial = ["--frame-time", "0ms", "--load-time", "0ms", "--frame-bytes", "500", "--every", "250ms"];
    let mut fleets = Vec::new();
    for (number, url) in std::iter::once(farm.url()).chain(others.iter().map(Replica::url)).enumerate() {
        let prefix = format!("fleet-{number}");
        let options = [&trivial[..], &["--prefix", &prefix]].concat();
        fleets.push(farm.simulate_at(url, workers / replicas, None, &options)?);
    }
    for fleet in &fleets {
        fleet.wait_connected(CONNECTED_WITHIN)?;
    }
    Ok(Running { farm, others, fleets, server, _nats: nats })
}

impl Running {
    /// A second after the first tasks, and when the queue is empty or the time is up.
    fn watched(&self, total: u64, seconds: u64) -> Result<(Look, Look)> {
        let waiting = shell::started_now();
        while self.done() == 0 {
            if waiting.elapsed() > BEGUN_WITHIN {
                bail!("no task was done within {} s; see the logs", BEGUN_WITHIN.as_secs());
            }
            pause(Duration::from_millis(20));
        }
        pause(Duration::from_secs(1));
        let from = self.look()?;
        let began = shell::started_now();
        while self.done() < total && began.elapsed() < Duration::from_secs(seconds) {
            pause(Duration::from_millis(50));
        }
        Ok((from, self.look()?))
    }

    fn done(&self) -> u64 {
        self.fleets.iter().filter_map(|fleet| fleet.report()["frames"].as_u64()).sum()
    }

    fn look(&self) -> Result<Look> {
        let at = self.fleets[0].report()["seconds"].as_f64().context("a report says when")?;
        let used = |processes: Vec<u32>| {
            let of_each =
                processes.into_iter().map(|process| Reading::of(process)?.seconds_since(Reading::default()));
            of_each.sum::<Result<f64>>()
        };
        let clouds =
            std::iter::once(self.farm.cloud_process()).chain(self.others.iter().map(Replica::process));
        Ok(Look {
            done: self.done(),
            at,
            cloud: used(clouds.collect())?,
            fleet: used(self.fleets.iter().map(Fleet::process).collect())?,
            server: self.server.as_ref().map_or(Ok(0.0), |server| seconds_below(server.process()?))?,
        })
    }
}

fn print(rows: &[Row]) {
    println!(
        "\ndatabase   replicas   queued     tasks/s   raw one by one  of it   raw in batches  of it   \
         raw files/s   cloud CPU  simulator CPU  database CPU   upload p50   p99   again"
    );
    for row in rows {
        let rate = row.done as f64 / row.seconds;
        let of_database =
            row.database_percent.map_or("in cloud".to_owned(), |percent| format!("{percent:.0} %"));
        println!(
            "{:<9} {:>9} {:>8} {:>11.0} {:>16.0} {:>6.2} {:>16.0} {:>6.2} {:>13.0} {:>9.0} % {:>12.0} % \
             {:>13} {:>9} ms {:>4} ms {:>6}",
            row.database,
            row.replicas,
            row.queued,
            rate,
            row.raw.one_by_one,
            rate / row.raw.one_by_one,
            row.raw.in_batches,
            rate / row.raw.in_batches,
            row.raw.files_per_second,
            row.cloud_percent,
            row.fleet_percent,
            of_database,
            largest(&row.last, |last| &last["upload_ms"]["p50"]),
            largest(&row.last, |last| &last["upload_ms"]["p99"]),
            largest(&row.last, |last| &last["uploads_again"]),
        );
    }
    println!("raw: {}", rows.iter().map(|row| row.raw.how.as_str()).collect::<Vec<_>>().join("; "));
}

/// Of all replicas' workers.
fn largest(reports: &[Value], field: impl Fn(&Value) -> &Value) -> u64 {
    reports.iter().filter_map(|report| field(report).as_u64()).max().unwrap_or_default()
}
