//! Azurite, the emulator of Azure's blob storage that its maker gives away, in a folder beside downloads.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::{cache_folder, npm};
use crate::shell;

/// With its version.
const PACKAGE: &str = "azurite@3.37.0";

/// The script that Node.js runs.
///
/// # Errors
/// It is not installed.
pub fn program() -> Result<PathBuf> {
    let folder = folder()?;
    if !folder.join("complete").exists() {
        bail!("{PACKAGE} is not installed: run `cargo ci setup`");
    }
    Ok(folder.join("node_modules/azurite/dist/src/blob/main.js"))
}

/// Installs it, once.
///
/// # Errors
/// It cannot be fetched.
pub fn install() -> Result<()> {
    if program().is_ok() {
        return Ok(());
    }
    let folder = folder()?;
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    shell::say(&format!("installing {PACKAGE}, Azure's storage for tests (once, about 370 MB)"));
    let install =
        ["install", "--prefix", ".", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", PACKAGE];
    shell::run_with(npm(&folder).args(install))?;
    std::fs::write(folder.join("complete"), PACKAGE).context("cannot note that azurite is installed")
}

fn folder() -> Result<PathBuf> {
    Ok(cache_folder()?.join(PACKAGE.replace('@', "-")))
}
