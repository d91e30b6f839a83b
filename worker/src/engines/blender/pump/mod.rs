//! The task that owns one Blender process: hands it orders, reads what it says, watches time and memory, and
//! buries it (`burial`).

use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pictor_actors::now::Clock;
use pictor_actors::protocol::FailureClass;
use pictor_worker_domain::progress::verdict::in_words;
use pictor_worker_domain::wear::{Wear, WearLimits};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::lines::BoundedLines;
use super::wire::Order;
use crate::engines::{EngineEvent, EngineFailure, EngineRequest};
use crate::platform::orphans::Note;
use crate::platform::resident_bytes;

use super::listen::Listener;

mod burial;
mod shared;

pub use shared::Shared;

/// A scene of many GB on a slow disk is read in this time, else something hangs.
const LOAD_MS_MIN: u64 = 600_000;
/// How often resident memory is looked at, where it is bounded.
const MEMORY_EVERY: Duration = Duration::from_secs(1);
/// A driver that gave up ends within this time, else it is killed.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

/// Ends of a session.
enum End {
    /// Nobody wants it any more.
    Unwanted,
    /// It failed.
    Failed(EngineFailure),
    /// The process is gone.
    Gone(Option<ExitStatus>),
}

/// What happened next.
enum Turn {
    Ordered(Option<i32>),
    Answered(Option<String>),
    Printed(Option<String>),
    TooLate,
    LookAtMemory,
    Exited(Option<ExitStatus>),
    Abandoned,
}

/// The owner of one process.
pub struct Pump {
    child: Child,
    stdin: ChildStdin,
    stdout: BoundedLines<ChildStdout>,
    stderr: BoundedLines<ChildStderr>,
    stdout_open: bool,
    stderr_open: bool,
    orders: mpsc::Receiver<i32>,
    shared: Arc<Shared>,
    request: EngineRequest,
    listener: Listener,
    loaded: Option<oneshot::Sender<Result<(), EngineFailure>>>,
    deadline: Option<Instant>,
    memory: Interval,
    wear: Wear,
    _note: Option<Note>,
}

/// What a pump is made of.
pub struct Parts {
    /// The process, with all three pipes.
    pub child: Child,
    /// What it shares with the session.
    pub shared: Arc<Shared>,
    /// What is rendered.
    pub request: EngineRequest,
    /// Where events go.
    pub events: mpsc::Sender<EngineEvent>,
    /// Frames to render.
    pub orders: mpsc::Receiver<i32>,
    /// Told once the scene is loaded or that failed.
    pub loaded: oneshot::Sender<Result<(), EngineFailure>>,
    /// Measures frames.
    pub clock: Arc<dyn Clock>,
    /// How much the process may grow.
    pub wear: WearLimits,
    /// The note of the process on disk.
    pub note: Option<Note>,
}

impl Pump {
    /// A pump; nothing where the process lacks a pipe.
    pub fn new(parts: Parts) -> Option<Self> {
        let Parts { mut child, shared, request, events, orders, loaded, clock, wear, note } = parts;
        let mut memory = interval(MEMORY_EVERY);
        memory.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(Self {
            stdin: child.stdin.take()?,
            stdout: BoundedLines::new(child.stdout.take()?),
            stderr: BoundedLines::new(child.stderr.take()?),
            stdout_open: true,
            stderr_open: true,
            child,
            orders,
            listener: Listener::new(&request, events, clock),
            shared,
            request,
            loaded: Some(loaded),
            deadline: None,
            memory,
            wear: Wear::new(wear),
            _note: note,
        })
    }

    /// Lives as long as the process. Its last event is [`EngineEvent::Exited`]; where the scene was never
    /// loaded, the answer to the start is its only word.
    pub async fn run(mut self) {
        let end = self.live().await;
        let failure = self.bury(end).await;
        if let Some(loaded) = self.loaded.take() {
            let stopped = || EngineFailure::new(FailureClass::WorkerError, "the start was called off");
            let _ = loaded.send(Err(failure.unwrap_or_else(stopped)));
            return;
        }
        self.shared.busy.store(false, Ordering::SeqCst);
        if let Some(failure) = failure {
            self.shared.set_failure(failure.clone());
            self.listener.tell(EngineEvent::Failed(failure)).await;
        }
        self.listener.tell(EngineEvent::Exited).await;
    }

    async fn live(&mut self) -> End {
        let load_ms = self.request.limits.frame_time_ms.max(LOAD_MS_MIN);
        self.deadline = Some(Instant::now() + Duration::from_millis(load_ms));
        if self.send_load().await.is_err() {
            return End::Gone(None);
        }
        loop {
            let turn = self.next_turn().await;
            if let Some(end) = self.take_turn(turn).await {
                return end;
            }
        }
    }

    async fn send_load(&mut self) -> std::io::Result<()> {
        let request = &self.request;
        let render = &request.render;
        let engines: Vec<_> =
            request.software.engines.iter().filter(|e| request.slot.engines.contains(e)).copied().collect();
        let order = Order::Load {
            scene_path: &request.scene,
            inputs_dir: &request.inputs_dir,
            scene: render.scene.as_deref(),
            camera: render.camera.as_deref(),
            engine: render.engine,
            engines: &engines,
            resolution: render.resolution,
            samples: render.samples,
            format: render.format,
            gpu: request.slot.gpu_pci_id.as_deref(),
        };
        self.stdin.write_all(&order.to_line()).await
    }

    async fn next_turn(&mut self) -> Turn {
        let deadline = self.deadline;
        let bounded = self.request.limits.memory_bytes.is_some();
        let too_late = async move {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let loaded = &mut self.loaded;
        let abandoned = async move {
            match loaded {
                Some(loaded) => loaded.closed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            line = self.stdout.next(), if self.stdout_open => Turn::Answered(line),
            line = self.stderr.next(), if self.stderr_open => Turn::Printed(line),
            order = self.orders.recv() => Turn::Ordered(order),
            status = self.child.wait() => Turn::Exited(status.ok()),
            () = too_late => Turn::TooLate,
            _ = self.memory.tick(), if bounded => Turn::LookAtMemory,
            () = abandoned => Turn::Abandoned,
        }
    }

    async fn take_turn(&mut self, turn: Turn) -> Option<End> {
        match turn {
            Turn::Ordered(Some(frame)) => self.begin(frame).await,
            Turn::Ordered(None) | Turn::Abandoned => Some(End::Unwanted),
            Turn::Answered(Some(line)) => {
                let failed = self.listener.hear_answer(&line).await;
                self.after_hearing(failed).await
            }
            Turn::Printed(Some(line)) => {
                let failed = self.listener.hear_output(&line).await;
                self.after_hearing(failed).await
            }
            Turn::Answered(None) => {
                self.stdout_open = false;
                self.deadline = Some(Instant::now() + LEAVES_WITHIN);
                None
            }
            Turn::Printed(None) => {
                self.stderr_open = false;
                None
            }
            Turn::Exited(status) => Some(End::Gone(status)),
            Turn::LookAtMemory => self.look_at_memory().map(End::Failed),
            Turn::TooLate if !self.stdout_open => Some(End::Gone(None)),
            Turn::TooLate => Some(End::Failed(self.too_late())),
        }
    }

    async fn begin(&mut self, frame: i32) -> Option<End> {
        let path = self.listener.begin(frame).await;
        self.deadline = Some(Instant::now() + Duration::from_millis(self.request.limits.frame_time_ms));
        let line = Order::Render { frame, path: &path }.to_line();
        self.stdin.write_all(&line).await.is_err().then_some(End::Gone(None))
    }

    /// The listener may have learnt that the scene is loaded or the frame done.
    async fn after_hearing(&mut self, failed: Option<EngineFailure>) -> Option<End> {
        if let Some(failure) = failed {
            return Some(End::Failed(failure));
        }
        if self.listener.is_loaded()
            && let Some(loaded) = self.loaded.take()
        {
            self.deadline = None;
            if loaded.send(Ok(())).is_err() {
                return Some(End::Unwanted);
            }
            self.listener.tell_ready().await;
        }
        if let Some(done) = self.listener.take_done() {
            self.deadline = None;
            match self.listener.judge(done).await {
                Ok(written) => {
                    self.tell_wear().await;
                    self.shared.busy.store(false, Ordering::SeqCst);
                    self.listener.tell(written).await;
                }
                Err(failure) => return Some(End::Failed(failure)),
            }
        }
        None
    }

    /// Before the frame's end is told, since the next frame may be handed over then.
    async fn tell_wear(&mut self) {
        let bytes = self.child.id().and_then(resident_bytes);
        if let Some(worn) = self.wear.after_frame(bytes) {
            self.listener.tell(EngineEvent::Worn { text: worn.to_string() }).await;
        }
    }

    fn look_at_memory(&self) -> Option<EngineFailure> {
        let limit = self.request.limits.memory_bytes?;
        let used = resident_bytes(self.child.id()?)?;
        (used > limit).then(|| {
            let text = format!("Blender uses {} MiB and may use {} MiB", used >> 20, limit >> 20);
            self.listener.failure(FailureClass::OutOfMemory, in_words(FailureClass::OutOfMemory, &text))
        })
    }

    fn too_late(&self) -> EngineFailure {
        let text = if self.loaded.is_some() {
            "loading the scene took too long".to_owned()
        } else {
            format!("the frame took longer than {} s", self.request.limits.frame_time_ms.div_ceil(1000))
        };
        self.listener.failure(FailureClass::TimeLimit, in_words(FailureClass::TimeLimit, &text))
    }
}
