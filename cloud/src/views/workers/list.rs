//! The list of workers and its rows.

use std::collections::BTreeMap;

use pictor_actors::protocol::MachineFacts;
use pictor_actors::protocol::machine::{GpuSample, MetricSample};
use pictor_cloud_api::workers::Worker;
use pictor_cloud_domain::worker::status::StatusWord;
use serde::Serialize;

use super::{WorkerActions, machine_of, sample_of, share};
use crate::views::state::StateLine;
use crate::views::{View, format};

/// A core hotter than this is marked; cards slow down a few degrees above.
const HOT_CELSIUS: f32 = 83.0;

/// `/workers`.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerListPage {
    /// How many workers are at what, also those of other pages; nothing: not known at this moment.
    pub counts: Option<WorkerCounts>,
    /// Rows of this page.
    pub rows: Vec<WorkerRow>,
    /// There is no worker at all: show how to begin.
    pub is_first_time: bool,
    /// What was searched for.
    pub search: String,
    /// Order in force.
    pub sort: String,
    /// Orders to choose from.
    pub sorts: Vec<SortLink>,
    /// Address of the next page.
    pub next_href: Option<String>,
    /// It is not the first page.
    pub is_later_page: bool,
    /// For operators: why silent workers keep their tasks at present.
    pub held_back: Option<String>,
}

impl View for WorkerListPage {
    const TEMPLATE: &'static str = "pages/workers";
}

/// How many workers of the account are at what.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerCounts {
    /// In words ("3 idle"), best state first; states that no worker is in are left out.
    pub words: Vec<String>,
}

impl View for WorkerCounts {
    const TEMPLATE: &'static str = "partials/workers/counts";
}

impl WorkerCounts {
    /// Of these counts.
    #[must_use]
    pub fn new(counts: &BTreeMap<StatusWord, u64>) -> Self {
        let words = counts.iter().map(|(word, count)| format!("{} {word}", format::count(*count)));
        Self { words: words.collect() }
    }
}

/// An order of the list.
#[derive(Debug, Clone, Serialize)]
pub struct SortLink {
    /// Its name in the address.
    pub key: &'static str,
    /// In words.
    pub label: &'static str,
    /// Where it leads.
    pub href: String,
    /// It is in force.
    pub is_current: bool,
    /// `ascending` or `descending`, for whoever cannot see the arrow.
    pub direction: &'static str,
}

/// A worker in the list.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerRow {
    /// The worker.
    pub id: String,
    /// Name.
    pub name: String,
    /// Where its page is.
    pub href: String,
    /// State line.
    pub state: StateLine,
    /// Connected since, RFC 3339.
    pub online_since: Option<String>,
    /// GPUs in words ("2 × RTX 4090"); nothing before it was seen.
    pub gpu_words: Option<String>,
    /// A cell for each GPU.
    pub gpu_cells: Vec<GpuCell>,
    /// Memory; nothing before it was seen.
    pub ram: Option<Ram>,
    /// What it does.
    pub task: Option<TaskLine>,
    /// RFC 3339.
    pub last_heartbeat_at: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
    /// What can be done to it.
    pub actions: WorkerActions,
}

impl View for WorkerRow {
    const TEMPLATE: &'static str = "partials/workers/row";
}

/// One GPU in the strip.
#[derive(Debug, Clone, Serialize)]
pub struct GpuCell {
    /// Use in percent, or a dash where it is not known.
    pub text: String,
    /// `busy`, `hot` or `calm`.
    pub tone: &'static str,
    /// The same in words.
    pub words: String,
}

/// Memory of a machine.
#[derive(Debug, Clone, Serialize)]
pub struct Ram {
    /// Size in words.
    pub total: String,
    /// In use, in words; nothing while it is not known.
    pub used: Option<String>,
    /// In use, percent.
    pub percent: Option<u8>,
}

/// The task in hand, short.
#[derive(Debug, Clone, Serialize)]
pub struct TaskLine {
    /// Where the job's page is.
    pub job_href: String,
    /// In words ("frame 12").
    pub words: String,
    /// Part of the task that is done.
    pub percent: Option<u8>,
}

impl WorkerRow {
    /// The row of this worker.
    #[must_use]
    pub fn new(worker: &Worker) -> Self {
        let machine = machine_of(worker);
        // What an absent machine last measured is no news in a list; its own page shows it with its time.
        let sample = sample_of(worker).filter(|_| worker.connection == "online");
        Self {
            id: worker.id.clone(),
            name: worker.name.clone(),
            href: format!("/workers/{}", worker.id),
            state: StateLine::of_worker(&worker.status),
            online_since: worker.online_since.clone(),
            gpu_words: machine.as_ref().map(gpu_words),
            gpu_cells: machine.as_ref().map_or_else(Vec::new, |machine| gpu_cells(machine, sample.as_ref())),
            ram: machine.as_ref().map(|machine| ram(machine, sample.as_ref())),
            task: task_line(worker),
            last_heartbeat_at: worker.last_heartbeat_at.clone(),
            created_at: worker.created_at.clone(),
            updated_at: worker.updated_at.clone(),
            actions: WorkerActions::of(worker),
        }
    }
}

/// "2 × NVIDIA RTX 4090", or why there is none.
pub(super) fn gpu_words(machine: &MachineFacts) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for gpu in &machine.gpus {
        match kinds.iter_mut().find(|(model, _)| *model == gpu.model) {
            Some((_, count)) => *count += 1,
            None => kinds.push((&gpu.model, 1)),
        }
    }
    if kinds.is_empty() {
        return "No GPU, renders on the CPU".to_owned();
    }
    let short = |model: &str| model.trim_start_matches("NVIDIA ").trim_start_matches("GeForce ").to_owned();
    let one = |(model, count): &(&str, usize)| match count {
        1 => short(model),
        _ => format!("{count} × {}", short(model)),
    };
    kinds.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn gpu_cells(machine: &MachineFacts, sample: Option<&MetricSample>) -> Vec<GpuCell> {
    let values = |pci_id: &str| sample.and_then(|sample| sample.gpus.iter().find(|gpu| gpu.pci_id == pci_id));
    machine.gpus.iter().enumerate().map(|(number, gpu)| gpu_cell(number, values(&gpu.pci_id))).collect()
}

fn gpu_cell(number: usize, sample: Option<&GpuSample>) -> GpuCell {
    let used = sample.and_then(|sample| sample.utilisation_percent);
    let celsius = sample.and_then(|sample| sample.celsius);
    let tone = match (used, celsius) {
        (_, Some(celsius)) if celsius >= HOT_CELSIUS => "hot",
        (Some(used), _) if used >= 10.0 => "busy",
        _ => "calm",
    };
    let mut words = format!("GPU {number}: ");
    words.push_str(&used.map_or_else(|| "use not known".to_owned(), |used| format!("{used:.0} % used")));
    if let Some(celsius) = celsius {
        words.push_str(&format!(", {celsius:.0} °C"));
    }
    GpuCell { text: used.map_or_else(|| "–".to_owned(), |used| format!("{used:.0}")), tone, words }
}

fn ram(machine: &MachineFacts, sample: Option<&MetricSample>) -> Ram {
    let used = sample.and_then(|sample| sample.ram_used_bytes);
    Ram {
        total: format::bytes(machine.ram_bytes),
        used: used.map(format::bytes),
        percent: used.and_then(|used| share(used, machine.ram_bytes)),
    }
}

fn task_line(worker: &Worker) -> Option<TaskLine> {
    let busy: Vec<_> = worker.slots.iter().filter(|slot| slot.job.is_some()).collect();
    let slot = busy.first()?;
    let mut words = slot.frame.map_or_else(|| "a task".to_owned(), |frame| format!("frame {frame}"));
    if busy.len() > 1 {
        words.push_str(&format!(" and {} more", busy.len() - 1));
    }
    Some(TaskLine {
        job_href: format!("/jobs/{}", slot.job.as_deref().unwrap_or_default()),
        words,
        percent: slot.progress.and_then(format::percent),
    })
}
