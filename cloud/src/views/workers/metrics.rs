//! Hardware metrics: newest values, their bars, and the last 15 minutes for the charts.
//!
//! Unknown is shown as unknown: a value that is not there is a dash and a gap in the line, never a zero.

use pictor_actors::protocol::machine::{GpuFacts, GpuSample};
use pictor_actors::protocol::{MachineFacts, MetricSample};
use pictor_cloud_api::workers::Worker;
use serde::Serialize;
use serde_json::json;

use super::{sample_of, share};
use crate::views::format;

/// All metric cards of a worker.
#[derive(Debug, Clone, Serialize)]
pub struct Metrics {
    /// The values are those of a machine that is not there; they are of this time, RFC 3339.
    pub as_of: Option<String>,
    /// One card a device: GPUs, then CPU and memory.
    pub cards: Vec<MetricCard>,
    /// The newest values, for the charts to go on (JSON: time in seconds, then one value a line).
    pub newest: String,
    /// Why there is no GPU card, in words.
    pub no_gpu_because: Option<String>,
}

/// A device and its values.
#[derive(Debug, Clone, Serialize)]
pub struct MetricCard {
    /// Names it on the page (`gpu-0`, `cpu`, `ram`).
    pub key: String,
    /// Heading.
    pub title: String,
    /// Icon.
    pub glyph: &'static str,
    /// Specification.
    pub spec: String,
    /// Its values.
    pub gauges: Vec<Gauge>,
    /// Its lines in the chart.
    pub lines: Vec<ChartLine>,
    /// The last 15 minutes in words, for whoever cannot see the chart; nothing without samples.
    pub summary: Option<String>,
}

/// One value.
#[derive(Debug, Clone, Serialize)]
pub struct Gauge {
    /// What.
    pub label: &'static str,
    /// The number; nothing: not known.
    pub value: Option<String>,
    /// Its unit.
    pub unit: &'static str,
    /// For the bar; nothing: no bar.
    pub percent: Option<u8>,
    /// More about it.
    pub note: Option<String>,
}

/// One line of a chart.
#[derive(Debug, Clone, Serialize)]
pub struct ChartLine {
    /// Column in the series, from 1 (0 is the time).
    pub column: usize,
    /// What.
    pub label: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Colour, 0 to 2.
    pub colour: usize,
}

impl Metrics {
    /// From the worker's newest values and the last 15 minutes.
    pub(super) fn new(worker: &Worker, machine: Option<&MachineFacts>, samples: &[MetricSample]) -> Self {
        let newest = sample_of(worker);
        let is_there = matches!(worker.connection.as_str(), "online" | "stale");
        let Some(machine) = machine else {
            return Self { as_of: None, cards: Vec::new(), newest: "[]".to_owned(), no_gpu_because: None };
        };
        let columns = columns(machine);
        let mut cards: Vec<MetricCard> = machine
            .gpus
            .iter()
            .enumerate()
            .map(|(number, gpu)| gpu_card(number, gpu, newest.as_ref(), samples))
            .collect();
        cards.push(cpu_card(machine, newest.as_ref(), samples));
        cards.push(ram_card(machine, newest.as_ref(), samples));
        Self {
            as_of: newest.as_ref().filter(|_| !is_there).map(|sample| format::rfc3339(sample.at)),
            cards,
            newest: newest
                .map_or_else(|| "[]".to_owned(), |sample| json!(row(&columns, &sample)).to_string()),
            no_gpu_because: machine.gpus.is_empty().then(|| {
                machine.no_gpu_because.clone().unwrap_or_else(|| "no NVIDIA GPU was found on it".to_owned())
            }),
        }
    }
}

/// Samples as columns (JSON): times in seconds, then one column a line; `null` where nothing was measured.
#[must_use]
pub fn series(worker: &Worker, samples: &[MetricSample]) -> String {
    let Some(machine) = super::machine_of(worker) else { return "[]".to_owned() };
    let columns = columns(&machine);
    let mut table: Vec<Vec<Option<f64>>> = vec![Vec::with_capacity(samples.len()); columns.len() + 1];
    for sample in samples {
        for (column, value) in table.iter_mut().zip(row(&columns, sample)) {
            column.push(value);
        }
    }
    json!(table).to_string()
}

/// What each column of the series holds, after the time.
enum Column {
    GpuUse(String),
    GpuCelsius(String),
    CpuUse,
    CpuCelsius,
    RamShare(u64),
}

fn columns(machine: &MachineFacts) -> Vec<Column> {
    let gpus = machine
        .gpus
        .iter()
        .flat_map(|gpu| [Column::GpuUse(gpu.pci_id.clone()), Column::GpuCelsius(gpu.pci_id.clone())]);
    gpus.chain([Column::CpuUse, Column::CpuCelsius, Column::RamShare(machine.ram_bytes)]).collect()
}

fn row(columns: &[Column], sample: &MetricSample) -> Vec<Option<f64>> {
    #[allow(clippy::cast_precision_loss)] // seconds of this century fit
    let time = Some(sample.at.0 as f64 / 1000.0);
    std::iter::once(time).chain(columns.iter().map(|column| value(column, sample))).collect()
}

fn value(column: &Column, sample: &MetricSample) -> Option<f64> {
    let tenth = |value: f32| (f64::from(value) * 10.0).round() / 10.0;
    match column {
        Column::GpuUse(pci) => gpu_of(sample, pci).and_then(|gpu| gpu.utilisation_percent).map(tenth),
        Column::GpuCelsius(pci) => gpu_of(sample, pci).and_then(|gpu| gpu.celsius).map(tenth),
        Column::CpuUse => sample.cpu_percent.map(tenth),
        Column::CpuCelsius => sample.cpu_celsius.map(tenth),
        Column::RamShare(total) => sample.ram_used_bytes.and_then(|used| share(used, *total)).map(f64::from),
    }
}

fn gpu_of<'a>(sample: &'a MetricSample, pci_id: &str) -> Option<&'a GpuSample> {
    sample.gpus.iter().find(|gpu| gpu.pci_id == pci_id)
}

fn gpu_card(
    number: usize,
    gpu: &GpuFacts,
    newest: Option<&MetricSample>,
    samples: &[MetricSample],
) -> MetricCard {
    let now = newest.and_then(|sample| gpu_of(sample, &gpu.pci_id));
    let first = 1 + number * 2;
    let line = |column, label, unit, colour| ChartLine { column, label, unit, colour };
    MetricCard {
        key: format!("gpu-{number}"),
        title: format!("GPU {number}"),
        glyph: "gpu",
        spec: format!("{}, {} memory, PCI {}", gpu.model, format::bytes(gpu.memory_bytes), gpu.pci_id),
        gauges: vec![
            use_gauge(now.and_then(|now| now.utilisation_percent)),
            memory_gauge("Memory", now.and_then(|now| now.memory_used_bytes), gpu.memory_bytes),
            celsius_gauge(now.and_then(|now| now.celsius)),
            Gauge {
                label: "Power",
                value: now.and_then(|now| now.power_watts).map(|watts| format!("{watts:.0}")),
                unit: "W",
                percent: None,
                note: now.and_then(|now| now.power_limit_watts).map(|limit| format!("limit {limit:.0} W")),
            },
        ],
        lines: vec![line(first, "Use", "%", 0), line(first + 1, "Temperature", "°C", 2)],
        summary: summary("Use", samples.iter().filter_map(|s| gpu_of(s, &gpu.pci_id)?.utilisation_percent)),
    }
}

fn cpu_card(machine: &MachineFacts, newest: Option<&MetricSample>, samples: &[MetricSample]) -> MetricCard {
    let first = 1 + machine.gpus.len() * 2;
    MetricCard {
        key: "cpu".to_owned(),
        title: "CPU".to_owned(),
        glyph: "cpu",
        spec: format!(
            "{}, {}",
            machine.cpu_model,
            format::counted(u64::from(machine.cpu_count), "thread", "threads")
        ),
        gauges: vec![
            use_gauge(newest.and_then(|sample| sample.cpu_percent)),
            celsius_gauge(newest.and_then(|sample| sample.cpu_celsius)),
        ],
        lines: [
            Some(ChartLine { column: first, label: "Use", unit: "%", colour: 0 }),
            // Many machines tell no temperature: a line that never comes has no key.
            samples.iter().any(|sample| sample.cpu_celsius.is_some()).then_some(ChartLine {
                column: first + 1,
                label: "Temperature",
                unit: "°C",
                colour: 2,
            }),
        ]
        .into_iter()
        .flatten()
        .collect(),
        summary: summary("Use", samples.iter().filter_map(|sample| sample.cpu_percent)),
    }
}

fn ram_card(machine: &MachineFacts, newest: Option<&MetricSample>, samples: &[MetricSample]) -> MetricCard {
    let used = newest.and_then(|sample| sample.ram_used_bytes);
    let shares = samples
        .iter()
        .filter_map(|sample| sample.ram_used_bytes)
        .filter_map(|used| share(used, machine.ram_bytes).map(f32::from));
    MetricCard {
        key: "ram".to_owned(),
        title: "RAM".to_owned(),
        glyph: "ram",
        spec: format!("{} in all", format::bytes(machine.ram_bytes)),
        gauges: vec![memory_gauge("In use", used, machine.ram_bytes)],
        lines: vec![ChartLine { column: 3 + machine.gpus.len() * 2, label: "In use", unit: "%", colour: 1 }],
        summary: summary("In use", shares),
    }
}

fn use_gauge(percent: Option<f32>) -> Gauge {
    Gauge {
        label: "Utilisation",
        value: percent.map(|percent| format!("{percent:.0}")),
        unit: "%",
        percent: percent.and_then(|percent| format::percent(f64::from(percent) / 100.0)),
        note: None,
    }
}

fn celsius_gauge(celsius: Option<f32>) -> Gauge {
    Gauge {
        label: "Temperature",
        value: celsius.map(|celsius| format!("{celsius:.0}")),
        unit: "°C",
        percent: None,
        note: None,
    }
}

fn memory_gauge(label: &'static str, used: Option<u64>, total: u64) -> Gauge {
    Gauge {
        label,
        value: used.map(format::bytes),
        unit: "",
        percent: used.and_then(|used| share(used, total)),
        note: Some(format!("of {}", format::bytes(total))),
    }
}

/// "Use over the last 15 minutes: 3 to 97 %, 61 % on average".
fn summary(label: &str, values: impl Iterator<Item = f32>) -> Option<String> {
    let (mut low, mut high, mut sum, mut count) = (f32::MAX, f32::MIN, 0.0_f64, 0_u32);
    for value in values {
        low = low.min(value);
        high = high.max(value);
        sum += f64::from(value);
        count += 1;
    }
    (count > 0).then(|| {
        let mean = sum / f64::from(count);
        format!("{label} over the last 15 minutes: {low:.0} to {high:.0} %, {mean:.0} % on average")
    })
}
