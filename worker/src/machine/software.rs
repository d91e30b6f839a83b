//! Finds Blender and `bpy`, and proves each by starting it.
#![allow(clippy::todo, clippy::unused_async, unused_variables)]

use std::path::PathBuf;

use pictor_actors::protocol::Software;

/// Where to look, and where answers are remembered.
#[derive(Debug, Clone, Default)]
pub struct SoftwareSearch {
    /// Programs or Python interpreters that the owner named.
    pub configured: Vec<PathBuf>,
    /// Look in the PATH and the usual places too.
    pub look_around: bool,
    /// Folder for remembered answers; nothing: probe anew.
    pub cache_dir: Option<PathBuf>,
}

/// A program that was found and started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSoftware {
    /// What is told to the cloud.
    pub software: Software,
    /// It has a denoiser (Debian's build has none).
    pub has_denoiser: bool,
    /// Why an engine is missing or the program cannot be used, in words.
    pub notes: Vec<String>,
}

/// Every usable Blender and `bpy`, newest version first; each probe is time-limited, so it always ends.
pub async fn find_software(search: &SoftwareSearch) -> Vec<FoundSoftware> {
    todo!()
}
