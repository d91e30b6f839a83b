//! What this machine is, how it fares, and which 3D software it has.
//!
//! [`Machine`] is asked for facts seldom and for a sample each second; the real one reads NVML and the operating system,
//! the fake one serves tests and simulated farms. What is not known stays `None`.
#![allow(clippy::todo, unused_variables)]

pub mod fake;
pub mod software;

use std::path::Path;

use pictor_actors::protocol::{MachineFacts, MetricSample, SlotFacts};
use pictor_actors::units::UnixMillis;

pub use software::{FoundSoftware, SoftwareSearch, find_software};

/// Whatever answers for the machine.
pub trait Machine: Send {
    /// Facts that change seldom, without `software`: that is [`find_software`]'s answer, which the caller puts in.
    fn facts(&mut self) -> MachineFacts;

    /// The slots of a machine with these facts, `software` included: one per GPU; one for the CPU where there is no
    /// GPU or the owner allows it.
    fn slots(&self, facts: &MachineFacts) -> Vec<SlotFacts>;

    /// Newest values, stamped `now`. Cheap enough for each second.
    fn sample(&mut self, now: UnixMillis) -> MetricSample;

    /// Free bytes of the disk that holds the worker's data; nothing where it cannot be told.
    fn disk_free_bytes(&mut self) -> Option<u64>;
}

/// What the owner allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotPolicy {
    /// A CPU slot beside the GPUs' slots. Without a GPU there is always one.
    pub cpu_beside_gpus: bool,
}

/// The machine this process runs on; `data_dir` tells which disk is meant.
#[must_use]
pub fn this_machine(data_dir: &Path, policy: SlotPolicy) -> Box<dyn Machine> {
    todo!()
}
