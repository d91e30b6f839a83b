//! What makes an actix actor trustworthy: whoever needs it holds a [`Door`], not an address, and a keeper
//! behind the door starts the actor anew when it panics, stops or no longer answers.
//!
//! Why not actix's own `Supervisor`: after a panic it does not restart (the address is dead for good), and
//! after a stop it keeps the same struct. Here an actor is always made by its factory, which reads what it
//! needs from where the truth lies (the database, the disk). Messages queued in an actor that died are lost:
//! requests must be repeatable.
//!
//! A spent [`RestartBudget`] triggers the whole [`Shutdown`] tree: the process ends with a reason, it never
//! limps. Everything here must be called on a thread with a `LocalSet` (an actix arbiter); doors may go
//! anywhere.

mod budget;
mod door;
mod health;
mod keeper;
mod shutdown;

pub use budget::{RestartBudget, RestartsSpent, Spending};
pub use door::{Door, DoorError, KeptState, LastEnd, Restarts};
pub use keeper::{BuildError, Gone, Keeping, keep};
pub use shutdown::{Holding, Phase, Shutdown, StopReason, StopReport};
