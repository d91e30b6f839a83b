//! Programs that die, stall and come back, lines that break, disks that fill: whatever happens nothing is
//! lost, nothing is taken twice, and every job ends. After each blow the cloud's own audit is asked.
//!
//! `cargo ci test` plays each kind; `cargo ci soak` plays them for hours.

mod clocks;
#[cfg(target_os = "linux")]
mod flushes;
mod kills;
mod lines;
mod places;
mod rigs;
mod rows;
mod shortage;
mod trial;
mod zombies;

/// Of something that is done again and again: so often in `cargo ci test`, so often in `cargo ci soak`
/// (`PICTOR_SOAK` is the part of it to play, in percent).
pub fn times(short: u32, long: u32) -> u32 {
    match soak_percent() {
        None => short,
        Some(percent) => (u64::from(long) * percent).div_ceil(100).try_into().unwrap_or(long),
    }
}

/// Whether this is the long run.
pub fn is_soak() -> bool {
    soak_percent().is_some()
}

fn soak_percent() -> Option<u64> {
    let percent = std::env::var("PICTOR_SOAK").ok()?;
    Some(percent.parse().unwrap_or_else(|_| panic!("PICTOR_SOAK={percent} is no number of percent")))
}
