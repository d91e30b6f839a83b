//! Reads what a `.blend` file says about itself, without Blender and without running anything of it.
//!
//! The file comes from a stranger and its format is memory dumped to disk, so it is read in a process of its
//! own ([`child`]), with limits on memory, processor time and files, and a deadline. Whatever happens there,
//! the answer is either facts or a sentence. Only a file that is no `.blend` at all is told apart from one
//! that cannot be read here: Blender may still open that.

pub mod child;
mod idprops;
mod links;
mod process;
mod scenes;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use process::Inspector;

/// What was read of one `.blend` file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspected {
    /// Blender version it was saved with ("3.4").
    pub saved_with: Option<String>,
    /// Its scenes.
    pub scenes: Vec<InspectedScene>,
    /// Every scene and every camera of the file stands in the list: none was cut off, left out or lives in
    /// another file.
    #[serde(default)]
    pub is_whole: bool,
    /// Files it needs.
    pub links: Vec<Link>,
    /// Parts that could not be read, in words.
    pub notes: Vec<String>,
}

/// One scene.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectedScene {
    /// Name.
    pub name: String,
    /// Active when the file was saved.
    pub is_active: bool,
    /// Cameras, the active one first.
    pub cameras: Vec<String>,
    /// First frame.
    pub frame_start: Option<i32>,
    /// Last frame.
    pub frame_end: Option<i32>,
    /// Frame step.
    pub frame_step: Option<i32>,
    /// Frames a second.
    pub fps: Option<u32>,
    /// Engine as Blender names it (`CYCLES`).
    pub engine: Option<String>,
    /// Pixels wide, at 100 %.
    pub width: Option<u32>,
    /// Pixels high, at 100 %.
    pub height: Option<u32>,
    /// Scale, percent.
    pub resolution_percent: Option<u32>,
    /// Cycles samples; not saved while at the default.
    pub samples: Option<u32>,
}

/// A file that a `.blend` file needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Path as saved; `//` in front means *beside the file*.
    pub path: String,
    /// Kind of thing that needs it, in words ("image", "library").
    pub kind: String,
    /// Name of the thing.
    pub name: String,
    /// The path stands for several files (a sequence, tiles).
    pub is_pattern: bool,
}

/// Why a file was not read; for the uploader's eyes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It is no `.blend` file, also once it is unpacked.
    #[error("it does not begin like a .blend file")]
    NotBlend,
    /// It may be one: damaged, too large to be read here, or of a newer kind.
    #[error("{0}")]
    Unreadable(String),
}

/// Whoever can read a `.blend` file. Behind a trait so that the library can be exchanged: the format changes
/// with each Blender.
pub trait BlendReader {
    /// Reads it.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &Path) -> Result<Inspected, Unread>;
}
