//! A machine that does not exist, for tests and simulated farms.

use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::{GpuFacts, GpuSample, MachineFacts, MetricSample, Software};
use pictor_actors::units::UnixMillis;

use super::{Machine, SlotPolicy};

const GIB: u64 = 1 << 30;

/// A simulated machine.
#[derive(Debug, Clone)]
pub struct FakeMachine {
    facts: MachineFacts,
    policy: SlotPolicy,
    samples: u32,
}

impl FakeMachine {
    /// A machine named `hostname` with this many simulated GPUs and a software entry named "fake".
    #[must_use]
    pub fn with_gpus(hostname: &str, gpus: u16) -> Self {
        let gpu = |n: u16| GpuFacts {
            pci_id: format!("00000000:{:02X}:00.0", n + 1),
            model: "Simulated GPU".to_owned(),
            memory_bytes: 8 * GIB,
            uuid: Some(format!("GPU-simulated-{n}")),
        };
        let facts = MachineFacts {
            hostname: hostname.to_owned(),
            os: "Simulated OS 1".to_owned(),
            arch: "x86_64".to_owned(),
            kernel: None,
            cpu_model: "Simulated CPU".to_owned(),
            cpu_count: 8,
            ram_bytes: 32 * GIB,
            disk_bytes: Some(500 * GIB),
            nvidia_driver: (gpus > 0).then(|| "simulated".to_owned()),
            no_gpu_because: (gpus == 0).then(|| "this simulated machine has none".to_owned()),
            gpus: (0..gpus).map(gpu).collect(),
            software: vec![simulated_software()],
            software_search: None,
        };
        Self { facts, policy: SlotPolicy::default(), samples: 0 }
    }
}

/// The software entry that a simulated machine names; no real engine starts it.
#[must_use]
pub fn simulated_software() -> Software {
    Software {
        name: "fake".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        path: String::new(),
        engines: vec![RenderEngine::Cycles, RenderEngine::Eevee, RenderEngine::Workbench],
    }
}

impl Machine for FakeMachine {
    fn facts(&mut self) -> MachineFacts {
        self.facts.clone()
    }

    fn slot_policy(&self) -> SlotPolicy {
        self.policy
    }

    /// Values move in a fixed pattern, so that a chart of them is seen to live.
    fn sample(&mut self, now: UnixMillis) -> MetricSample {
        self.samples = self.samples.wrapping_add(1);
        let wave = u8::try_from(self.samples % 50).map_or(0.0, f32::from);
        let gpu = |gpu: &GpuFacts| GpuSample {
            pci_id: gpu.pci_id.clone(),
            utilisation_percent: Some(50.0 + wave),
            memory_used_bytes: Some(gpu.memory_bytes / 2),
            celsius: Some(40.0 + wave / 2.0),
            power_watts: Some(100.0 + wave),
            power_limit_watts: Some(250.0),
            clock_mhz: Some(1800),
            memory_clock_mhz: Some(7000),
        };
        MetricSample {
            at: now,
            cpu_percent: Some(wave),
            cpu_celsius: Some(45.0),
            ram_used_bytes: Some(4 * GIB),
            gpus: self.facts.gpus.iter().map(gpu).collect(),
        }
    }

    fn disk_free_bytes(&mut self) -> Option<u64> {
        self.facts.disk_bytes.map(|bytes| bytes / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_machine_has_slots_that_can_render() {
        let mut machine = FakeMachine::with_gpus("hall-01", 3);
        let facts = machine.facts();
        let slots = machine.slot_policy().slots(&facts);
        assert_eq!(slots.len(), 3);
        assert!(slots.iter().all(|slot| slot.engines.contains(&RenderEngine::Cycles)));
        assert_eq!(machine.sample(UnixMillis(7)).gpus.len(), 3);
        assert_ne!(machine.sample(UnixMillis(7)), machine.sample(UnixMillis(7)));
        let mut none = FakeMachine::with_gpus("small", 0);
        let facts = none.facts();
        assert!(facts.no_gpu_because.is_some());
        assert_eq!(none.slot_policy().slots(&facts).len(), 1);
    }
}
