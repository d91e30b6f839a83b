//! The kept address and token: one file in the user's configuration folder, readable by its owner only.

use std::path::PathBuf;

use etcetera::base_strategy::BaseStrategy;
use serde::{Deserialize, Serialize};

use crate::error::{Failure, Kind};

/// What is kept between calls.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Address of the cloud.
    pub url: Option<String>,
    /// API token.
    pub token: Option<String>,
}

/// Where the settings lie: `PICTOR_CONFIG`, else the system's place for them.
pub fn path() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("PICTOR_CONFIG") {
        return Ok(path.into());
    }
    let places = etcetera::base_strategy::choose_native_strategy()
        .map_err(|_| Failure::new(Kind::Usage, "no home folder: set PICTOR_URL and PICTOR_TOKEN"))?;
    Ok(places.config_dir().join("pictor").join("client.toml"))
}

/// Reads them; none yet is not an error.
pub fn load() -> Result<Settings, Failure> {
    let path = path()?;
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| {
            Failure::new(Kind::Usage, format!("{} cannot be read: {error}", path.display()))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(Failure::failed(format!("{} cannot be read: {error}", path.display()))),
    }
}

/// Writes them, for the owner's eyes only from the first byte on.
pub fn save(settings: &Settings) -> Result<PathBuf, Failure> {
    let path = path()?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let text = toml::to_string(settings).map_err(|error| Failure::failed(error.to_string()))?;
    let fresh = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(&fresh)?, text.as_bytes())?;
    std::fs::rename(&fresh, &path)?;
    Ok(path)
}
