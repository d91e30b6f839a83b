//! `cargo ci test`: sets up, checks, builds once and runs every test.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::postgres::{Durability, Postgres};
use crate::{check, setup, shell};

/// Said where the module is not there; nextest counts those tests as skipped.
const WITHOUT_BPY: &str =
    "NOT RUN: every test with Python's bpy module (`cargo ci setup` says what it needs)";

/// What to run.
#[derive(clap::Args)]
pub struct TestArguments {
    /// Leave the checks out (formatting, lints, documentation, house rules, licences)
    #[arg(long)]
    no_check: bool,
    /// Passed on to cargo-nextest, after `--` (a filter, for instance)
    #[arg(last = true)]
    nextest: Vec<String>,
}

/// Runs them.
pub fn run(root: &Path, arguments: &TestArguments) -> Result<()> {
    setup::everything(root)?;
    if !arguments.no_check {
        check::run(root)?;
    }
    shell::say("building everything");
    // One command for programs and tests, so that nothing is compiled twice with other features.
    shell::run("cargo", &["build", "--workspace", "--all-targets", "--quiet"])?;
    shell::say("starting PostgreSQL for the tests");
    let postgres = Postgres::start(Durability::None)?;
    shell::say("tests");
    let bpy = setup::bpy::python()?;
    if bpy.is_none() {
        shell::warn(WITHOUT_BPY);
    }
    let profile = if std::env::var_os("CI").is_some() { "ci" } else { "default" };
    let mut nextest = Command::new("cargo");
    nextest
        .args(["nextest", "run", "--workspace", "--profile", profile])
        .args(&arguments.nextest)
        .env("PICTOR_TEST_POSTGRES", postgres.url())
        .env_remove("PICTOR_TEST_BPY_PYTHON");
    if let Some(python) = &bpy {
        // The filter leaves out what needs the module.
        nextest.arg("--ignore-default-filter").env("PICTOR_TEST_BPY_PYTHON", python);
    }
    let ran = shell::run_with(&mut nextest);
    if bpy.is_none() {
        shell::warn(WITHOUT_BPY); // again, below the long list
    }
    ran
}
