//! The command line. What it prints to standard output is its result; everything else goes to the log.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use pictor_actors::units::Millis;

use crate::config::DataDir;
use crate::config::pause::parse_length;

mod doctor;
mod exit;
mod follow;
mod import;
pub mod logs;
mod run;
mod say;
#[cfg(feature = "simulate")]
mod simulate;
mod verbs;

pub use exit::Exit;

/// Lends this machine's GPUs to a render farm.
#[derive(Debug, Parser)]
#[command(name = "pictor-worker", version, about)]
pub struct Cli {
    /// Folder for everything the worker keeps.
    #[arg(long, global = true, value_name = "DIR", env = "PICTOR_WORKER_DATA")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Enrol this machine by the configuration file from the worker's set-up page.
    Import {
        /// The file; each is good for one import within 24 hours.
        file: PathBuf,
        /// Take the place of the identity that this machine has.
        #[arg(long)]
        replace: bool,
    },
    /// Work until stopped (Ctrl-C or SIGTERM; a second one stops at once).
    Run {
        /// What to log, as in "info" or "info,pictor_worker=debug".
        #[arg(long, value_name = "LEVEL", env = "PICTOR_WORKER_LOG", default_value = "info")]
        log: String,
    },
    /// Say how the worker stands.
    Status {
        /// As JSON with stable names.
        #[arg(long)]
        json: bool,
    },
    /// Take no new work; what runs is finished.
    Pause {
        /// Resume by itself after this long: 90s, 30m, 2h, 1d.
        #[arg(long = "for", value_name = "TIME", value_parser = parse_length)]
        span: Option<Millis>,
    },
    /// Take work again.
    Resume,
    /// Check driver, disk, clock, whether the cloud would let this worker in, and Blender.
    Doctor {
        /// As JSON with stable names.
        #[arg(long)]
        json: bool,
    },
    /// Play a farm of made-up workers against a cloud that allows simulation: to try its dashboard, to size a
    /// machine, to see what faults do.
    #[cfg(feature = "simulate")]
    Simulate(Box<simulate::SimulateArguments>),
    /// Print the worker's log.
    Logs {
        /// Go on as it grows.
        #[arg(long)]
        follow: bool,
        /// Lines from the end to begin with: a number, or "all".
        #[arg(long, value_name = "N", value_parser = follow::Lines::parse, default_value = "200")]
        lines: follow::Lines,
        /// As JSON lines: `timestamp`, `level`, `target`, `fields` with `message`.
        #[arg(long)]
        json: bool,
    },
}

/// Does what the command line asks for.
#[must_use]
pub fn main(cli: Cli) -> Exit {
    // Only these two begin a worker's life: whoever asks about one changes nothing.
    let data = match &cli.verb {
        Verb::Run { .. } | Verb::Import { .. } => DataDir::open(cli.data),
        Verb::Status { .. } | Verb::Pause { .. } | Verb::Resume | Verb::Doctor { .. } | Verb::Logs { .. } => {
            DataDir::find(cli.data)
        }
        #[cfg(feature = "simulate")]
        Verb::Simulate(_) => DataDir::find(cli.data),
    };
    let data = match data {
        Ok(data) => data,
        Err(error) => return say::fault(Exit::Failed, &format!("the data folder cannot be used: {error}")),
    };
    match cli.verb {
        Verb::Run { log } => run::run(data, &log),
        Verb::Import { file, replace } => on_runtime(import::import(&data, &file, replace)),
        Verb::Status { json } => on_runtime(verbs::status(&data, json)),
        Verb::Pause { span } => on_runtime(verbs::pause(&data, span)),
        Verb::Resume => on_runtime(verbs::resume(&data)),
        Verb::Doctor { json } => on_runtime(doctor::doctor(&data, json)),
        Verb::Logs { follow, lines, json } => on_runtime(follow::logs(&data, follow, lines, json)),
        #[cfg(feature = "simulate")]
        Verb::Simulate(arguments) => simulate::simulate(*arguments),
    }
}

fn on_runtime(verb: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(verb),
        Err(error) => say::fault(Exit::Failed, &format!("cannot start: {error}")),
    }
}
