//! Starts a process and hands out the handle by which its owner feeds and ends it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pictor_actors::protocol::FailureClass;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};

use super::BlenderEngine;
use super::command::{BPY, Launch, command};
use super::pump::{Parts, Pump, Shared};
use crate::engines::{EngineEvent, EngineFailure, EngineRequest, EngineSession, class_of_io};
use crate::platform::{ProcessGroup, ProcessLimits, orphans, spawn};

/// Address space that Blender takes beyond the memory it uses: libraries, thread stacks, allocator arenas
/// (0.9 GiB with
/// 3.4.1, 1.6 GiB with bpy 5.0.1 on 2 processors; more with more).
const ADDRESS_SPACE_BEYOND: u64 = 4 << 30;

/// The owner's handle.
struct BlenderSession {
    orders: mpsc::Sender<i32>,
    shared: Arc<Shared>,
}

impl EngineSession for BlenderSession {
    fn render(&mut self, frame: i32) -> Result<(), EngineFailure> {
        let refused = |text: &str| EngineFailure::new(FailureClass::WorkerError, text).in_frame(frame);
        if !self.orders.is_closed() && self.shared.busy.swap(true, Ordering::SeqCst) {
            return Err(refused("a frame is in hand already"));
        }
        self.orders.try_send(frame).map_err(|_| match self.shared.failure() {
            Some(failure) => EngineFailure { frame: failure.frame.or(Some(frame)), ..failure },
            None => refused("the session is over"),
        })
    }

    fn kill(&mut self) {
        self.shared.kill();
    }
}

impl Drop for BlenderSession {
    fn drop(&mut self) {
        self.shared.kill();
    }
}

/// Starts the program and loads the scene.
///
/// # Errors
/// Anything that keeps the scene from being ready to render.
pub async fn start(
    engine: BlenderEngine,
    request: EngineRequest,
    events: mpsc::Sender<EngineEvent>,
) -> Result<Box<dyn EngineSession>, EngineFailure> {
    let gpu_uuid = match request.slot.gpu_pci_id.clone() {
        Some(pci_id) => Some(uuid_of(pci_id).await?),
        None => None,
    };
    let launch = launch(&engine, &request, gpu_uuid);
    let program = launch.program.clone();
    let child = begin(launch).await.map_err(|error| not_started(&program, &error))?;
    let pid = child.id().unwrap_or(0);
    let shared = Arc::new(Shared::new(ProcessGroup::new(pid)));
    let note = orphans::note(&engine.data_dir, pid);
    let (orders, ordered) = mpsc::channel(1);
    let (loaded, when_loaded) = oneshot::channel();
    let parts = Parts {
        child,
        shared: shared.clone(),
        request,
        events,
        orders: ordered,
        loaded,
        clock: engine.clock,
        wear: engine.wear,
        note,
    };
    let no_pipes = || EngineFailure::new(FailureClass::WorkerError, "the program came without its pipes");
    tokio::spawn(Pump::new(parts).ok_or_else(no_pipes)?.run());
    // Made before the wait: dropping this future ends the process.
    let session = BlenderSession { orders, shared };
    let gone = |_| EngineFailure::new(FailureClass::WorkerError, "the session ended while it was starting");
    when_loaded.await.map_err(gone)??;
    Ok(Box::new(session))
}

fn launch(engine: &BlenderEngine, request: &EngineRequest, gpu_uuid: Option<String>) -> Launch {
    // CUDA maps all memory of machine and GPU into its address space: there only resident memory is bounded
    // (by the pump).
    let address_space_bytes =
        request.limits.memory_bytes.filter(|_| gpu_uuid.is_none()).map(|bytes| bytes + ADDRESS_SPACE_BEYOND);
    let file_bytes = Some(engine.file_bytes_max);
    Launch {
        program: PathBuf::from(&request.software.path),
        is_module: request.software.name == BPY,
        scratch_dir: request.scratch_dir.clone(),
        kernel_cache_dir: super::kernel_cache_dir(&engine.data_dir),
        gpu_uuid,
        limits: ProcessLimits { address_space_bytes, file_bytes, nice: engine.nice },
    }
}

async fn begin(launch: Launch) -> io::Result<Child> {
    let built = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&launch.kernel_cache_dir)?;
        command(&launch)
    });
    spawn(built.await??).await
}

async fn uuid_of(pci_id: String) -> Result<String, EngineFailure> {
    let asked = pci_id.clone();
    let found = tokio::task::spawn_blocking(move || crate::machine::nvidia::uuid_of(&asked)).await;
    let why_not = match found {
        Ok(Ok(uuid)) => return Ok(uuid),
        Ok(Err(text)) => text,
        Err(error) => error.to_string(),
    };
    let text = format!("the GPU {pci_id} of this slot cannot be used: {why_not}");
    Err(EngineFailure::new(FailureClass::EngineNotAvailable, text))
}

fn not_started(program: &std::path::Path, error: &io::Error) -> EngineFailure {
    let no_program = [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied].contains(&error.kind());
    let otherwise = if no_program { FailureClass::EngineNotAvailable } else { FailureClass::WorkerError };
    let class = class_of_io(error, otherwise);
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    EngineFailure::new(class, format!("{name} cannot be started on this worker: {error}"))
}
