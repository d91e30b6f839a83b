//! A worker's values: the newest, the last 15 minutes for charts, and one roll-up a minute. Pure.

use std::collections::BTreeMap;

use pictor_actors::limits::SLOTS_MAX;
use pictor_actors::protocol::{GpuSample, MetricSample};
use pictor_actors::units::{Millis, UnixMillis};
use serde::{Deserialize, Serialize};

use super::history::History;

/// How far back single samples reach.
pub(in crate::agents) const KEPT_FOR: Millis = Millis::from_secs(15 * 60);
/// Samples that come quicker replace each other; with it 15 minutes have at most 184.
const APART: Millis = Millis(4_900);
const MINUTE: i64 = 60_000;

/// Values of one minute, as `worker_minutes.readings` holds them: means of what varies, maxima of what must
/// not run over. What was never reported is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MinuteReadings {
    /// Samples it was made of.
    pub samples: u32,
    /// Mean use of the processors, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f32>,
    /// Highest processor temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_celsius_max: Option<f32>,
    /// Most memory in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ram_used_bytes_max: Option<u64>,
    /// By PCI id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gpus: BTreeMap<String, GpuMinute>,
}

/// One GPU's minute.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuMinute {
    /// Mean use, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilisation_percent: Option<f32>,
    /// Most memory in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes_max: Option<u64>,
    /// Highest temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub celsius_max: Option<f32>,
    /// Mean power draw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_watts: Option<f32>,
}

impl MinuteReadings {
    /// As one sample, for charts where the single ones are not at hand.
    #[must_use]
    pub fn to_sample(&self, at: UnixMillis) -> MetricSample {
        let gpu = |(pci_id, minute): (&String, &GpuMinute)| GpuSample {
            pci_id: pci_id.clone(),
            utilisation_percent: minute.utilisation_percent,
            memory_used_bytes: minute.memory_used_bytes_max,
            celsius: minute.celsius_max,
            power_watts: minute.power_watts,
            ..GpuSample::default()
        };
        MetricSample {
            at,
            cpu_percent: self.cpu_percent,
            cpu_celsius: self.cpu_celsius_max,
            ram_used_bytes: self.ram_used_bytes_max,
            gpus: self.gpus.iter().map(gpu).collect(),
        }
    }
}

/// What is known of the values of one worker.
#[derive(Debug, Default)]
pub(super) struct Readings {
    newest: Option<MetricSample>,
    /// When the newest sample of the history came that did not replace another.
    counted_at: Option<UnixMillis>,
    history: History,
    minute: i64,
    in_minute: InMinute,
}

impl Readings {
    /// A sample came at `now`; if a minute is over with it, that minute's begin and roll-up.
    pub fn push(
        &mut self,
        mut sample: MetricSample,
        now: UnixMillis,
    ) -> Option<(UnixMillis, MinuteReadings)> {
        sample.gpus.truncate(SLOTS_MAX);
        let minute = now.0.div_euclid(MINUTE);
        let is_over = minute != self.minute && self.in_minute.samples > 0;
        let over = is_over.then(|| {
            let readings = std::mem::take(&mut self.in_minute).readings();
            (UnixMillis(self.minute * MINUTE), readings)
        });
        self.minute = minute;
        match self.counted_at.filter(|at| at.until(now) < APART) {
            Some(at) => {
                self.history.pop_newest();
                self.history.push(&sample, at);
            }
            None => {
                self.in_minute.add(&sample);
                self.history.push(&sample, now);
                self.counted_at = Some(now);
            }
        }
        self.history.forget(KEPT_FOR, now);
        self.newest = Some(sample);
        over
    }

    /// The newest.
    pub fn newest(&self) -> Option<&MetricSample> {
        self.newest.as_ref()
    }

    /// What charts draw of the last 15 minutes, oldest first.
    pub fn recent(&self) -> Vec<MetricSample> {
        self.history.all()
    }
}

/// The minute under way.
#[derive(Debug, Default)]
struct InMinute {
    samples: u32,
    cpu_percent: Mean,
    cpu_celsius: Highest<f32>,
    ram_used_bytes: Highest<u64>,
    gpus: Vec<(Box<str>, GpuInMinute)>,
}

#[derive(Debug, Default)]
struct GpuInMinute {
    utilisation_percent: Mean,
    memory_used_bytes: Highest<u64>,
    celsius: Highest<f32>,
    power_watts: Mean,
}

#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

#[derive(Debug, Default)]
struct Highest<T>(Option<T>);

impl InMinute {
    fn add(&mut self, sample: &MetricSample) {
        self.samples = self.samples.saturating_add(1);
        self.cpu_percent.add(sample.cpu_percent);
        self.cpu_celsius.add(sample.cpu_celsius);
        self.ram_used_bytes.add(sample.ram_used_bytes);
        for gpu in &sample.gpus {
            if let Some(of_gpu) = self.of_gpu(&gpu.pci_id) {
                of_gpu.add(gpu);
            }
        }
    }

    /// The values of a GPU; nothing of one too many.
    fn of_gpu(&mut self, pci_id: &str) -> Option<&mut GpuInMinute> {
        let known = self.gpus.iter().position(|(id, _)| **id == *pci_id);
        if known.is_none() && self.gpus.len() < SLOTS_MAX {
            self.gpus.push((pci_id.into(), GpuInMinute::default()));
        }
        let at = known.unwrap_or(self.gpus.len() - 1);
        self.gpus.get_mut(at).filter(|(id, _)| **id == *pci_id).map(|(_, of_gpu)| of_gpu)
    }

    fn readings(self) -> MinuteReadings {
        MinuteReadings {
            samples: self.samples,
            cpu_percent: self.cpu_percent.value(),
            cpu_celsius_max: self.cpu_celsius.0,
            ram_used_bytes_max: self.ram_used_bytes.0,
            gpus: self.gpus.into_iter().map(|(pci_id, of_gpu)| (pci_id.into(), of_gpu.readings())).collect(),
        }
    }
}

impl GpuInMinute {
    fn add(&mut self, gpu: &GpuSample) {
        self.utilisation_percent.add(gpu.utilisation_percent);
        self.memory_used_bytes.add(gpu.memory_used_bytes);
        self.celsius.add(gpu.celsius);
        self.power_watts.add(gpu.power_watts);
    }

    fn readings(&self) -> GpuMinute {
        GpuMinute {
            utilisation_percent: self.utilisation_percent.value(),
            memory_used_bytes_max: self.memory_used_bytes.0,
            celsius_max: self.celsius.0,
            power_watts: self.power_watts.value(),
        }
    }
}

impl Mean {
    fn add(&mut self, value: Option<f32>) {
        if let Some(value) = value {
            self.sum += f64::from(value);
            self.count += 1;
        }
    }

    #[allow(clippy::cast_possible_truncation)] // a mean of single-precision values fits one
    fn value(&self) -> Option<f32> {
        (self.count > 0).then(|| (self.sum / f64::from(self.count)) as f32)
    }
}

impl<T: PartialOrd + Copy> Highest<T> {
    fn add(&mut self, value: Option<T>) {
        if let Some(value) = value.filter(|value| self.0.is_none_or(|highest| *value > highest)) {
            self.0 = Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu: Option<f32>, ram: Option<u64>) -> MetricSample {
        let gpu = GpuSample { pci_id: "0".to_owned(), utilisation_percent: cpu, ..GpuSample::default() };
        MetricSample { cpu_percent: cpu, ram_used_bytes: ram, gpus: vec![gpu], ..MetricSample::default() }
    }

    #[test]
    fn a_minute_is_rolled_up_when_the_next_begins_and_unknown_stays_unknown() {
        let mut readings = Readings::default();
        assert_eq!(readings.newest(), None);
        assert_eq!(readings.push(sample(Some(10.0), Some(5)), UnixMillis(60_000)), None);
        assert_eq!(readings.push(sample(None, Some(9)), UnixMillis(70_000)), None);
        assert_eq!(readings.push(sample(Some(30.0), None), UnixMillis(119_999)), None);
        let (at, minute) = readings.push(sample(None, None), UnixMillis(120_000)).unwrap();
        assert_eq!((at, minute.samples), (UnixMillis(60_000), 3));
        assert_eq!((minute.cpu_percent, minute.ram_used_bytes_max), (Some(20.0), Some(9)));
        assert_eq!(minute.gpus["0"].utilisation_percent, Some(20.0));
        let kept = serde_json::to_value(&minute).unwrap();
        assert_eq!(serde_json::from_value::<MinuteReadings>(kept).unwrap(), minute);
        let as_one = minute.to_sample(at);
        assert_eq!((as_one.cpu_percent, as_one.cpu_celsius, as_one.gpus.len()), (Some(20.0), None, 1));
        assert_eq!(
            serde_json::to_value(&minute.gpus["0"]).unwrap(),
            serde_json::json!({"utilisation_percent": 20.0})
        );
    }

    #[test]
    fn fifteen_minutes_are_kept_and_no_more_however_often_samples_come() {
        let mut readings = Readings::default();
        for second in 0..3_600_i64 {
            let value = MetricSample { at: UnixMillis(second * 1_000), ..sample(Some(1.0), None) };
            readings.push(value, UnixMillis(second * 1_000));
        }
        let recent = readings.recent();
        assert!((150..=190).contains(&recent.len()), "{}", recent.len());
        assert!(recent[0].at.0 >= 3_598_000 - 900_000, "{:?}", recent[0].at);
        assert_eq!(recent.last().map(|sample| sample.at), readings.newest().map(|sample| sample.at));
        assert_eq!(recent[0].gpus[0].utilisation_percent, Some(1.0));
    }
}
