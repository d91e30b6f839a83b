//! Memory and processor time of programs that have nothing to do.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::process::Reading;
use crate::farm::{self, Farm, FarmOptions, Programs, pause};
use crate::{setup, shell};

/// How long to look.
#[derive(clap::Args)]
pub struct IdleArguments {
    /// Seconds to watch
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Measures and prints the table.
pub fn run(root: &Path, arguments: &IdleArguments) -> Result<()> {
    setup::for_demo(root)?;
    let folder = root.join("target/bench/idle");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    farm::stop_on_signals()?;
    let mut farm = Farm::start(Programs::build(root, true)?, &folder, FarmOptions::default())?;
    farm.add_worker("idle")?;
    let (cloud, worker) = (farm.cloud_process(), farm.worker("idle")?.process());
    farm.wait_probed("idle")?;
    // What the start left to do.
    pause(Duration::from_secs(10));
    shell::say(&format!("watching for {} s", arguments.seconds));
    let before = [Reading::of(worker)?, Reading::of(cloud)?];
    pause(Duration::from_secs(arguments.seconds));
    let after = [Reading::of(worker)?, Reading::of(cloud)?];
    println!("program           resident   processor of a core   aim");
    for ((name, aim), (before, after)) in [("pictor-worker", "≤ 30 MiB, ≤ 0.3 %"), ("pictor-cloud", "")]
        .into_iter()
        .zip(before.iter().zip(&after))
    {
        let seconds = after.seconds_since(*before)?;
        println!(
            "{name:<15} {:>8.1} MiB {:>16.2} %   {aim}",
            after.resident_kib as f64 / 1024.0,
            100.0 * seconds / arguments.seconds as f64
        );
    }
    Ok(())
}
