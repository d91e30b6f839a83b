//! Measurements, as ratios within one run. Figures are kept only with the command that made them.

mod idle;
mod overhead;

use std::path::Path;

use anyhow::Result;

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
    /// Memory and processor time of a worker and a cloud that have nothing to do
    Idle(idle::IdleArguments),
}

/// Runs it.
pub fn run(root: &Path, arguments: &BenchArguments) -> Result<()> {
    match &arguments.bench {
        Bench::Overhead(arguments) => overhead::run(root, arguments),
        Bench::Idle(arguments) => idle::run(root, arguments),
    }
}
