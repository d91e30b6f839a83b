//! Measurements, as ratios within one run. Figures are kept only with the command that made them.

mod audit;
mod bytes;
mod fleet;
mod idle;
mod overhead;
mod placement;
mod process;
mod raw;
mod throughput;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Which measurement.
#[derive(clap::Args)]
pub struct BenchArguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(clap::Subcommand)]
enum Bench {
    /// The same scenes by bare Blender (one process; one process a frame) and through the farm with one
    /// worker
    Overhead(overhead::OverheadArguments),
    /// Upload and download of a large blob, beside a plain actix-web file server and `cp`
    Bytes(bytes::BytesArguments),
    /// Memory and processor time of a worker and a cloud that have nothing to do
    Idle(idle::IdleArguments),
    /// Thousands of simulated workers on one cloud: connecting, memory, processor, heartbeats, offers
    Fleet(fleet::FleetArguments),
    /// Trivial tasks completed each second, beside what the database does by itself
    Throughput(throughput::ThroughputArguments),
    /// The audit of a farm with a million tasks, over both databases
    Audit(audit::AuditArguments),
    /// The solver of placement alone: 10,000 free slots, 100,000 ready tasks
    Placement(placement::PlacementArguments),
}

/// Runs it.
pub fn run(root: &Path, arguments: &BenchArguments) -> Result<()> {
    match &arguments.bench {
        Bench::Overhead(arguments) => overhead::run(root, arguments),
        Bench::Bytes(arguments) => bytes::run(root, arguments),
        Bench::Idle(arguments) => idle::run(root, arguments),
        Bench::Fleet(arguments) => fleet::run(root, arguments),
        Bench::Throughput(arguments) => throughput::run(root, arguments),
        Bench::Audit(arguments) => audit::run(root, arguments),
        Bench::Placement(arguments) => placement::run(root, arguments),
    }
}

/// An empty folder for a measurement.
fn fresh(root: &Path, name: &str) -> Result<PathBuf> {
    let folder = root.join("target/bench").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
