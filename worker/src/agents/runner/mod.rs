//! Owns one GPU slot: its leases, its engine process, its frames until they are in the spool.
//!
//! The rules are `pictor_worker_domain::slot`; here its effects are done. The coordinator sends it offers,
//! cancels and the order to stop; it answers with what to tell the cloud and with a report of how the slot
//! stands. A runner that is started anew has no lease and no engine (the old one died with its session): the
//! coordinator sees that from its first report.

mod actor;
mod effects;
mod engine;
mod log_batch;
mod messages;
mod report;

pub use actor::Runner;
pub use messages::{Cancelled, Offered, ReportYourself, StopAsked};
pub(super) use report::is_news;
pub use report::{SlotReport, TaskView};
