//! Sample scenes, made by Blender itself so that they are real files of the installed version.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Kinds of sample scenes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// A small turning still life for the demo.
    Demo,
    /// Frames that cost almost nothing: shows the farm's own cost.
    Trivial,
    /// Frames of about a second of pixels on two cores.
    Second,
    /// A scene that takes seconds to evaluate while only the camera moves.
    Heavy,
}

impl Sample {
    /// Name for files and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Trivial => "trivial",
            Self::Second => "second",
            Self::Heavy => "heavy",
        }
    }
}

/// Saves a sample with `frames` frames as `FOLDER/NAME.blend`.
pub fn make_scene(sample: Sample, frames: u32, folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let script = folder.join("make_scene.py");
    std::fs::write(&script, include_str!("make_scene.py")).context("cannot write the scene script")?;
    let file = folder.join(format!("{}.blend", sample.name()));
    let mut blender = Command::new("blender");
    super::signals::die_with_this_process(&mut blender);
    let output = blender
        .args(["--background", "--factory-startup", "-noaudio", "--python-exit-code", "3", "--python"])
        .arg(&script)
        .arg("--")
        .args([sample.name(), &frames.to_string()])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .context("cannot start blender")?;
    if !output.status.success() || !file.is_file() {
        bail!("Blender could not make the scene: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(file)
}
