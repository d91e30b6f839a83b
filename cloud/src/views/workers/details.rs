//! A worker's page: what it is, what it does, how it fares.

use pictor_actors::protocol::{MachineFacts, MetricSample, SearchPhase};
use pictor_cloud_api::workers::{Worker, WorkerSlot};
use serde::Serialize;

use super::metrics::Metrics;
use super::{WorkerActions, machine_of};
use crate::views::forms::Field;
use crate::views::state::{StateLine, capital};
use crate::views::{View, format};

/// `/workers/{id}`.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerPage {
    /// Its changing part.
    pub live: WorkerLiveParts,
    /// Samples of the last 15 minutes, as columns for the charts (JSON).
    pub series: String,
    /// `monitor` or `settings`.
    pub is_settings: bool,
    /// Name, in the settings.
    pub name: Field,
}

impl View for WorkerPage {
    const TEMPLATE: &'static str = "pages/worker";
}

/// What changes while the page is open; each part is swapped by its own id.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerLiveParts {
    /// The worker.
    pub id: String,
    /// Name.
    pub name: String,
    /// State line.
    pub state: StateLine,
    /// What can be done to it.
    pub actions: WorkerActions,
    /// Worker info.
    pub facts: WorkerFacts,
    /// Status and processing, one entry a slot.
    pub slots: Vec<SlotPart>,
    /// Hardware metrics.
    pub metrics: Metrics,
}

impl View for WorkerLiveParts {
    const TEMPLATE: &'static str = "partials/workers/live";
}

/// Worker info.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerFacts {
    /// Operating system; nothing before it was seen. The same for all below.
    pub os: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
    /// Version of its program.
    pub app_version: Option<String>,
    /// NVIDIA driver.
    pub driver: Option<String>,
    /// Installed 3D software.
    pub software: Vec<SoftwareLine>,
    /// RFC 3339.
    pub last_heartbeat_at: Option<String>,
    /// RFC 3339.
    pub online_since: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// It was seen at least once.
    pub is_seen: bool,
    /// It still looks for 3D software.
    pub is_searching: bool,
}

/// A program that renders.
#[derive(Debug, Clone, Serialize)]
pub struct SoftwareLine {
    /// Name and version.
    pub name: String,
    /// Engines it ran.
    pub engines: String,
    /// Where.
    pub path: String,
}

/// What one slot does.
#[derive(Debug, Clone, Serialize)]
pub struct SlotPart {
    /// Number.
    pub slot: u16,
    /// What it runs on ("GPU 0, RTX 4090" or "CPU").
    pub device: String,
    /// What it does, one word.
    pub phase: StateLine,
    /// Job in hand.
    pub job: Option<String>,
    /// Task in hand.
    pub task: Option<String>,
    /// Frame in hand.
    pub frame: Option<i32>,
    /// Part of the task that is done.
    pub percent: Option<u8>,
}

impl WorkerLiveParts {
    /// From the worker as the API shows it; `samples` are its last 15 minutes, oldest first.
    #[must_use]
    pub fn new(worker: &Worker, samples: &[MetricSample]) -> Self {
        let machine = machine_of(worker);
        Self {
            id: worker.id.clone(),
            name: worker.name.clone(),
            state: StateLine::of_worker(&worker.status),
            actions: WorkerActions::of(worker),
            facts: facts(worker, machine.as_ref()),
            slots: worker.slots.iter().map(|slot| slot_part(slot, machine.as_ref())).collect(),
            metrics: Metrics::new(worker, machine.as_ref(), samples),
        }
    }
}

fn facts(worker: &Worker, machine: Option<&MachineFacts>) -> WorkerFacts {
    WorkerFacts {
        os: machine.map(|machine| format!("{} ({})", machine.os, machine.arch)),
        hostname: machine.map(|machine| machine.hostname.clone()),
        app_version: worker.app_version.clone(),
        driver: machine.and_then(|machine| machine.nvidia_driver.clone()),
        software: machine.map_or_else(Vec::new, software),
        last_heartbeat_at: worker.last_heartbeat_at.clone(),
        online_since: worker.online_since.clone(),
        created_at: worker.created_at.clone(),
        is_seen: machine.is_some(),
        is_searching: machine.is_some_and(|m| m.software_search == Some(SearchPhase::Running)),
    }
}

fn software(machine: &MachineFacts) -> Vec<SoftwareLine> {
    let line = |one: &pictor_actors::protocol::machine::Software| SoftwareLine {
        name: format!("{} {}", one.name, one.version),
        engines: one.engines.iter().map(|engine| engine_word(*engine)).collect::<Vec<_>>().join(", "),
        path: one.path.clone(),
    };
    machine.software.iter().map(line).collect()
}

fn engine_word(engine: pictor_actors::protocol::assignment::RenderEngine) -> &'static str {
    use pictor_actors::protocol::assignment::RenderEngine;
    match engine {
        RenderEngine::Cycles => "Cycles",
        RenderEngine::Eevee => "EEVEE",
        RenderEngine::Workbench => "Workbench",
        RenderEngine::Simulated => "simulated",
    }
}

fn slot_part(slot: &WorkerSlot, machine: Option<&MachineFacts>) -> SlotPart {
    SlotPart {
        slot: slot.slot,
        device: device_words(slot, machine),
        phase: phase_line(slot.phase.as_deref()),
        job: slot.job.clone(),
        task: slot.task.clone(),
        frame: slot.frame,
        percent: slot.progress.and_then(format::percent),
    }
}

fn device_words(slot: &WorkerSlot, machine: Option<&MachineFacts>) -> String {
    let Some(pci_id) = &slot.gpu_pci_id else { return "CPU".to_owned() };
    let gpus = machine.map_or(&[][..], |machine| &machine.gpus);
    let found = gpus.iter().enumerate().find(|(_, gpu)| gpu.pci_id == *pci_id);
    found.map_or_else(|| format!("GPU {pci_id}"), |(number, gpu)| format!("GPU {number}, {}", gpu.model))
}

fn phase_line(phase: Option<&str>) -> StateLine {
    let (tone, glyph, word) = match phase {
        Some("rendering") => ("work", "activity", "Rendering".to_owned()),
        Some("fetching") => ("work", "download", "Fetching inputs".to_owned()),
        Some("loading") => ("work", "circle-dot", "Loading the scene".to_owned()),
        Some("stopping") => ("warn", "stop", "Stopping".to_owned()),
        Some("idle") => ("ok", "check-circle", "Idle".to_owned()),
        Some(other) => ("muted", "circle", capital(other)),
        None => ("muted", "circle-dashed", "Not known".to_owned()),
    };
    StateLine { tone, glyph, word, cause: None }
}
