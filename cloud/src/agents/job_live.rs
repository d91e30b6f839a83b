//! A job as it is this moment, beyond what its row says. Filled by the job's actor.

use pictor_actors::ids::{TaskId, WorkerId};
use pictor_actors::units::UnixMillis;

/// A live job as it is this moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobLive {
    /// Expected end; `None` while no frame time is known.
    pub eta: Option<UnixMillis>,
    /// Frames that are being rendered.
    pub in_hand: Vec<InHand>,
    /// Why ready tasks wait, in words; empty when nothing waits.
    pub waiting: Vec<String>,
}

/// A frame that is being rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct InHand {
    /// Of this task.
    pub task: TaskId,
    /// By this worker.
    pub worker: WorkerId,
    /// Which.
    pub frame: i32,
    /// Part done, 0 to 1; `None` where the engine does not say.
    pub done: Option<f32>,
}
