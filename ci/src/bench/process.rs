//! Memory and processor time of a running program, read from /proc.

use anyhow::{Context, Result};

use crate::shell;

/// A program at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Memory that is really taken.
    pub resident_kib: u64,
    /// Processor time so far, user and system, in clock ticks.
    ticks: u64,
}

impl Reading {
    /// Of the program with this number.
    pub fn of(process: u32) -> Result<Self> {
        let status =
            std::fs::read_to_string(format!("/proc/{process}/status")).context("the process is gone")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let resident_kib =
            resident.split_whitespace().next().and_then(|text| text.parse().ok()).context("VmRSS")?;
        Ok(Self { resident_kib, ticks: ticks(process)? })
    }

    /// Processor time from `before` until this, in seconds.
    pub fn seconds_since(self, before: Self) -> Result<f64> {
        Ok((self.ticks - before.ticks) as f64 / ticks_a_second()?)
    }
}

/// Processor time of all processes below one, in seconds: a database's server is many.
pub fn seconds_below(parent: u32) -> Result<f64> {
    let all = crate::farm::children(parent);
    // One that has just ended counts for nothing.
    let sum: u64 = all.iter().filter_map(|(process, _)| ticks(*process).ok()).sum();
    Ok(sum as f64 / ticks_a_second()?)
}

fn ticks(process: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Fields after the program's name, which may hold spaces: 14 and 15 of proc(5) are user and system time.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Ok(field(14) + field(15))
}

fn ticks_a_second() -> Result<f64> {
    shell::output("getconf", &["CLK_TCK"])?.parse().context("CLK_TCK is a number")
}
