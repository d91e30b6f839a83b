//! A machine that does not exist, for tests and simulated farms.
#![allow(clippy::todo, unused_variables)]

use pictor_actors::protocol::{MachineFacts, MetricSample, SlotFacts};
use pictor_actors::units::UnixMillis;

use super::{Machine, SlotPolicy};

/// A simulated machine.
#[derive(Debug, Clone)]
pub struct FakeMachine {
    facts: MachineFacts,
    policy: SlotPolicy,
}

impl FakeMachine {
    /// A machine named `hostname` with this many simulated GPUs (at most 32) and a software entry named "fake".
    #[must_use]
    pub fn with_gpus(hostname: &str, gpus: u16) -> Self {
        todo!()
    }
}

impl Machine for FakeMachine {
    fn facts(&mut self) -> MachineFacts {
        todo!()
    }

    fn slots(&self, facts: &MachineFacts) -> Vec<SlotFacts> {
        todo!()
    }

    fn sample(&mut self, now: UnixMillis) -> MetricSample {
        todo!()
    }

    fn disk_free_bytes(&mut self) -> Option<u64> {
        todo!()
    }
}
