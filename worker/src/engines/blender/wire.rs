//! What goes between the worker and its driver script: one JSON object a line. Both ends are of one build, so
//! there is no version.

use std::path::Path;

use pictor_actors::protocol::assignment::{OutputFormat, RenderEngine};
use pictor_actors::protocol::{FailureClass, outcome::WarningClass};
use serde::{Deserialize, Serialize};

/// An order to the driver.
#[derive(Debug, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Order<'a> {
    /// Load the scene; answered by warnings and `ready` or `failed`.
    Load {
        /// The file.
        scene_path: &'a Path,
        /// What the scene may read beside Blender's own files.
        inputs_dir: &'a Path,
        /// Scene by name.
        scene: Option<&'a str>,
        /// Camera by name.
        camera: Option<&'a str>,
        /// Engine instead of the file's.
        engine: Option<RenderEngine>,
        /// Engines that work on this slot.
        engines: &'a [RenderEngine],
        /// Pixels.
        resolution: Option<(u32, u32)>,
        /// Samples.
        samples: Option<u32>,
        /// File format.
        format: OutputFormat,
        /// PCI id of the only GPU to use; nothing: the CPU.
        gpu: Option<&'a str>,
    },
    /// Render a frame into this file; answered by `rendered` or `failed`.
    Render {
        /// Which.
        frame: i32,
        /// Where to.
        path: &'a Path,
    },
    /// Render a few pixels of the start-up scene; answered by `tried`.
    TryEngine {
        /// With this engine.
        engine: RenderEngine,
        /// Where to.
        path: &'a Path,
        /// PCI id of the only GPU that Cycles may use; nothing: the processor.
        gpu: Option<&'a str>,
    },
}

impl Order<'_> {
    /// The order as a line.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        // Paths of ours and plain values: only a path that is no UTF-8 can fail, and then the driver names
        // the empty line.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// An answer of the driver.
#[derive(Debug, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Answer {
    /// It runs.
    Hello {
        /// Blender's version ("3.4.1").
        version: String,
        /// It can denoise.
        denoiser: bool,
    },
    /// The scene is loaded.
    Ready {
        /// Device in words.
        device: String,
        /// View layers that are rendered.
        layers: u32,
    },
    /// Something that does not stop the task.
    Warning {
        /// What kind.
        kind: WarningClass,
        /// In words.
        text: String,
    },
    /// Blender's progress text.
    Stats {
        /// The text.
        text: String,
    },
    /// The frame is done.
    Rendered {
        /// Which.
        frame: i32,
        /// Blender's operator says so.
        finished: bool,
        /// Peak memory of the process.
        memory_peak_bytes: Option<u64>,
    },
    /// It gives up; the process ends.
    Failed {
        /// The class, where the driver knows it.
        kind: Option<FailureClass>,
        /// Why.
        text: String,
    },
    /// An engine was tried.
    Tried {
        /// Why it does not work; nothing: it does.
        why_not: Option<String>,
    },
}

/// What the driver writes to standard error after a frame, so that all that was printed before is known to be
/// read.
pub const MARK: &str = "pictor-mark ";

/// Reads a line of the driver's private stream; nothing for what Blender printed there before the driver took
/// it.
#[must_use]
pub fn read_answer(line: &str) -> Option<Answer> {
    line.starts_with("{\"say\":").then(|| serde_json::from_str(line).ok()).flatten()
}
