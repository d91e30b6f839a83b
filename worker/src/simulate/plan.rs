//! What is to be simulated: how many, how fast, how often something goes wrong.

use pictor_actors::protocol::FailureClass;
use pictor_actors::units::Millis;

use super::faults::FaultKind;

/// How simulated workers behave.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// GPUs of each worker; none: it has its processor's slot.
    pub gpus: u16,
    /// Mean time of one frame.
    pub frame: Millis,
    /// A frame takes so much more or less, as a part of the mean.
    pub spread: f64,
    /// Time to load a job's scene.
    pub load: Millis,
    /// About so many bytes a picture.
    pub frame_bytes: u32,
    /// Part of the frames that fail, 0 to 1.
    pub failures: f64,
    /// The classes they fail with.
    pub failure_classes: Vec<FailureClass>,
    /// What else goes wrong: each kind hits each worker so often, on average.
    pub faults: Vec<(FaultKind, Millis)>,
    /// How long a fault lasts that has a length.
    pub fault_for: Millis,
    /// Decides every chance.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            gpus: 1,
            frame: Millis::from_secs(2),
            spread: 0.3,
            load: Millis::from_secs(1),
            frame_bytes: 7_000,
            failures: 0.0,
            failure_classes: vec![FailureClass::Crash],
            faults: Vec::new(),
            fault_for: Millis::from_secs(20),
            seed: 1,
        }
    }
}

impl Plan {
    /// Width and height, 16 to 9, of a picture of about [`Plan::frame_bytes`] without compression.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn resolution(&self) -> (u32, u32) {
        let height = (f64::from(self.frame_bytes) / 3.0 * 9.0 / 16.0).sqrt().max(1.0);
        ((height * 16.0 / 9.0) as u32, height as u32)
    }
}
