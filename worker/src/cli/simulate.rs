//! `simulate`: a fleet of made-up workers, its line on the terminal, its end.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use pictor_actors::now::SystemClock;
use pictor_actors::protocol::FailureClass;
use pictor_actors::units::Millis;

use super::{Exit, run, say};
use crate::config::pause::parse_length;
use crate::simulate::faults::FaultKind;
use crate::simulate::plan::Plan;
use crate::simulate::report::Report;
use crate::simulate::{Orders, run as simulated};

/// One loopback address has some 28,000 ports to open connections from.
const COUNT_MAX: u64 = 25_000;
/// Where nobody watches, a line so often.
const UNWATCHED_EVERY: Millis = Millis::from_secs(10);

/// What to simulate.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true).multiple(true))]
pub(super) struct SimulateArguments {
    /// How many workers.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=COUNT_MAX))]
    count: u64,
    /// Folder of the fleet: configuration files to enrol by, keys and undelivered frames, kept for the next
    /// run.
    #[arg(long, value_name = "DIR", group = "source")]
    config: Option<PathBuf>,
    /// API token with the workers scope: makes and enrols the workers that are missing, or takes the place of
    /// those of the same names.
    #[arg(long, value_name = "TOKEN", env = "PICTOR_TOKEN", hide_env_values = true, group = "source")]
    enrol_with: Option<String>,
    /// Address of the cloud to enrol at.
    #[arg(long, value_name = "URL", env = "PICTOR_URL", default_value = "http://127.0.0.1:7420")]
    cloud: url::Url,
    /// New workers' names begin so.
    #[arg(long, value_name = "NAME", default_value = "sim")]
    prefix: String,
    /// GPUs of each worker; 0: it renders on its processor.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=16))]
    gpus: u16,
    /// Mean time of a frame: 50ms, 2s, 3m.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "2s")]
    frame_time: Millis,
    /// A frame takes up to this part more or less.
    #[arg(long, value_name = "PART", value_parser = part, default_value = "0.3")]
    spread: f64,
    /// Time to load a scene.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "1s")]
    load_time: Millis,
    /// About so many bytes a picture.
    #[arg(long, value_name = "BYTES", default_value_t = 7_000,
        value_parser = clap::value_parser!(u32).range(100..=780_000))]
    frame_bytes: u32,
    /// Part of the frames that fail.
    #[arg(long, value_name = "PART", value_parser = part, default_value = "0")]
    failures: f64,
    /// How they fail, as the protocol names it (crash, out_of_memory, bad_scene …); may be given often.
    #[arg(long, value_name = "CLASS", value_parser = class, default_value = "crash")]
    failure_class: Vec<FailureClass>,
    /// What goes wrong, and how often for each worker: crash, silence, slow-beats, cut, duplicate, late,
    /// stale-fence, one-way or twin, as in cut:5m; may be given often.
    #[arg(long, value_name = "KIND:TIME", value_parser = fault)]
    fault: Vec<(FaultKind, Millis)>,
    /// How long a fault lasts that has a length.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "20s")]
    fault_for: Millis,
    /// Decides every chance: the same seed plays the same faults.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Workers that open their first connection at a time.
    #[arg(long, value_name = "N", default_value_t = 256,
        value_parser = clap::value_parser!(u64).range(1..=COUNT_MAX))]
    openings: u64,
    /// A line so often.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "1s")]
    every: Millis,
    /// A JSON object a line, with stable names; the last one sums all up.
    #[arg(long)]
    json: bool,
    /// What to log to standard error.
    #[arg(long, value_name = "LEVEL", env = "PICTOR_WORKER_LOG", default_value = "warn")]
    log: String,
}

pub(super) fn simulate(arguments: SimulateArguments) -> Exit {
    let filter = match tracing_subscriber::EnvFilter::try_new(&arguments.log) {
        Ok(filter) => filter,
        Err(error) => return say::fault(Exit::Failed, &format!("{:?} is no level: {error}", arguments.log)),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = log.try_init(); // an error: there is one already
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return say::fault(Exit::Failed, &format!("cannot start: {error}")),
    };
    runtime.block_on(watched(arguments))
}

async fn watched(arguments: SimulateArguments) -> Exit {
    let (is_json, is_watched) = (arguments.json, std::io::stdout().is_terminal());
    let mut orders = orders(arguments);
    if !is_json && !is_watched {
        orders.every = orders.every.max(UNWATCHED_EVERY);
    }
    let stop = async {
        let _ = run::next_signal().await; // without signals only a kill ends it
        tokio::spawn(async {
            if run::next_signal().await.is_some() {
                std::process::exit(130);
            }
        });
    };
    let show = move |report: &Report| match (is_json, is_watched) {
        (true, _) => say::line(&json(report)),
        (false, true) => say::over(&report.line()),
        (false, false) => say::line(&report.line()),
    };
    match simulated(orders, Arc::new(SystemClock), stop, show, say::aside).await {
        Ok(report) if is_json => {
            say::line(&json(&report));
            Exit::Done
        }
        Ok(report) => {
            if is_watched {
                let _ = writeln!(std::io::stdout()); // below the line that was written over and over
            }
            say::line(&format!("in {:.0} s: {}", report.seconds, report.line()));
            Exit::Done
        }
        Err(error) => say::fault(Exit::Failed, &error.to_string()),
    }
}

fn orders(arguments: SimulateArguments) -> Orders {
    let cloud = arguments.cloud;
    Orders {
        count: usize::try_from(arguments.count).unwrap_or(usize::MAX),
        folder: arguments.config,
        enrol_with: arguments.enrol_with.map(|token| (cloud, token)),
        prefix: arguments.prefix,
        openings: usize::try_from(arguments.openings).unwrap_or(usize::MAX),
        every: arguments.every,
        plan: Plan {
            gpus: arguments.gpus,
            frame: arguments.frame_time,
            spread: arguments.spread,
            load: arguments.load_time,
            frame_bytes: arguments.frame_bytes,
            failures: arguments.failures,
            failure_classes: arguments.failure_class,
            faults: arguments.fault,
            fault_for: arguments.fault_for,
            seed: arguments.seed,
        },
    }
}

fn json(report: &Report) -> String {
    serde_json::to_string(report).unwrap_or_default()
}

fn span(text: &str) -> Result<Millis, String> {
    match text.strip_suffix("ms") {
        Some(count) => {
            count.parse().map(Millis).map_err(|_| format!("{text:?} is no length of time: write 250ms or 2s"))
        }
        None => parse_length(text),
    }
}

fn part(text: &str) -> Result<f64, String> {
    let part = text.parse().ok().filter(|part| (0.0..=1.0).contains(part));
    part.ok_or_else(|| format!("{text:?} is no part: write a number from 0 to 1"))
}

fn class(text: &str) -> Result<FailureClass, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn fault(text: &str) -> Result<(FaultKind, Millis), String> {
    let names = || FaultKind::ALL.map(FaultKind::as_str).join(", ");
    let (kind, every) = text.split_once(':').ok_or("write KIND:TIME, as in cut:5m")?;
    let kind =
        FaultKind::parse(kind).ok_or_else(|| format!("{kind:?} is no fault: write one of {}", names()))?;
    let every = span(every)?;
    if every.0 == 0 {
        return Err("a fault needs some time between two of its kind".to_owned());
    }
    Ok((kind, every))
}
