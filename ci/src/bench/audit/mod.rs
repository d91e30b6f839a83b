//! How long the audit of a large farm takes, over both databases: a release build of the store's own test
//! fills them and looks.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::postgres::{Durability, Postgres};
use crate::shell;

/// How large the farm is.
#[derive(clap::Args)]
pub struct AuditArguments {
    /// Tasks to fill in; the aim is about a million
    #[arg(long, default_value_t = 1_000_000)]
    tasks: u64,
}

/// Measures and prints the time of each promise; fails where the aim is missed.
pub fn run(root: &Path, arguments: &AuditArguments) -> Result<()> {
    let server = Postgres::start(Durability::None)?;
    let mut command = Command::new("cargo");
    command
        .current_dir(root)
        .args(["test", "--quiet", "--release", "--package", "pictor-cloud", "--test", "store", "--"])
        .args(["--ignored", "--nocapture", "--test-threads", "1", "audit::large"])
        .env("PICTOR_BENCH_TASKS", arguments.tasks.to_string())
        .env("PICTOR_TEST_POSTGRES", server.url());
    shell::run_with(&mut command)
}
