//! Settings: what there is, where a value came from, and what is wrong with it.
//!
//! Layers, later wins: defaults, TOML file, environment (`PICTOR__SECTION__KEY`), flags. An unknown key is an
//! error that names the nearest one. All problems are reported together.

pub mod address;
mod load;
mod secret;
mod sections;
mod settings;

use std::path::{Path, PathBuf};

pub use load::{Flags, Loaded, Problems, load};
pub use secret::Secret;
pub use sections::{
    BlobsConfig, BusConfig, DatabaseConfig, LimitsConfig, LivenessConfig, LogConfig, LogFormat, ServerConfig,
    SimulationConfig,
};

pub use settings::{SETTINGS, Setting};

/// All settings, resolved: nothing is left to default.
#[derive(Debug, Clone)]
pub struct Config {
    /// How it is reached.
    pub server: ServerConfig,
    /// Where everything of this cloud lies.
    pub data_dir: PathBuf,
    /// The database.
    pub database: DatabaseConfig,
    /// How replicas hear of each other.
    pub bus: BusConfig,
    /// Where blobs lie.
    pub blobs: BlobsConfig,
    /// When a worker counts as online, stale, offline.
    pub liveness: LivenessConfig,
    /// Bounds on what clients may ask.
    pub limits: LimitsConfig,
    /// Whether workers and pictures may be made up.
    pub simulation: SimulationConfig,
    /// What is logged and how.
    pub log: LogConfig,
}

impl Config {
    /// Where small pictures of frames are kept; may be emptied at any time.
    #[must_use]
    pub fn thumbnails_dir(&self) -> PathBuf {
        self.data_dir.join("thumbnails")
    }

    /// Settings of a cloud in this folder, on loopback and a free port.
    #[must_use]
    pub fn for_testing(data_dir: impl AsRef<Path>) -> Self {
        let data_dir = data_dir.as_ref().to_path_buf();
        let server = ServerConfig { listen: ([127, 0, 0, 1], 0).into(), ..ServerConfig::default() };
        Self {
            server,
            database: DatabaseConfig::in_folder(&data_dir),
            bus: BusConfig::default(),
            blobs: BlobsConfig::in_folder(&data_dir),
            data_dir,
            liveness: LivenessConfig::default(),
            limits: LimitsConfig::default(),
            simulation: SimulationConfig::default(),
            log: LogConfig::default(),
        }
    }
}
