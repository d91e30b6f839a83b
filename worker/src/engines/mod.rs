//! What renders: a program that is started once per (slot, job) and fed frame by frame.
//!
//! The runner knows only [`Engine`] and [`EngineSession`]. `start` loads the scene; `render` hands over one
//! frame at a time; everything else comes back as [`EngineEvent`]s. A session that failed is over: its
//! process is dead, [`EngineEvent::Exited`] is its last event, and the next frame needs a new one.
//!
//! Not here: which frame is rendered where and when (runner), where frames go afterwards (spool).

pub mod blender;
pub mod fake;
pub mod picture;

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use pictor_actors::protocol::assignment::{RenderSettings, TaskLimits};
use pictor_actors::protocol::outcome::{FailureClass, WarningClass};
use pictor_actors::protocol::{SlotFacts, Software};
use tokio::sync::mpsc;

/// What a session renders, on what, and where it may write.
#[derive(Debug, Clone)]
pub struct EngineRequest {
    /// The program that renders.
    pub software: Software,
    /// The slot: which GPU, or the CPU.
    pub slot: SlotFacts,
    /// The scene to open, absolute.
    pub scene: PathBuf,
    /// Folder that holds the scene and the files it links; only read.
    pub inputs_dir: PathBuf,
    /// Folder for frames, exists; a frame's path is told by [`EngineEvent::FrameWritten`].
    pub output_dir: PathBuf,
    /// Folder for temporary files of this session, exists and is emptied by its owner.
    pub scratch_dir: PathBuf,
    /// How to render.
    pub render: RenderSettings,
    /// Bounds of time and memory.
    pub limits: TaskLimits,
}

/// A kind of program that renders.
pub trait Engine: Send + Sync + 'static {
    /// Starts the program and loads the scene. Dropping the future ends what it started.
    ///
    /// `events` gets everything of this session, warnings of the load included. Log lines and progress are
    /// dropped while it is full; all other events wait.
    ///
    /// A start that fails is told by its error alone: by then the program is gone, and neither
    /// [`EngineEvent::Failed`] nor [`EngineEvent::Exited`] is said. The two come by different ways, and a
    /// caller that heard the end before the reason would have to guess the reason.
    fn start(
        &self,
        request: EngineRequest,
        events: mpsc::Sender<EngineEvent>,
    ) -> BoxFuture<'static, Result<Box<dyn EngineSession>, EngineFailure>>;
}

/// A living program with its scene loaded. Dropping it kills the program.
pub trait EngineSession: Send {
    /// Hands over one frame; its result comes as an event. At most one frame is in hand at a time.
    ///
    /// # Errors
    /// The session is over, and then this is why it failed, if it did; or a frame is in hand.
    fn render(&mut self, frame: i32) -> Result<(), EngineFailure>;

    /// Kills the program and all it started, at once.
    fn kill(&mut self);
}

/// What a session says.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineEvent {
    /// The scene is loaded.
    Ready {
        /// Program and version ("Blender 3.4.1").
        engine: String,
        /// Device in words, as the program itself reported it ("CPU, 2 threads").
        device: String,
    },
    /// Something that does not stop the task.
    Warning {
        /// What kind.
        class: WarningClass,
        /// In words for the creator.
        text: String,
    },
    /// A frame began.
    FrameStarted {
        /// Which.
        frame: i32,
    },
    /// A frame is underway; at most once a second.
    Progress {
        /// Which.
        frame: i32,
        /// Part done, 0 to 1.
        done: Option<f32>,
        /// Sample and samples.
        samples: Option<(u32, u32)>,
        /// What the program does, in its words.
        text: Option<String>,
    },
    /// The process has grown so much that it should render no further frame; said before the end of the
    /// frame that showed it.
    Worn {
        /// In words: how much.
        text: String,
    },
    /// A frame's file is complete and was checked to be a picture of the wanted format.
    FrameWritten {
        /// Which.
        frame: i32,
        /// Its file, in the request's `output_dir`.
        path: PathBuf,
        /// Wall time of the frame.
        render_ms: u64,
        /// Peak memory, where the program says.
        memory_peak_bytes: Option<u64>,
    },
    /// A line of the program's output.
    Log(String),
    /// The session failed and is over.
    Failed(EngineFailure),
    /// The program is gone. Always the last event of a session that had started.
    Exited,
}

/// Why a session failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", class.words())]
pub struct EngineFailure {
    /// The class.
    pub class: FailureClass,
    /// What happened, why and what to do, in words for the creator.
    pub message: String,
    /// The frame in hand, if any.
    pub frame: Option<i32>,
}

impl EngineFailure {
    /// A failure outside any frame.
    #[must_use]
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), frame: None }
    }

    /// The same failure, in this frame.
    #[must_use]
    pub fn in_frame(self, frame: i32) -> Self {
        Self { frame: Some(frame), ..self }
    }
}

/// The class of an error of the file system or of starting a program; `otherwise` where it tells nothing.
fn class_of_io(error: &std::io::Error, otherwise: FailureClass) -> FailureClass {
    let kind = error.kind();
    if kind == std::io::ErrorKind::StorageFull || kind == std::io::ErrorKind::QuotaExceeded {
        FailureClass::DiskFull
    } else {
        otherwise
    }
}
