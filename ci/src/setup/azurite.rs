//! Azurite, the emulator of Azure's blob storage that its maker gives away, in a folder beside downloads: all
//! of it as `ci/azurite/package-lock.json` says, so that it is the same on every machine and day.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::{cache_folder, npm};
use crate::shell;

const PACKAGE: &str = include_str!("../../azurite/package.json");
const LOCK: &str = include_str!("../../azurite/package-lock.json");

/// The script that Node.js runs.
///
/// # Errors
/// It is not installed.
pub fn program() -> Result<PathBuf> {
    let folder = folder()?;
    if !folder.join("complete").exists() {
        bail!("Azurite is not installed as this checkout locks it: run `cargo ci setup`");
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
    let shown = folder.display();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {shown}"))?;
    std::fs::write(folder.join("package.json"), PACKAGE)?;
    std::fs::write(folder.join("package-lock.json"), LOCK)?;
    shell::say("installing Azurite, Azure's storage for tests (once, about 370 MB)");
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
    shell::run_with(npm(&folder).args(install)).with_context(|| {
        format!(
            "Azurite, Azure's storage for the tests, was not installed: see that `npm ping` answers (a proxy \
             or another registry is set with `npm config`) and that {shown} has 370 MB of room, then run \
             `cargo ci setup` again; `npm ci` in that folder says more"
        )
    })?;
    std::fs::write(folder.join("complete"), "").context("cannot note that Azurite is installed")
}

/// Another one for each lock file, so that two checkouts do not take it from each other.
fn folder() -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    (PACKAGE, LOCK).hash(&mut hasher);
    Ok(cache_folder()?.join(format!("azurite-{:016x}", hasher.finish())))
}
