//! The command line of `pictor-cloud`.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a command line: printing is what it is for

mod admin;
mod audit;
mod backup;
mod health;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::config::{self, Flags, Loaded, LogFormat};
use crate::{boot, telemetry};

/// Host a Pictor farm.
#[derive(Debug, Parser)]
#[command(name = "pictor-cloud", version, propagate_version = true)]
pub struct Arguments {
    #[command(flatten, next_help_heading = "Which cloud")]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the cloud
    Serve,
    /// Ask the cloud that runs on this machine whether it may have requests; for containers
    Health {
        /// Only whether it answers at all
        #[arg(long)]
        live: bool,
    },
    /// Look at the settings
    Config {
        #[command(subcommand)]
        verb: settings::Verb,
    },
    /// Look whether the farm keeps its promises; read-only, works while the cloud runs
    Audit(audit::Arguments),
    /// Make, look through and restore backups of a farm in the built-in database
    Backup {
        #[command(subcommand)]
        verb: backup::Verb,
    },
    /// Accounts, tokens and workers from the command line; works while the cloud runs
    Admin {
        #[command(subcommand)]
        verb: admin::Verb,
    },
}

/// Which cloud is meant, and settings of it. Every verb takes these, before it or after it, so that what
/// `serve` was started with can be given to `admin` and `config` as it is.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Folder of everything the cloud keeps
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    /// Database: sqlite:///path/to/file or postgres://user:password@host/name
    #[arg(long, global = true)]
    database: Option<String>,
    /// Blobs: s3://bucket/prefix, az://container/prefix, gs://bucket/prefix, or a folder
    #[arg(long, global = true)]
    blobs: Option<String>,
    /// Settings file; pictor.toml in the data folder unless given
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// Address and port that the cloud listens on; 127.0.0.1:7420 unless given
    #[arg(long, global = true)]
    listen: Option<String>,
    /// NATS server over which several clouds on one PostgreSQL hear of each other: nats://host:4222
    #[arg(long, global = true)]
    bus: Option<String>,
}

impl Place {
    fn load(&self) -> Result<Loaded> {
        let is_url = self.blobs.as_ref().is_some_and(|place| place.contains("://"));
        let blobs = if is_url { "blobs.url" } else { "blobs.dir" };
        let given = [
            ("server.listen", &self.listen),
            ("database.url", &self.database),
            ("bus.url", &self.bus),
            (blobs, &self.blobs),
        ];
        let values = given.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect();
        Ok(config::load(&Flags { data: self.data.clone(), config: self.config.clone(), values })?)
    }
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match actix_rt::System::new().block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pictor-cloud: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Arguments { place, command }: Arguments) -> Result<()> {
    match command {
        Command::Serve => {
            let config = place.load()?.config;
            let format = match config.log.format {
                LogFormat::Text => telemetry::LogFormat::Pretty,
                LogFormat::Json => telemetry::LogFormat::Json,
            };
            telemetry::init(format, &config.log.level)?;
            boot::serve(config).await
        }
        Command::Health { live } => health::run(&place.load()?.config, live).await,
        Command::Config { verb } => settings::run(&place, &verb),
        Command::Admin { verb } => admin::run(&place, verb).await,
        Command::Audit(arguments) => audit::run(&place, &arguments).await,
        Command::Backup { verb } => backup::run(&place, verb).await,
    }
}
