//! NVIDIA GPUs through NVML, the driver's own library. A machine without it is no error: the reason is put
//! into words.

use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use pictor_actors::protocol::{GpuFacts, GpuSample};

/// The opened library.
pub struct Nvidia {
    nvml: Nvml,
}

impl Nvidia {
    /// Opens the library.
    ///
    /// # Errors
    /// Why there is no GPU to use, in words.
    pub fn open() -> Result<Self, String> {
        Nvml::init().map(|nvml| Self { nvml }).map_err(|error| in_words(&error))
    }

    /// Version of the driver.
    pub fn driver_version(&self) -> Option<String> {
        self.nvml.sys_driver_version().ok()
    }

    /// Every GPU, ascending by PCI id.
    pub fn gpus(&self) -> Vec<GpuFacts> {
        let mut gpus: Vec<_> = self.devices().filter_map(|device| facts(&device)).collect();
        gpus.sort_by(|a, b| a.pci_id.cmp(&b.pci_id));
        gpus
    }

    /// Newest values of every GPU, ascending by PCI id.
    pub fn samples(&self) -> Vec<GpuSample> {
        let mut samples: Vec<_> = self.devices().filter_map(|device| sample(&device)).collect();
        samples.sort_by(|a, b| a.pci_id.cmp(&b.pci_id));
        samples
    }

    /// GPUs that fell off the bus answer with an error and are left out.
    fn devices(&self) -> impl Iterator<Item = Device<'_>> {
        let count = self.nvml.device_count().unwrap_or(0);
        (0..count).filter_map(|index| self.nvml.device_by_index(index).ok())
    }
}

/// NVIDIA's own id of the GPU with this PCI id: the only name by which CUDA can be told which one to show.
///
/// # Errors
/// Why it cannot be used, in words.
pub fn uuid_of(pci_id: &str) -> Result<String, String> {
    let nvidia = Nvidia::open()?;
    let device = nvidia.nvml.device_by_pci_bus_id(pci_id).map_err(|error| in_words(&error))?;
    device.uuid().map_err(|error| in_words(&error))
}

fn facts(device: &Device<'_>) -> Option<GpuFacts> {
    Some(GpuFacts {
        pci_id: device.pci_info().ok()?.bus_id,
        model: device.name().ok()?,
        memory_bytes: device.memory_info().map_or(0, |memory| memory.total),
        uuid: device.uuid().ok(),
    })
}

#[allow(clippy::cast_precision_loss)] // percent, degrees and milliwatts are small
fn sample(device: &Device<'_>) -> Option<GpuSample> {
    let watts = |milliwatts: u32| milliwatts as f32 / 1000.0;
    Some(GpuSample {
        pci_id: device.pci_info().ok()?.bus_id,
        utilisation_percent: device.utilization_rates().ok().map(|rates| rates.gpu as f32),
        memory_used_bytes: device.memory_info().ok().map(|memory| memory.used),
        celsius: device.temperature(TemperatureSensor::Gpu).ok().map(|celsius| celsius as f32),
        power_watts: device.power_usage().ok().map(watts),
        power_limit_watts: device.enforced_power_limit().ok().map(watts),
        clock_mhz: device.clock_info(Clock::Graphics).ok(),
        memory_clock_mhz: device.clock_info(Clock::Memory).ok(),
    })
}

#[allow(clippy::wildcard_enum_match_arm)] // NVML's enum, not ours
fn in_words(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => {
            "no NVIDIA driver library on this machine".to_owned()
        }
        NvmlError::DriverNotLoaded => "the NVIDIA driver is installed but not loaded".to_owned(),
        NvmlError::NoPermission => "this account may not use the NVIDIA driver".to_owned(),
        NvmlError::LibRmVersionMismatch => {
            "the NVIDIA driver and its library are of different versions: restart the machine".to_owned()
        }
        NvmlError::NotFound => "there is no such GPU any more".to_owned(),
        NvmlError::GpuLost => "the GPU fell off the bus: restart the machine".to_owned(),
        other => format!("the NVIDIA driver does not answer: {other}"),
    }
}
