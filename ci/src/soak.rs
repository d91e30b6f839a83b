//! `cargo ci soak`: the fault tests for as long as it takes: 10,000 seeds of the simulated farm, every place
//! where a crash matters on both databases, hundreds of kills. For a night, not for a commit.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::postgres::{Durability, Postgres};
use crate::shell;

/// What to run.
#[derive(clap::Args)]
pub struct SoakArguments {
    /// Seeds of the simulated farm
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// Of the kills, bad lines and rounds, the part to play, in percent
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    percent: u8,
    /// Plays one seed of the simulated farm again, and nothing else
    #[arg(long, conflicts_with_all = ["seeds", "percent"])]
    seed: Option<u64>,
    /// Passed on to cargo-nextest, after `--` (a filter, for instance)
    #[arg(last = true)]
    nextest: Vec<String>,
}

/// Runs them.
pub fn run(_root: &Path, arguments: &SoakArguments) -> Result<()> {
    if let Some(seed) = arguments.seed {
        return shell::run_with(nextest(&["--test", "farm"]).env("PICTOR_SEED", seed.to_string()));
    }
    // One command for programs and tests, so that nothing is compiled twice with other features.
    let targets = ["--bins", "--test", "farm", "--test", "e2e"];
    shell::run("cargo", &[&["build", "--workspace", "--quiet"], &targets[..]].concat())?;
    let postgres = Postgres::start(Durability::None)?;
    let mut soak = nextest(&[
        "--test",
        "farm",
        "--test",
        "e2e",
        "-E",
        "package(ci) & (binary(farm) | test(faults::))",
        "--run-ignored",
        "all",
    ]);
    soak.args(&arguments.nextest)
        .env("PICTOR_SEEDS", arguments.seeds.to_string())
        .env("PICTOR_SOAK", arguments.percent.to_string())
        .env("PICTOR_TEST_POSTGRES", postgres.url());
    shell::run_with(&mut soak)
}

fn nextest(arguments: &[&str]) -> Command {
    let mut nextest = Command::new("cargo");
    nextest.args(["nextest", "run", "--workspace", "--profile", "soak"]).args(arguments);
    nextest
}
