//! Processor, memory, disk and operating system. A sample refreshes what it shows and nothing else.

use std::path::{Path, PathBuf};

use pictor_actors::protocol::{MachineFacts, MetricSample};
use sysinfo::{Components, CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// Words in a sensor's label that mean the processor as a whole, the best first.
const CPU_SENSORS: &[&str] = &["tctl", "package id 0", "tdie", "cpu", "core 0", "soc"];

/// This machine without its GPUs.
pub struct Host {
    system: Option<System>,
    sensor: Option<(Components, usize)>,
    /// Use is the difference of two readings.
    cpu_read_before: bool,
    data_dir: PathBuf,
}

impl Host {
    pub fn new(data_dir: &Path) -> Self {
        Self {
            system: System::new_with_specifics(RefreshKind::nothing()).ok(),
            sensor: cpu_sensor(),
            cpu_read_before: false,
            data_dir: data_dir.to_owned(),
        }
    }

    pub fn facts(&mut self) -> MachineFacts {
        let mut facts = MachineFacts {
            hostname: System::host_name().unwrap_or_default(),
            os: System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.to_owned()),
            arch: System::cpu_arch(),
            kernel: System::kernel_version().ok(),
            disk_bytes: disk(&self.data_dir).map(|(size, _)| size),
            ..MachineFacts::default()
        };
        if let Some(system) = &mut self.system {
            system.refresh_cpu_list(CpuRefreshKind::nothing());
            system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
            let model = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
            facts.cpu_model = model.filter(|model| !model.is_empty()).unwrap_or_else(|| facts.arch.clone());
            facts.cpu_count = u32::try_from(system.cpus().len()).unwrap_or(u32::MAX);
            facts.ram_bytes = system.total_memory();
        }
        facts
    }

    pub fn sample(&mut self) -> MetricSample {
        let mut sample = MetricSample { cpu_celsius: self.cpu_celsius(), ..MetricSample::default() };
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
            system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
            sample.cpu_percent = self.cpu_read_before.then(|| system.global_cpu_usage().clamp(0.0, 100.0));
            let (all, free) = (system.total_memory(), system.available_memory());
            sample.ram_used_bytes = (all > 0).then(|| all.saturating_sub(free));
            self.cpu_read_before = true;
        }
        sample
    }

    pub fn disk_free_bytes(&self) -> Option<u64> {
        disk(&self.data_dir).map(|(_, free)| free)
    }

    fn cpu_celsius(&mut self) -> Option<f32> {
        let (components, sensor) = self.sensor.as_mut()?;
        let component = components.get_mut(*sensor)?;
        component.refresh();
        component.temperature().filter(|celsius| celsius.is_finite())
    }
}

/// All sensors, and which of them speaks for the processor: only that one is read.
fn cpu_sensor() -> Option<(Components, usize)> {
    let all = Components::new_with_refreshed_list().ok()?;
    let best = CPU_SENSORS
        .iter()
        .find_map(|word| all.iter().position(|component| component.label().to_lowercase().contains(word)))?;
    Some((all, best))
}

/// Size and free bytes of the disk that holds `path` or its nearest existing parent.
#[cfg(unix)]
#[allow(clippy::useless_conversion)] // other systems count blocks in 32 bits
fn disk(path: &Path) -> Option<(u64, u64)> {
    let there = path.ancestors().find(|path| path.exists())?;
    let stat = nix::sys::statvfs::statvfs(there).ok()?;
    let block = u64::from(stat.fragment_size());
    Some((u64::from(stat.blocks()) * block, u64::from(stat.blocks_available()) * block))
}

#[cfg(not(unix))]
fn disk(path: &Path) -> Option<(u64, u64)> {
    let disks = sysinfo::Disks::new_with_refreshed_list().ok()?;
    let holds = |disk: &&sysinfo::Disk| path.starts_with(disk.mount_point());
    let disk = disks.iter().filter(holds).max_by_key(|disk| disk.mount_point().as_os_str().len())?;
    Some((disk.total_space(), disk.available_space()))
}
