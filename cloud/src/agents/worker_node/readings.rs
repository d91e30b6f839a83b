//! A worker's values: the last 15 minutes as they came, and one roll-up a minute. Pure.

use std::collections::{BTreeMap, VecDeque};

use pictor_actors::limits::SLOTS_MAX;
use pictor_actors::protocol::{GpuSample, MetricSample};
use pictor_actors::units::{Millis, UnixMillis};
use serde::{Deserialize, Serialize};

/// How far back single samples reach.
pub(in crate::agents) const KEPT_FOR: Millis = Millis::from_secs(15 * 60);
/// Samples that come quicker replace each other; with it the ring has at most 180.
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

/// The ring and the minute under way.
#[derive(Debug, Default)]
pub(super) struct Readings {
    ring: VecDeque<(UnixMillis, MetricSample)>,
    minute: i64,
    in_minute: Vec<MetricSample>,
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
        let over = (minute != self.minute && !self.in_minute.is_empty()).then(|| {
            let readings = roll_up(&self.in_minute);
            self.in_minute.clear();
            (UnixMillis(self.minute * MINUTE), readings)
        });
        self.minute = minute;
        let newest_at = self.ring.back().map(|(at, _)| *at).filter(|at| at.until(now) < APART);
        if newest_at.is_some() {
            self.ring.pop_back();
        } else {
            self.in_minute.push(sample.clone());
        }
        while self.ring.front().is_some_and(|(at, _)| at.until(now) > KEPT_FOR) {
            self.ring.pop_front();
        }
        self.ring.push_back((newest_at.unwrap_or(now), sample));
        over
    }

    /// The newest.
    pub fn newest(&self) -> Option<&MetricSample> {
        self.ring.back().map(|(_, sample)| sample)
    }

    /// All of the last 15 minutes, oldest first.
    pub fn recent(&self) -> Vec<MetricSample> {
        self.ring.iter().map(|(_, sample)| sample.clone()).collect()
    }
}

fn roll_up(samples: &[MetricSample]) -> MinuteReadings {
    let mut gpus: BTreeMap<String, Vec<&GpuSample>> = BTreeMap::new();
    for gpu in samples.iter().flat_map(|sample| &sample.gpus) {
        gpus.entry(gpu.pci_id.clone()).or_default().push(gpu);
    }
    MinuteReadings {
        samples: u32::try_from(samples.len()).unwrap_or(u32::MAX),
        cpu_percent: mean(samples.iter().filter_map(|sample| sample.cpu_percent)),
        cpu_celsius_max: highest(samples.iter().filter_map(|sample| sample.cpu_celsius)),
        ram_used_bytes_max: samples.iter().filter_map(|sample| sample.ram_used_bytes).max(),
        gpus: gpus
            .into_iter()
            .map(|(pci_id, of_gpu)| {
                let minute = GpuMinute {
                    utilisation_percent: mean(of_gpu.iter().filter_map(|gpu| gpu.utilisation_percent)),
                    memory_used_bytes_max: of_gpu.iter().filter_map(|gpu| gpu.memory_used_bytes).max(),
                    celsius_max: highest(of_gpu.iter().filter_map(|gpu| gpu.celsius)),
                    power_watts: mean(of_gpu.iter().filter_map(|gpu| gpu.power_watts)),
                };
                (pci_id, minute)
            })
            .collect(),
    }
}

#[allow(clippy::cast_possible_truncation)] // a mean of single-precision values fits one
fn mean(values: impl Iterator<Item = f32>) -> Option<f32> {
    let (sum, count) = values.fold((0.0_f64, 0_u32), |(sum, count), v| (sum + f64::from(v), count + 1));
    (count > 0).then(|| (sum / f64::from(count)) as f32)
}

fn highest(values: impl Iterator<Item = f32>) -> Option<f32> {
    values.reduce(f32::max)
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
    fn the_ring_reaches_fifteen_minutes_back_and_stays_small_however_often_samples_come() {
        let mut readings = Readings::default();
        for second in 0..3_600_i64 {
            readings.push(sample(Some(1.0), None), UnixMillis(second * 1_000));
        }
        let recent = readings.recent();
        assert!((150..=190).contains(&recent.len()), "{}", recent.len());
        assert!(readings.ring.front().unwrap().0.0 >= 3_599_000 - 900_000);
    }
}
