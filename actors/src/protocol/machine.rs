//! What a machine is and how it fares. Unknown is `None`, never zero.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::assignment::RenderEngine;
use crate::limits::SLOTS_MAX;
use crate::units::UnixMillis;

/// Facts that change seldom.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// Host name.
    pub hostname: String,
    /// Operating system with version ("Debian GNU/Linux 12").
    pub os: String,
    /// Processor architecture ("x86_64").
    pub arch: String,
    /// Kernel version.
    #[serde(default)]
    pub kernel: Option<String>,
    /// Processor model.
    pub cpu_model: String,
    /// Logical processors.
    pub cpu_count: u32,
    /// Main memory.
    pub ram_bytes: u64,
    /// Size of the disk that holds the worker's data.
    #[serde(default)]
    pub disk_bytes: Option<u64>,
    /// NVIDIA driver version; nothing without one.
    #[serde(default)]
    pub nvidia_driver: Option<String>,
    /// Why no GPU is listed, in words ("no NVIDIA driver library on this machine").
    #[serde(default)]
    pub no_gpu_because: Option<String>,
    /// GPUs, ascending by PCI id.
    #[serde(default)]
    pub gpus: Vec<GpuFacts>,
    /// Installed 3D software that can render.
    #[serde(default)]
    pub software: Vec<Software>,
    /// Whether `software` is all there is; nothing: the worker does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_search: Option<SearchPhase>,
}

/// How far a worker's look for 3D software is: each program is started once per engine, which takes a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchPhase {
    /// It goes on: more programs and engines may be found.
    Running,
    /// It is over.
    Done,
}

/// What is otherwise since the hello: the whole of it, in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MachineChanged {
    /// What the machine is.
    pub machine: MachineFacts,
    /// What it can render on; at most [`crate::limits::SLOTS_MAX`], each with its own number.
    pub slots: Vec<SlotFacts>,
}

/// One GPU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuFacts {
    /// PCI bus id ("00000000:01:00.0"): which GPU is meant, on every side.
    pub pci_id: String,
    /// Model.
    pub model: String,
    /// Its memory.
    pub memory_bytes: u64,
    /// NVIDIA's own id.
    #[serde(default)]
    pub uuid: Option<String>,
}

/// A program (or Python module) that renders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Software {
    /// "Blender" or "bpy".
    pub name: String,
    /// Version ("3.4.1").
    pub version: String,
    /// Where.
    pub path: String,
    /// Engines that ran in its probe.
    pub engines: Vec<RenderEngine>,
}

/// What a task can run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotFacts {
    /// Number within the worker, from 0.
    pub slot: u16,
    /// The GPU's PCI id; nothing: the CPU slot.
    #[serde(default)]
    pub gpu_pci_id: Option<String>,
    /// Engines it can run.
    pub engines: Vec<RenderEngine>,
    /// The owner lets it work.
    pub enabled: bool,
}

/// Whether these can be a worker's slots: not too many, each with its own number.
#[must_use]
pub fn are_slots_sound(slots: &[SlotFacts]) -> bool {
    let numbers: BTreeSet<u16> = slots.iter().map(|slot| slot.slot).collect();
    slots.len() <= SLOTS_MAX && numbers.len() == slots.len()
}

/// Newest values of a machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricSample {
    /// When it was taken, by the worker's clock.
    pub at: UnixMillis,
    /// Use of all processors, 0 to 100.
    #[serde(default)]
    pub cpu_percent: Option<f32>,
    /// Processor temperature.
    #[serde(default)]
    pub cpu_celsius: Option<f32>,
    /// Memory in use.
    #[serde(default)]
    pub ram_used_bytes: Option<u64>,
    /// One entry a GPU, in the order of [`MachineFacts::gpus`].
    #[serde(default)]
    pub gpus: Vec<GpuSample>,
}

/// Newest values of one GPU.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuSample {
    /// Which.
    pub pci_id: String,
    /// Use, 0 to 100.
    #[serde(default)]
    pub utilisation_percent: Option<f32>,
    /// Memory in use.
    #[serde(default)]
    pub memory_used_bytes: Option<u64>,
    /// Core temperature.
    #[serde(default)]
    pub celsius: Option<f32>,
    /// Power draw.
    #[serde(default)]
    pub power_watts: Option<f32>,
    /// Power limit in force.
    #[serde(default)]
    pub power_limit_watts: Option<f32>,
    /// Clock of the cores.
    #[serde(default)]
    pub clock_mhz: Option<u32>,
    /// Clock of the memory.
    #[serde(default)]
    pub memory_clock_mhz: Option<u32>,
}
