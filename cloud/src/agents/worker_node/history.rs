//! What the charts of a worker show: its values of the last 15 minutes, packed.
//!
//! There is one of these for each connected worker, so its size decides how many workers fit into a machine:
//! about 5 KiB for a worker with one GPU. Kept is what charts draw, as finely as they draw it (tenths; memory
//! by pages); everything else of a sample is in the newest one alone. Pure.

use std::collections::VecDeque;

use pictor_actors::limits::SLOTS_MAX;
use pictor_actors::protocol::{GpuSample, MetricSample};
use pictor_actors::units::{Millis, UnixMillis};

/// Room for so many samples is made at a time: doubling would leave half of it unused for ever.
const ROOM: usize = 32;
/// Bytes of a page.
const PAGE: u64 = 4_096;

/// Samples, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    samples: VecDeque<Packed>,
    gpus: Vec<OfGpu>,
}

#[derive(Debug, Clone, Copy)]
struct Packed {
    /// By the worker's clock.
    at: UnixMillis,
    /// When it came, by the cloud's clock, in seconds.
    came: u32,
    ram_pages: Option<std::num::NonZeroU32>,
    cpu_percent: Tenths,
    cpu_celsius: Tenths,
}

/// One GPU's values, as many as there are samples.
#[derive(Debug)]
struct OfGpu {
    pci_id: Box<str>,
    values: VecDeque<[Tenths; 2]>,
}

/// A value in tenths; one of them means that it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tenths(i16);

impl Tenths {
    const UNKNOWN: Self = Self(i16::MIN);

    #[allow(clippy::cast_possible_truncation)] // clamped to what fits
    fn new(value: Option<f32>) -> Self {
        let Some(value) = value.filter(|value| value.is_finite()) else { return Self::UNKNOWN };
        Self((value * 10.0).round().clamp(-32_767.0, 32_767.0) as i16)
    }

    fn value(self) -> Option<f32> {
        (self != Self::UNKNOWN).then(|| f32::from(self.0) / 10.0)
    }
}

impl History {
    /// A sample that came at `now`.
    pub fn push(&mut self, sample: &MetricSample, now: UnixMillis) {
        make_room(&mut self.samples);
        self.samples.push_back(Packed {
            at: sample.at,
            came: seconds(now),
            ram_pages: sample.ram_used_bytes.map(pages),
            cpu_percent: Tenths::new(sample.cpu_percent),
            cpu_celsius: Tenths::new(sample.cpu_celsius),
        });
        for gpu in &sample.gpus {
            if self.gpus.len() < SLOTS_MAX && !self.gpus.iter().any(|of_gpu| *of_gpu.pci_id == *gpu.pci_id) {
                self.gpus.push(OfGpu::unseen(&gpu.pci_id, self.samples.len() - 1));
            }
        }
        for of_gpu in &mut self.gpus {
            let gpu = sample.gpus.iter().find(|gpu| *gpu.pci_id == *of_gpu.pci_id);
            make_room(&mut of_gpu.values);
            of_gpu.values.push_back([
                Tenths::new(gpu.and_then(|gpu| gpu.utilisation_percent)),
                Tenths::new(gpu.and_then(|gpu| gpu.celsius)),
            ]);
        }
    }

    /// Takes the newest away: a sample that came right after it has its place.
    pub fn pop_newest(&mut self) {
        self.samples.pop_back();
        for of_gpu in &mut self.gpus {
            of_gpu.values.pop_back();
        }
    }

    /// Lets go of what came more than `kept_for` before `now`, and of GPUs without a value since.
    pub fn forget(&mut self, kept_for: Millis, now: UnixMillis) {
        let oldest = seconds(UnixMillis(now.0.saturating_sub_unsigned(kept_for.0)));
        while self.samples.front().is_some_and(|sample| sample.came < oldest) {
            self.samples.pop_front();
            for of_gpu in &mut self.gpus {
                of_gpu.values.pop_front();
            }
        }
        self.gpus.retain(|of_gpu| of_gpu.values.iter().any(|values| *values != [Tenths::UNKNOWN; 2]));
    }

    /// All of them, oldest first, with what charts draw.
    pub fn all(&self) -> Vec<MetricSample> {
        let sample = |(at, packed): (usize, &Packed)| MetricSample {
            at: packed.at,
            cpu_percent: packed.cpu_percent.value(),
            cpu_celsius: packed.cpu_celsius.value(),
            ram_used_bytes: packed.ram_pages.map(|pages| u64::from(pages.get() - 1) * PAGE),
            gpus: self.gpus.iter().filter_map(|of_gpu| of_gpu.sample(at)).collect(),
        };
        self.samples.iter().enumerate().map(sample).collect()
    }
}

impl OfGpu {
    /// One that comes after so many samples without it.
    fn unseen(pci_id: &str, samples: usize) -> Self {
        Self { pci_id: pci_id.into(), values: vec![[Tenths::UNKNOWN; 2]; samples].into() }
    }

    fn sample(&self, at: usize) -> Option<GpuSample> {
        let [used, celsius] = self.values.get(at)?;
        let (utilisation_percent, celsius) = (used.value(), celsius.value());
        (utilisation_percent.is_some() || celsius.is_some()).then(|| GpuSample {
            pci_id: self.pci_id.clone().into(),
            utilisation_percent,
            celsius,
            ..GpuSample::default()
        })
    }
}

fn make_room<T>(values: &mut VecDeque<T>) {
    if values.len() == values.capacity() {
        values.reserve_exact(ROOM);
    }
}

fn seconds(at: UnixMillis) -> u32 {
    u32::try_from(at.0.div_euclid(1_000)).unwrap_or_default()
}

/// One more than the pages, so that none is a number too.
fn pages(bytes: u64) -> std::num::NonZeroU32 {
    let pages = u32::try_from(bytes.div_ceil(PAGE)).unwrap_or(u32::MAX - 1);
    std::num::NonZeroU32::MIN.saturating_add(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(pci_id: &str, used: Option<f32>) -> GpuSample {
        GpuSample { pci_id: pci_id.to_owned(), utilisation_percent: used, ..GpuSample::default() }
    }

    fn sample(second: i64, cpu: Option<f32>, gpus: Vec<GpuSample>) -> MetricSample {
        MetricSample { at: UnixMillis(second * 1_000), cpu_percent: cpu, gpus, ..MetricSample::default() }
    }

    fn pushed(history: &mut History, sample: &MetricSample) {
        history.push(sample, sample.at);
    }

    #[test]
    fn what_charts_draw_comes_back_and_unknown_stays_unknown() {
        let mut history = History::default();
        let warm = GpuSample { celsius: Some(61.25), ..gpu("0", Some(0.0)) };
        let first = MetricSample {
            cpu_celsius: Some(-3.0),
            ram_used_bytes: Some(0),
            ..sample(1, Some(0.0), vec![warm])
        };
        pushed(&mut history, &first);
        let large = MetricSample { ram_used_bytes: Some(64 << 30), ..sample(2, None, Vec::new()) };
        pushed(&mut history, &large);
        let all = history.all();
        assert_eq!(all[0].gpus[0].celsius, Some(61.3));
        assert_eq!(all[0].gpus[0].utilisation_percent, Some(0.0));
        assert_eq!((all[0].cpu_percent, all[0].cpu_celsius), (Some(0.0), Some(-3.0)));
        assert_eq!((all[0].ram_used_bytes, all[1].ram_used_bytes), (Some(0), Some(64 << 30)));
        assert_eq!(all[1], large);
        let odd = sample(3, Some(f32::NAN), vec![gpu("0", Some(f32::INFINITY))]);
        pushed(&mut history, &odd);
        assert_eq!(history.all()[2], sample(3, None, Vec::new()));
    }

    #[test]
    fn a_gpu_that_comes_or_goes_has_its_values_at_their_samples() {
        let mut history = History::default();
        pushed(&mut history, &sample(0, None, vec![gpu("0", Some(1.0))]));
        pushed(&mut history, &sample(10, None, vec![gpu("1", Some(2.0)), gpu("0", Some(3.0))]));
        pushed(&mut history, &sample(20, None, vec![gpu("1", Some(4.0))]));
        let used = |history: &History| -> Vec<Vec<(String, f32)>> {
            let of_sample = |sample: MetricSample| {
                sample.gpus.into_iter().map(|gpu| (gpu.pci_id, gpu.utilisation_percent.unwrap())).collect()
            };
            history.all().into_iter().map(of_sample).collect()
        };
        let (zero, one) = ("0".to_owned(), "1".to_owned());
        let expected = [
            vec![(zero.clone(), 1.0)],
            vec![(zero.clone(), 3.0), (one.clone(), 2.0)],
            vec![(one.clone(), 4.0)],
        ];
        assert_eq!(used(&history), expected);
        history.pop_newest();
        assert_eq!(used(&history), expected[..2]);
        pushed(&mut history, &sample(20, None, vec![gpu("1", Some(4.0))]));
        history.forget(Millis::from_secs(9), UnixMillis(20_000));
        assert_eq!(used(&history), [vec![(one, 4.0)]]);
        assert_eq!(history.gpus.len(), 1, "a GPU that is no more takes no room");
    }

    #[test]
    fn a_worker_that_names_ever_new_gpus_is_kept_small() {
        let mut history = History::default();
        for second in 0..1_000 {
            pushed(&mut history, &sample(second, None, vec![gpu(&second.to_string(), Some(1.0))]));
            history.forget(Millis::from_secs(900), UnixMillis(second * 1_000));
        }
        assert_eq!(history.gpus.len(), SLOTS_MAX);
    }

    #[test]
    fn fifteen_minutes_of_a_worker_with_one_gpu_take_few_kilobytes() {
        let mut history = History::default();
        for beat in 0..1_000 {
            pushed(&mut history, &sample(beat * 5, Some(1.0), vec![gpu("00000000:01:00.0", Some(9.0))]));
            history.forget(Millis::from_secs(900), UnixMillis(beat * 5_000));
        }
        let of_gpu = &history.gpus[0].values;
        let bytes =
            history.samples.capacity() * size_of::<Packed>() + of_gpu.capacity() * size_of_val(&of_gpu[0]);
        assert_eq!((history.samples.len(), of_gpu.len()), (181, 181));
        assert!(bytes < 6_000, "{bytes}");
    }
}
