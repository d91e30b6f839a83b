//! The machine this process runs on.

use std::path::Path;

use pictor_actors::protocol::{MachineFacts, MetricSample};
use pictor_actors::units::UnixMillis;

use super::host::Host;
use super::nvidia::Nvidia;
use super::{Machine, SlotPolicy};

/// Host and GPUs together.
pub struct RealMachine {
    host: Host,
    nvidia: Result<Nvidia, String>,
    policy: SlotPolicy,
}

impl RealMachine {
    pub fn new(data_dir: &Path, policy: SlotPolicy) -> Self {
        Self { host: Host::new(data_dir), nvidia: Nvidia::open(), policy }
    }
}

impl Machine for RealMachine {
    fn facts(&mut self) -> MachineFacts {
        let mut facts = self.host.facts();
        // A driver may have come since.
        if self.nvidia.is_err() {
            self.nvidia = Nvidia::open();
        }
        match &self.nvidia {
            Ok(nvidia) => {
                facts.nvidia_driver = nvidia.driver_version();
                facts.gpus = nvidia.gpus();
                if facts.gpus.is_empty() {
                    facts.no_gpu_because = Some("the NVIDIA driver sees no GPU".to_owned());
                }
            }
            Err(why_not) => facts.no_gpu_because = Some(why_not.clone()),
        }
        facts
    }

    fn slot_policy(&self) -> SlotPolicy {
        self.policy
    }

    fn sample(&mut self, now: UnixMillis) -> MetricSample {
        let gpus = self.nvidia.as_ref().map(Nvidia::samples).unwrap_or_default();
        MetricSample { at: now, gpus, ..self.host.sample() }
    }

    fn disk_free_bytes(&mut self) -> Option<u64> {
        self.host.disk_free_bytes()
    }
}
