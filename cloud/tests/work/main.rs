//! Jobs, dispatcher and sweeps over a real store, with a fleet that only listens and a clock that tests move.
#![allow(clippy::unwrap_used, missing_docs)]

mod bench;
mod failures;
mod lives;
mod placing;
mod silence;
