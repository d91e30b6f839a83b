//! Logs and metrics.
//!
//! Logs go to standard error, for people or as JSON lines; request, lease, job and worker ids are fields, not
//! text. Secrets never get here: types that hold one have no `Debug` that shows it. Metrics are counted in
//! [`Metrics`], which every part gets as an argument, and read at `/metrics`.

mod logs;
mod metrics;

pub use logs::{LogFormat, TelemetryError, init};
pub use metrics::Metrics;
