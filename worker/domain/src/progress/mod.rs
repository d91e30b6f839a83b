//! Reads what Blender says, and decides how much of it is passed on.
//!
//! [`mod@line`] takes one line of output or one text of the `render_stats` handler apart, over the formats of
//! 3.4 to 5.x;
//! [`Tracker`] turns samples into a part done that only rises; [`ProgressGate`] and [`LineGate`] bound what
//! is sent;
//! [`verdict`] names the failure behind a message or an exit. Not here: processes, files, clocks.

pub mod gate;
pub mod line;
pub mod tracker;
pub mod verdict;

pub use gate::{LineGate, ProgressGate};
pub use line::{Line, Stats, Symptom, read_line, read_stats};
pub use tracker::Tracker;
pub use verdict::{Ending, class_of_text, verdict_of_ending};

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
