//! Finds Blender and `bpy`, and proves each by starting it: once per engine, and with Cycles once per kind of
//! GPU, since a build may lack what a GPU needs. Answers are remembered (`looked`), since each proof costs
//! seconds.

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::{GpuFacts, MachineFacts, SlotFacts, Software};
use pictor_actors::units::{Millis, UnixMillis};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep, timeout};

use super::search::candidates;
use crate::engines::blender::probe::TryOut;
use looked::Looked;
pub use outcome::Note;

mod looked;
mod outcome;

/// The engines in the order in which they are tried, the surest first.
const ENGINES: [RenderEngine; 3] = [RenderEngine::Cycles, RenderEngine::Eevee, RenderEngine::Workbench];

/// Work comes within this after the first engine was found, if there is some.
const WORK_COMES_WITHIN: Duration = Duration::from_secs(2);
/// Probes stand back in this time from the begin of the search on: a machine that is never idle shall know of
/// all its engines too.
const GIVES_WAY_FOR: Duration = Duration::from_secs(300);

/// Where to look, and where answers are remembered.
#[derive(Debug, Clone, Default)]
pub struct SoftwareSearch {
    /// Programs, Python interpreters or folders of either that the owner named.
    pub configured: Vec<PathBuf>,
    /// Look in the PATH and the usual places too.
    pub look_around: bool,
    /// Folder for remembered answers; nothing: probe anew.
    pub cache_dir: Option<PathBuf>,
    /// Folder for what probes write, which its owner clears after a crash; nothing: the system's own.
    pub scratch_dir: Option<PathBuf>,
    /// True while the machine works on tasks, to which probes give way; nothing: they go first.
    pub busy: Option<watch::Receiver<bool>>,
    /// What Cycles is tried on.
    pub devices: Devices,
    /// Where compiled GPU kernels are kept, for the engines too; nothing: with the probe they go.
    pub kernel_cache_dir: Option<PathBuf>,
    /// When it begins: some answers are asked for again after a while.
    pub now: UnixMillis,
}

/// What a machine's slots render on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    /// One GPU of each kind, by a name of the kind that changes with the driver too.
    pub gpus: Vec<(String, GpuFacts)>,
    /// The processor has a slot.
    pub has_processor: bool,
}

impl Devices {
    /// Those of these slots.
    #[must_use]
    pub fn of(facts: &MachineFacts, slots: &[SlotFacts]) -> Self {
        let mut gpus: Vec<(String, GpuFacts)> = Vec::new();
        for gpu in &facts.gpus {
            let kind = kind_of(gpu, facts.nvidia_driver.as_deref());
            if !gpus.iter().any(|(known, _)| *known == kind) {
                gpus.push((kind, gpu.clone()));
            }
        }
        Self { gpus, has_processor: slots.iter().any(|slot| slot.gpu_pci_id.is_none()) }
    }
}

/// GPUs of one model take the same kernels, and a driver brings the compiler for those that a build lacks.
fn kind_of(gpu: &GpuFacts, driver: Option<&str>) -> String {
    format!("{} with driver {}", gpu.model, driver.unwrap_or("unknown"))
}

/// A program that was found and started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSoftware {
    /// What is told to the cloud.
    pub software: Software,
    /// It has a denoiser (Debian's build has none).
    pub has_denoiser: bool,
    /// What it lacks here, and what to do.
    pub notes: Vec<Note>,
    /// Where its Cycles was seen to run.
    pub cycles_on: CyclesOn,
}

/// Where a program's Cycles was seen to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CyclesOn {
    /// On whatever there is: it was not found out but given.
    #[default]
    Everything,
    /// On these, if it is among the program's engines at all.
    These {
        /// The processor.
        processor: bool,
        /// Kinds of GPU.
        gpus: BTreeSet<String>,
    },
}

impl FoundSoftware {
    /// Whether an engine of it is known to run here.
    #[must_use]
    pub fn renders(&self) -> bool {
        !self.software.engines.is_empty()
    }

    /// The program with the engines that run on a slot's device. Other engines than Cycles choose their
    /// graphics themselves.
    #[must_use]
    pub fn on(&self, slot: &SlotFacts, facts: &MachineFacts) -> Software {
        let gpu = slot.gpu_pci_id.as_ref().map(|id| facts.gpus.iter().find(|gpu| gpu.pci_id == *id));
        let runs_cycles = match (&self.cycles_on, gpu) {
            (CyclesOn::Everything, _) => true,
            (CyclesOn::These { processor, .. }, None) => *processor,
            (CyclesOn::These { gpus, .. }, Some(gpu)) => {
                gpu.is_some_and(|gpu| gpus.contains(&kind_of(gpu, facts.nvidia_driver.as_deref())))
            }
        };
        let mut software = self.software.clone();
        software.engines.retain(|engine| *engine != RenderEngine::Cycles || runs_cycles);
        software
    }
}

/// What a look brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looking {
    /// Every usable program, newest version first.
    pub found: Vec<FoundSoftware>,
    /// An engine brought no picture in time: it is worth another look after this.
    pub again_after: Option<Millis>,
}

/// One try: an engine, and for Cycles the kind of GPU; nothing: the processor, or the engine's own choice.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trial {
    engine: RenderEngine,
    gpu: Option<(String, GpuFacts)>,
}

/// The tries of one engine.
fn trials(engine: RenderEngine, devices: &Devices) -> Vec<Trial> {
    if engine != RenderEngine::Cycles {
        return vec![Trial { engine, gpu: None }];
    }
    let on_gpus = devices.gpus.iter().map(|gpu| Trial { engine, gpu: Some(gpu.clone()) });
    // Where nothing is known of the machine, the processor is what there is.
    let on_processor = devices.has_processor || devices.gpus.is_empty();
    on_gpus.chain(on_processor.then_some(Trial { engine, gpu: None })).collect()
}

/// Every usable Blender and `bpy`, newest version first; each probe is time-limited, so it always ends.
pub async fn find_software(search: &SoftwareSearch) -> Vec<FoundSoftware> {
    look_for_software(search, |_| {}).await.found
}

/// The same; `tell` hears of each change at once, beginning with what is remembered.
///
/// The surest engine is tried on every program before the next one is, so that a worker has something to
/// render with after the first seconds. Probes run one after the other: each takes whole processors, and this
/// happens once per installed program. As soon as something renders, they give way to tasks, for a while:
/// what nobody has asked for yet shall not slow down frames. Dropping the future ends the probe that runs;
/// what was told until then is remembered, and the next search goes on from there.
pub async fn look_for_software(search: &SoftwareSearch, mut tell: impl FnMut(&[FoundSoftware])) -> Looking {
    let candidates = candidates(&search.configured, search.look_around);
    let recall = |one| Looked::recall(one, &search.devices, search.cache_dir.as_deref());
    let mut looked: Vec<Looked> = candidates.into_iter().map(recall).collect();
    let mut told = found_of(&looked);
    if !told.is_empty() {
        tell(&told);
    }
    let scratch_dir = search.scratch_dir.clone().unwrap_or_else(env::temp_dir);
    let mut way = search.busy.clone().map(GiveWay::new);
    for engine in ENGINES {
        for one in 0..looked.len() {
            for trial in trials(engine, &search.devices) {
                if !looked[one].is_open(&trial, search.now) {
                    continue;
                }
                if let Some(way) = way.as_mut().filter(|_| told.iter().any(FoundSoftware::renders)) {
                    way.give().await;
                }
                let out = TryOut {
                    engine,
                    gpu: trial.gpu.as_ref().map(|(_, gpu)| gpu),
                    scratch_dir: &scratch_dir,
                    kernel_cache_dir: search.kernel_cache_dir.as_deref(),
                };
                looked[one].ask(&trial, out, search.now, &mut way).await;
                let found = found_of(&looked);
                if found != told {
                    tell(&found);
                    told = found;
                }
            }
        }
    }
    Looking { found: told, again_after: looked.iter().filter_map(|one| one.again_after(search.now)).min() }
}

fn found_of(looked: &[Looked]) -> Vec<FoundSoftware> {
    let mut found: Vec<_> = looked.iter().filter_map(Looked::found).collect();
    found.sort_by(|a, b| {
        let by_version = version_key(&b.software.version).cmp(&version_key(&a.software.version));
        by_version.then_with(|| a.software.path.cmp(&b.software.path))
    });
    found
}

/// Probes stand back while the machine works on tasks.
struct GiveWay {
    busy: watch::Receiver<bool>,
    patience: Pin<Box<Sleep>>,
    is_first: bool,
}

impl GiveWay {
    fn new(busy: watch::Receiver<bool>) -> Self {
        Self { busy, patience: Box::pin(sleep(GIVES_WAY_FOR)), is_first: true }
    }

    /// Returns when the machine is idle, or at once where probes have stood back for long enough.
    async fn give(&mut self) {
        if self.is_first {
            // The cloud has just heard that there is something to render with.
            let _ = timeout(WORK_COMES_WITHIN, self.busy.wait_for(|is_busy| *is_busy)).await;
            self.is_first = false;
        }
        if !self.patience.is_elapsed() {
            tokio::select! {
                _ = self.busy.wait_for(|is_busy| !*is_busy) => {}
                () = &mut self.patience => {}
            }
        }
    }

    /// Forgets what was until now.
    fn mark(&mut self) {
        self.busy.mark_unchanged();
    }

    /// Whether there was work since the mark.
    fn was_busy(&self) -> bool {
        *self.busy.borrow() || self.busy.has_changed().unwrap_or(false)
    }
}

fn version_key(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}
