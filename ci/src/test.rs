//! `cargo ci test`: sets up, checks, builds once and runs every test.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::postgres::Postgres;
use crate::{check, setup, shell};

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
    let postgres = Postgres::start()?;
    shell::say("tests");
    let profile = if std::env::var_os("CI").is_some() { "ci" } else { "default" };
    let mut nextest = Command::new("cargo");
    nextest
        .args(["nextest", "run", "--workspace", "--profile", profile])
        .args(&arguments.nextest)
        .env("PICTOR_TEST_POSTGRES", postgres.url())
        .env("PICTOR_TEST_BPY_PYTHON", setup::bpy_python()?);
    shell::run_with(&mut nextest)
}
