//! What differs between operating systems: process groups, death with the parent, resource limits, orphans.
//!
//! The only place of the worker with `unsafe`. Not here: which program is started and with which arguments.
#![allow(clippy::todo, unused_variables)]

use std::path::Path;

/// Kills engine processes that an earlier worker with this `data_dir` left behind, and returns how many there were.
///
/// Called at start, before any engine is. A process is killed only if its start time is the one that was noted, so a
/// reused process id never hits a stranger.
#[must_use]
pub fn end_orphans(data_dir: &Path) -> usize {
    todo!()
}
