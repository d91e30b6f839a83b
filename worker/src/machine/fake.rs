//! A machine that does not exist, for tests and simulated farms.

use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::{GpuFacts, GpuSample, MachineFacts, MetricSample, Software};
use pictor_actors::units::UnixMillis;

use super::{Machine, SlotPolicy};

const GIB: u64 = 1 << 30;

/// A warm GPU comes this near to a new temperature's end in so many milliseconds (to a third of the way).
const WARMS_IN_MS: f32 = 40_000.0;
/// Temperature of a room, and what a GPU without and with work adds to it.
const ROOM_CELSIUS: f32 = 26.0;
const IDLE_CELSIUS: f32 = 9.0;
const BUSY_CELSIUS: f32 = 42.0;
/// A GPU that does nothing draws this part of its limit, one at work that.
const IDLE_POWER: f32 = 0.06;
const BUSY_POWER: f32 = 0.88;

/// Models that simulated machines have: name, memory, power limit in watts, clocks in MHz.
const MODELS: [(&str, u64, u16, u32, u32); 4] = [
    ("Simulated RTX 4090", 24, 450, 2_520, 10_501),
    ("Simulated RTX 3080", 10, 320, 1_710, 9_501),
    ("Simulated RTX A5000", 24, 230, 1_695, 8_001),
    ("Simulated RTX 4070", 12, 200, 2_475, 10_501),
];

/// A simulated machine.
#[derive(Debug, Clone)]
pub struct FakeMachine {
    facts: MachineFacts,
    policy: SlotPolicy,
    samples: u32,
    gpus: Vec<FakeGpu>,
}

/// What a simulated GPU does.
#[derive(Debug, Clone)]
struct FakeGpu {
    model: usize,
    is_busy: bool,
    celsius: f32,
    sampled_at: Option<UnixMillis>,
}

impl FakeMachine {
    /// A machine named `hostname` with this many simulated GPUs and a software entry named "fake".
    #[must_use]
    pub fn with_gpus(hostname: &str, gpus: u16) -> Self {
        let model = hostname.bytes().map(usize::from).sum::<usize>() % MODELS.len();
        let (name, memory, ..) = MODELS[model];
        let gpu = |n: u16| GpuFacts {
            pci_id: format!("00000000:{:02X}:00.0", n + 1),
            model: name.to_owned(),
            memory_bytes: memory * GIB,
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
        let cold = FakeGpu { model, is_busy: false, celsius: ROOM_CELSIUS + IDLE_CELSIUS, sampled_at: None };
        let gpus = vec![cold; facts.gpus.len()];
        Self { facts, policy: SlotPolicy::default(), samples: 0, gpus }
    }

    /// Whether the GPU with this number works from now on.
    pub fn work(&mut self, gpu: usize, is_busy: bool) {
        if let Some(gpu) = self.gpus.get_mut(gpu) {
            gpu.is_busy = is_busy;
        }
    }
}

impl FakeGpu {
    fn sample(&mut self, facts: &GpuFacts, wobble: f32, now: UnixMillis) -> GpuSample {
        let (_, _, limit_watts, clock, memory_clock) = MODELS[self.model];
        let (limit, share) = (f32::from(limit_watts), if self.is_busy { BUSY_POWER } else { IDLE_POWER });
        let target = ROOM_CELSIUS + if self.is_busy { BUSY_CELSIUS } else { IDLE_CELSIUS };
        let since = self.sampled_at.map_or(0, |before| before.until(now).0.min(600_000));
        // At most ten minutes: exact as a float.
        #[allow(clippy::cast_precision_loss)]
        let nearer = 1.0 - (-(since as f32) / WARMS_IN_MS).exp();
        self.celsius += (target - self.celsius) * nearer;
        self.sampled_at = Some(now);
        GpuSample {
            pci_id: facts.pci_id.clone(),
            utilisation_percent: Some(if self.is_busy { 94.0 + 5.0 * wobble } else { 2.0 * wobble }),
            memory_used_bytes: Some(if self.is_busy { facts.memory_bytes / 5 * 2 } else { GIB / 2 }),
            celsius: Some((self.celsius + wobble).round()),
            power_watts: Some(limit * (share + 0.05 * wobble)),
            power_limit_watts: Some(limit),
            clock_mhz: Some(if self.is_busy { clock } else { 210 }),
            memory_clock_mhz: Some(if self.is_busy { memory_clock } else { 405 }),
        }
    }
}

/// The software entry that a simulated machine names; no real engine starts it.
#[must_use]
pub fn simulated_software() -> Software {
    Software {
        name: "fake".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        path: String::new(),
        engines: vec![RenderEngine::Simulated],
    }
}

impl Machine for FakeMachine {
    fn facts(&mut self) -> MachineFacts {
        self.facts.clone()
    }

    fn slot_policy(&self) -> SlotPolicy {
        self.policy
    }

    /// Load, temperature, memory and power go together, and move a little, so that a chart is seen to live.
    fn sample(&mut self, now: UnixMillis) -> MetricSample {
        self.samples = self.samples.wrapping_add(1);
        let wobble = u8::try_from(self.samples * 7 % 11).map_or(0.0, f32::from) / 10.0;
        let gpus: Vec<GpuSample> = self
            .gpus
            .iter_mut()
            .zip(&self.facts.gpus)
            .map(|(gpu, facts)| gpu.sample(facts, wobble, now))
            .collect();
        let is_busy = self.gpus.iter().any(|gpu| gpu.is_busy);
        MetricSample {
            at: now,
            cpu_percent: Some(if is_busy { 14.0 } else { 1.0 } + 4.0 * wobble),
            cpu_celsius: Some(if is_busy { 58.0 } else { 41.0 } + wobble),
            ram_used_bytes: Some(if is_busy { 11 * GIB } else { 4 * GIB }),
            gpus,
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
        assert!(slots.iter().all(|slot| slot.engines.contains(&RenderEngine::Simulated)));
        assert_eq!(machine.sample(UnixMillis(7)).gpus.len(), 3);
        assert_ne!(machine.sample(UnixMillis(7)), machine.sample(UnixMillis(7)));
        let at = |second: i64| UnixMillis(second * 1_000);
        let celsius = |machine: &mut FakeMachine, now| machine.sample(now).gpus[0].celsius.unwrap();
        let cold = celsius(&mut machine, at(1));
        machine.work(0, true);
        let (soon, later) = (celsius(&mut machine, at(10)), celsius(&mut machine, at(300)));
        assert!(cold < soon && soon < later && later < 75.0, "{cold} {soon} {later}");
        let sample = machine.sample(at(301));
        assert!(sample.gpus[0].power_watts > sample.gpus[1].power_watts);
        machine.work(0, false);
        assert!(celsius(&mut machine, at(320)) < later);
        let mut none = FakeMachine::with_gpus("small", 0);
        let facts = none.facts();
        assert!(facts.no_gpu_because.is_some());
        assert_eq!(none.slot_policy().slots(&facts).len(), 1);
    }
}
