//! What the dispatcher is told.

use actix::Message;
use pictor_actors::ids::WorkerId;

/// Something may have changed: look whether a task can go to a slot.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Wake;

/// A slot did not take an offer: leave it alone for a while. Losing this costs another refusal.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SlotDeclined {
    /// Whose.
    pub worker: WorkerId,
    /// Which.
    pub slot: u16,
}
