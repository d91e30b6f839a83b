//! For the tests of every crate: time that tests move, actors that listen, failures by plan.

mod faults;
mod manual_clock;
mod probe;
mod virtual_time;

pub use faults::FaultPlan;
pub use manual_clock::ManualClock;
pub use probe::Probe;
pub use virtual_time::{VirtualClock, virtual_time};
