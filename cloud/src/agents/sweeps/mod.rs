//! What is put right again and again, without being told: expired leases, stale uploads, rows that are merely
//! old, blobs that nothing refers to.
//!
//! Each sweep takes no input and may run twice; a pass is bounded and what is left waits for the next one.

mod leases;
mod stale;
mod unused;

pub use leases::ExpiredLeases;
pub use stale::Stale;
pub use unused::Unused;

use std::path::PathBuf;
use std::sync::Arc;

use pictor_actors::periodic::Periodic;
use pictor_actors::units::Millis;

use super::ports::{Ports, WorkDoors};
use crate::blobs::Blobs;

/// How often expired leases are looked for: short beside the time a silent worker keeps them.
const LEASES_EVERY: Millis = Millis::from_secs(2);
/// How often what is merely old is looked for.
const STALE_EVERY: Millis = Millis::from_secs(600);

/// Starts all sweeps; they end with the shutdown. On a thread with a `LocalSet`.
pub fn start(ports: &Ports, doors: &WorkDoors, blobs: Arc<dyn Blobs>, thumbnails_dir: PathBuf) {
    let sweep = ExpiredLeases::new(ports.clone(), doors.clone());
    let (periodic, _) = Periodic::new(LEASES_EVERY);
    let act = move |_| sweep.clone().pass();
    actix_rt::spawn(periodic.run("sweep of leases", ports.shutdown.clone(), jitter, act));
    let (store, clock) = (ports.store.clone(), Arc::clone(&ports.clock));
    let sweep = Unused::new(store.clone(), Arc::clone(&blobs), Arc::clone(&clock), thumbnails_dir);
    let (periodic, _) = Periodic::new(STALE_EVERY);
    let act = move |_| sweep.clone().pass();
    actix_rt::spawn(periodic.run("sweep of what is unused", ports.shutdown.clone(), jitter, act));
    let sweep = Stale::new(store, blobs, clock);
    let (periodic, _) = Periodic::new(STALE_EVERY);
    let act = move |_| sweep.clone().pass();
    actix_rt::spawn(periodic.run("sweep of what is old", ports.shutdown.clone(), jitter, act));
}

/// Up to a second, so that several processes do not sweep at once.
fn jitter() -> Millis {
    Millis(getrandom::u64().unwrap_or(0) % 1_000)
}
