//! What the owner of the machine sets, in `settings.toml`. Unknown keys are errors that name the known ones.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::DataDir;

/// The owner's settings. Every field has a default: the file may be missing or empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Blender programs or Python interpreters with `bpy`, beside those that are found.
    pub blender: Vec<PathBuf>,
    /// Look for Blender in the PATH and the usual places. Default: yes.
    pub find_blender: bool,
    /// A CPU slot beside the GPUs' slots. Without a GPU there is always one. Default: no.
    pub allow_cpu: bool,
    /// Slots, by number, that take no work.
    pub slots_off: Vec<u16>,
    /// Input files are kept up to this size. Default: 20 GiB.
    pub cache_bytes: u64,
    /// No new work below this much free disk. Default: 2 GiB.
    pub disk_free_bytes_min: u64,
    /// No new work while undelivered frames take more than this. Default: 20 GiB.
    pub spool_bytes: u64,
    /// Size of one log file; four older ones are kept. Default: 4 MiB.
    pub log_bytes: u64,
}

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

impl Default for Settings {
    fn default() -> Self {
        Self {
            blender: Vec::new(),
            find_blender: true,
            allow_cpu: false,
            slots_off: Vec::new(),
            cache_bytes: 20 * GIB,
            disk_free_bytes_min: 2 * GIB,
            spool_bytes: 20 * GIB,
            log_bytes: 4 * MIB,
        }
    }
}

impl Settings {
    /// The file's settings; the defaults where there is no file. The error's text names file, line and what
    /// is known.
    pub fn load(data: &DataDir) -> io::Result<Self> {
        let path = data.settings();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        toml::from_str(&text).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
    }

    /// Small bounds, and no disk that is ever too full.
    #[must_use]
    pub fn for_testing() -> Self {
        Self {
            find_blender: false,
            cache_bytes: 64 * MIB,
            disk_free_bytes_min: 0,
            spool_bytes: 64 * MIB,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_is_named_and_an_empty_file_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(Some(folder.path().into())).unwrap();
        assert_eq!(Settings::load(&data).unwrap(), Settings::default());
        fs::write(data.settings(), "allow_cpu = true\ncache = 5\n").unwrap();
        let text = Settings::load(&data).unwrap_err().to_string();
        assert!(text.contains("settings.toml") && text.contains("cache_bytes"), "{text}");
        fs::write(data.settings(), "allow_cpu = true\n").unwrap();
        assert!(Settings::load(&data).unwrap().allow_cpu);
    }
}
