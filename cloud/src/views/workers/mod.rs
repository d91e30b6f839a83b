//! Pages about workers.

pub mod details;
pub mod list;
pub mod metrics;
pub mod set_up;

use pictor_actors::protocol::{MachineFacts, MetricSample};
use pictor_cloud_api::workers::Worker;
use serde::Serialize;

use super::format;

/// How long a pause may last, as menus offer it: milliseconds and words. Zero: until resumed.
const PAUSES: [(u64, &str); 6] = [
    (30 * 60_000, "30 minutes"),
    (60 * 60_000, "1 hour"),
    (2 * 60 * 60_000, "2 hours"),
    (4 * 60 * 60_000, "4 hours"),
    (8 * 60 * 60_000, "8 hours"),
    (0, "Until I resume it"),
];

/// A length of pause to choose.
#[derive(Debug, Clone, Serialize)]
pub struct PauseChoice {
    /// Milliseconds; 0: until resumed.
    pub for_ms: u64,
    /// In words.
    pub label: &'static str,
}

/// What can be done to a worker now.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerActions {
    /// The worker.
    pub id: String,
    /// Its name.
    pub name: String,
    /// It can be told to resume.
    pub can_resume: bool,
    /// It was never seen: its set-up goes on.
    pub needs_set_up: bool,
    /// Pauses to choose from; empty where a pause makes no sense.
    pub pauses: Vec<PauseChoice>,
}

impl WorkerActions {
    /// What the worker's state allows.
    #[must_use]
    pub fn of(worker: &Worker) -> Self {
        let needs_set_up = worker.connection == "never";
        let is_paused = worker.activity.as_deref() == Some("paused") || worker.status.starts_with("paused");
        let pauses = PAUSES.map(|(for_ms, label)| PauseChoice { for_ms, label });
        Self {
            id: worker.id.clone(),
            name: worker.name.clone(),
            can_resume: is_paused,
            needs_set_up,
            pauses: if needs_set_up || is_paused { Vec::new() } else { pauses.into() },
        }
    }
}

/// The machine's facts, where it was seen. A shape that this version does not read counts as not seen.
pub(super) fn machine_of(worker: &Worker) -> Option<MachineFacts> {
    worker.machine.as_ref().and_then(|value| serde_json::from_value(value.clone()).ok())
}

/// The worker's newest values, where it sent some.
pub(super) fn sample_of(worker: &Worker) -> Option<MetricSample> {
    worker.sample.as_ref().and_then(|value| serde_json::from_value(value.clone()).ok())
}

/// Part of a whole in percent; nothing where the whole is not known.
pub(super) fn share(part: u64, whole: u64) -> Option<u8> {
    #[allow(clippy::cast_precision_loss)] // a percentage is shown
    (whole > 0).then(|| format::percent(part as f64 / whole as f64)).flatten()
}
