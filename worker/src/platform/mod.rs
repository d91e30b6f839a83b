//! What differs between operating systems: process groups, death with the parent, resource limits, orphans.
//!
//! An engine process is the leader of its own group, so that all it started can be ended at once; the kernel
//! ends it when the worker dies; and it is noted on disk, so that a worker that starts anew finds what even
//! that missed. The only place of the worker with `unsafe`. Not here: which program is started and with which
//! arguments.

#[cfg(unix)]
mod group;
#[cfg(unix)]
mod limits;
pub mod orphans;
#[cfg(not(unix))]
mod other;
mod spawner;

#[cfg(unix)]
pub use group::ProcessGroup;
#[cfg(unix)]
pub use limits::{harden, resident_bytes};
pub use orphans::end_orphans;
#[cfg(not(unix))]
pub use other::{ProcessGroup, harden, resident_bytes};
pub use spawner::spawn;

/// Bounds that the system itself enforces on an engine process and all it starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Address space.
    pub address_space_bytes: Option<u64>,
    /// Size of any file it writes.
    pub file_bytes: Option<u64>,
    /// How much it steps back behind other programs, 0 to 19.
    pub nice: u8,
}
