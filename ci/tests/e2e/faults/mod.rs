//! Programs that die, stall and come back, lines that break, disks that fill: whatever happens nothing is
//! lost, nothing is taken twice, and every job ends. After each blow the cloud's own audit is asked.
//!
//! `cargo ci test` plays each kind; `cargo ci soak` (`PICTOR_SOAK=1`) plays them for hours.

mod kills;
mod lines;
mod places;
mod rows;
mod shortage;
mod trial;
mod zombies;

/// Whether this is the long run.
pub fn is_soak() -> bool {
    std::env::var_os("PICTOR_SOAK").is_some()
}
