//! `cargo ci …`: see the library beside this.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a command-line tool: printing is what it is for

use std::process::ExitCode;

use ci::{bench, check, demo, setup, shell, soak, test, tidy};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo ci", about = "Set up, check, test, show and measure Pictor")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a cloud and a worker, render a sample animation with real Blender and show where to look
    Demo(demo::DemoArguments),
    /// Set up and run every test (and `check` before them)
    Test(test::TestArguments),
    /// The fault tests for a night: thousands of seeds, every fail point, hundreds of kills
    Soak(soak::SoakArguments),
    /// Formatting, lints, documentation, house rules, licences and advisories
    Check,
    /// The house rules alone: sizes, layers, purity, the route table, migrations
    Tidy,
    /// Measure: overhead (against bare Blender), idle, fleet (thousands of workers), throughput, placement
    Bench(bench::BenchArguments),
    /// Install what is missing: Debian packages, cargo tools, npm packages
    Setup,
    /// Build the front end (templates/web) from its lock file
    Web,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\x1b[31mfailed:\x1b[0m {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let root = shell::enter_root()?;
    match Arguments::parse().command {
        Command::Demo(arguments) => demo::run(&root, &arguments),
        Command::Test(arguments) => test::run(&root, &arguments),
        Command::Soak(arguments) => soak::run(&root, &arguments),
        Command::Check => check::run(&root),
        Command::Tidy => tidy::run(&root),
        Command::Bench(arguments) => bench::run(&root, &arguments),
        Command::Setup => setup::everything(&root),
        Command::Web => setup::web(&root),
    }
}
