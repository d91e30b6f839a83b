//! Blender as an engine: the program (3.4 and later) or its Python module `bpy`.
//!
//! One process per session runs our driver script, which reads frames from standard input as JSON lines and
//! answers on a private copy of standard output; what Blender itself prints comes over standard error and is
//! parsed by
//! [`pictor_worker_domain::progress`]. [`command`](mod@command) says how it is started, `pump` owns the
//! process, `listen` understands it.

pub mod command;
mod lines;
mod listen;
pub mod probe;
mod pump;
mod session;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use pictor_actors::limits::FRAME_BYTES_MAX;
use pictor_actors::now::Clock;
use pictor_worker_domain::wear::WearLimits;
use tokio::sync::mpsc;

use super::{Engine, EngineEvent, EngineFailure, EngineRequest, EngineSession};

/// Starts Blender sessions.
#[derive(Clone)]
pub struct BlenderEngine {
    clock: Arc<dyn Clock>,
    data_dir: PathBuf,
    file_bytes_max: u64,
    nice: u8,
    wear: WearLimits,
}

/// Where compiled GPU kernels are kept: compiling them takes minutes, and the probe's serve the sessions too.
#[must_use]
pub fn kernel_cache_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("engines").join("kernels")
}

impl BlenderEngine {
    /// An engine that notes its processes under `data_dir`, so that [`crate::platform::end_orphans`] finds
    /// them, and keeps compiled GPU kernels there.
    pub fn new(clock: Arc<dyn Clock>, data_dir: impl Into<PathBuf>) -> Self {
        // Twice: a picture is written beside its old version by some formats.
        Self {
            clock,
            data_dir: data_dir.into(),
            file_bytes_max: 2 * FRAME_BYTES_MAX,
            nice: 5,
            wear: WearLimits::default(),
        }
    }

    /// The same, with another bound for each file that Blender writes.
    #[must_use]
    pub fn with_file_bytes_max(self, bytes: u64) -> Self {
        Self { file_bytes_max: bytes, ..self }
    }

    /// The same, with other bounds for the growth of a process.
    #[must_use]
    pub fn with_wear(self, wear: WearLimits) -> Self {
        Self { wear, ..self }
    }
}

impl Engine for BlenderEngine {
    fn start(
        &self,
        request: EngineRequest,
        events: mpsc::Sender<EngineEvent>,
    ) -> BoxFuture<'static, Result<Box<dyn EngineSession>, EngineFailure>> {
        Box::pin(session::start(self.clone(), request, events))
    }
}
