//! The farm's actors, all on one thread, and the [`Farm`] through which the rest of the cloud speaks with
//! them.
//!
//! - [`worker_node`]: one actor per worker that was connected lately; [`fleet`]: all of them together.
//! - [`jobs`]: one actor per live job; [`dispatcher`]: which task goes to which slot; [`sweeps`]: what is put
//!   right again and again.
//! - [`broadcast`]: live events to open pages; [`replicas`]: the other processes on the same database.
//!
//! Not here: the rules they follow (`pictor_cloud_domain`), SQL (`store`), sockets and requests (`http`).

pub mod broadcast;
pub mod dispatcher;
pub mod farm;
pub mod fleet;
pub mod job_live;
pub mod jobs;
pub mod ports;
pub mod replicas;
mod start;
pub mod sweeps;
mod wiring;
mod worker_counts;
pub mod worker_live;
pub mod worker_node;

pub use broadcast::{Announce, LiveEvent, Topic};
pub use farm::{Busy, Farm, FarmParts, LinkOpened};
pub use job_live::{InHand, JobLive};
pub use worker_live::{Connection, SlotLive, Standing, WorkerLive};
