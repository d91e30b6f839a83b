//! Blender as an engine: the program (3.4 and later) or its Python module `bpy`.
//!
//! One process per session runs our driver script, which reads frames from standard input as JSON lines and answers on
//! a private copy of standard output; what Blender itself prints comes over standard error and is parsed by
//! [`pictor_worker_domain::progress`].
#![allow(clippy::todo, unused_variables)]

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use pictor_actors::now::Clock;
use tokio::sync::mpsc;

use super::{Engine, EngineEvent, EngineFailure, EngineRequest, EngineSession};

/// Starts Blender sessions.
pub struct BlenderEngine {
    clock: Arc<dyn Clock>,
    data_dir: PathBuf,
}

impl BlenderEngine {
    /// An engine that notes its processes under `data_dir`, so that [`crate::platform::end_orphans`] finds them.
    pub fn new(clock: Arc<dyn Clock>, data_dir: impl Into<PathBuf>) -> Self {
        Self { clock, data_dir: data_dir.into() }
    }
}

impl Engine for BlenderEngine {
    fn start(
        &self,
        request: EngineRequest,
        events: mpsc::Sender<EngineEvent>,
    ) -> BoxFuture<'static, Result<Box<dyn EngineSession>, EngineFailure>> {
        todo!()
    }
}
