//! What this machine is, how it fares, and which 3D software it has.
//!
//! [`Machine`] is asked for facts seldom and for a sample each second; the real one reads NVML and the
//! operating system, the fake one serves tests and simulated farms. What is not known stays `None`.

pub mod fake;
mod host;
pub mod nvidia;
mod real;
pub mod search;
pub mod software;

use std::path::Path;

use pictor_actors::limits::SLOTS_MAX;
use pictor_actors::protocol::{MachineFacts, MetricSample, SlotFacts};
use pictor_actors::units::UnixMillis;

pub use software::{CyclesOn, Devices, FoundSoftware, SoftwareSearch, find_software, look_for_software};

/// Whatever answers for the machine.
pub trait Machine: Send {
    /// Facts that change seldom, without `software`: that is [`find_software`]'s answer, which the caller
    /// puts in.
    fn facts(&mut self) -> MachineFacts;

    /// How slots follow from the facts.
    fn slot_policy(&self) -> SlotPolicy;

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

impl SlotPolicy {
    /// The slots of a machine with these facts, `software` included: GPUs first, in the order of their PCI
    /// ids, then the CPU. Each runs every engine that any installed software was seen to run.
    #[must_use]
    pub fn slots(self, facts: &MachineFacts) -> Vec<SlotFacts> {
        let mut engines: Vec<_> =
            facts.software.iter().flat_map(|software| software.engines.clone()).collect();
        engines.sort_unstable();
        engines.dedup();
        let cpu = self.cpu_beside_gpus || facts.gpus.is_empty();
        let gpus = facts.gpus.iter().map(|gpu| Some(gpu.pci_id.clone()));
        gpus.chain(cpu.then_some(None))
            .take(SLOTS_MAX)
            .zip(0_u16..)
            .map(|(gpu_pci_id, slot)| SlotFacts { slot, gpu_pci_id, engines: engines.clone(), enabled: true })
            .collect()
    }
}

/// The machine this process runs on; `data_dir` tells which disk is meant.
#[must_use]
pub fn this_machine(data_dir: &Path, policy: SlotPolicy) -> Box<dyn Machine> {
    Box::new(real::RealMachine::new(data_dir, policy))
}

#[cfg(test)]
mod tests {
    use pictor_actors::now::{Clock, SystemClock};
    use pictor_actors::protocol::assignment::RenderEngine;
    use pictor_actors::protocol::{GpuFacts, Software};

    use super::*;

    fn facts(gpus: usize) -> MachineFacts {
        let gpu = |n: usize| GpuFacts { pci_id: format!("00000000:{n:02x}:00.0"), ..GpuFacts::default() };
        let software = |name: &str, engines: &[RenderEngine]| Software {
            name: name.into(),
            version: "3.4.1".into(),
            path: "/x".into(),
            engines: engines.into(),
        };
        MachineFacts {
            gpus: (0..gpus).map(gpu).collect(),
            software: vec![
                software("Blender", &[RenderEngine::Eevee, RenderEngine::Cycles]),
                software("bpy", &[RenderEngine::Cycles]),
            ],
            ..MachineFacts::default()
        }
    }

    #[test]
    fn one_slot_a_gpu_and_the_cpu_where_there_is_none_or_the_owner_allows() {
        let slots = |gpus, cpu_beside_gpus| SlotPolicy { cpu_beside_gpus }.slots(&facts(gpus));
        let kinds =
            |slots: Vec<SlotFacts>| slots.iter().map(|slot| slot.gpu_pci_id.is_some()).collect::<Vec<_>>();
        assert_eq!(kinds(slots(0, false)), [false]);
        assert_eq!(kinds(slots(2, false)), [true, true]);
        assert_eq!(kinds(slots(2, true)), [true, true, false]);
        assert_eq!(slots(100, true).len(), SLOTS_MAX);
        let two = slots(2, true);
        assert_eq!(two.iter().map(|slot| slot.slot).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(two[0].engines, [RenderEngine::Cycles, RenderEngine::Eevee]);
    }

    #[test]
    fn this_machine_has_facts_and_says_why_it_has_no_gpu() {
        let dir = tempfile::tempdir().unwrap();
        let mut machine = this_machine(dir.path(), SlotPolicy::default());
        let facts = machine.facts();
        assert!(facts.cpu_count > 0 && facts.ram_bytes > 0 && !facts.os.is_empty(), "{facts:?}");
        assert_eq!(facts.gpus.is_empty(), facts.no_gpu_because.is_some(), "{facts:?}");
        assert!(machine.disk_free_bytes().is_some_and(|free| free > 0));
        assert!(!machine.slot_policy().slots(&facts).is_empty());
    }

    #[test]
    fn the_first_use_of_the_processor_is_unknown_rather_than_zero() {
        let dir = tempfile::tempdir().unwrap();
        let mut machine = this_machine(dir.path(), SlotPolicy::default());
        let now = SystemClock.now().wall;
        let first = machine.sample(now);
        assert_eq!((first.at, first.cpu_percent), (now, None));
        assert!(first.ram_used_bytes.is_some_and(|used| used > 0));
    }
}
