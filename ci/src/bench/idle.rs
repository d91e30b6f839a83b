//! Memory and processor time of programs that have nothing to do, read from /proc.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::farm::{self, Farm, FarmOptions, Programs, pause};
use crate::{setup, shell};

/// How long to look.
#[derive(clap::Args)]
pub struct IdleArguments {
    /// Seconds to watch
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

struct Reading {
    resident_kib: u64,
    processor_ticks: u64,
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
    let before = [read(worker)?, read(cloud)?];
    pause(Duration::from_secs(arguments.seconds));
    let after = [read(worker)?, read(cloud)?];
    let ticks_a_second: f64 =
        shell::output("getconf", &["CLK_TCK"])?.parse().context("CLK_TCK is a number")?;
    println!("program           resident   processor of a core   aim");
    for ((name, aim), (before, after)) in [("pictor-worker", "≤ 30 MiB, ≤ 0.3 %"), ("pictor-cloud", "")]
        .into_iter()
        .zip(before.iter().zip(&after))
    {
        let seconds = (after.processor_ticks - before.processor_ticks) as f64 / ticks_a_second;
        println!(
            "{name:<15} {:>8.1} MiB {:>16.2} %   {aim}",
            after.resident_kib as f64 / 1024.0,
            100.0 * seconds / arguments.seconds as f64
        );
    }
    Ok(())
}

fn read(process: u32) -> Result<Reading> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).context("the process is gone")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Fields after the program's name, which may hold spaces: 14 and 15 of proc(5) are user and system time.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Ok(Reading {
        resident_kib: resident
            .split_whitespace()
            .next()
            .and_then(|text| text.parse().ok())
            .context("VmRSS")?,
        processor_ticks: field(14) + field(15),
    })
}
