//! What the cloud and the worker share; it knows neither.
//!
//! - [`ids`], [`units`], [`limits`], [`now`], [`backoff`]: the words both ends agree on.
//! - [`protocol`]: the wire between worker and cloud, serde only.
//! - with feature `runtime`: what makes an actix actor trustworthy (`supervise`, `periodic`, `debounce`,
//!   `fanout`).
//! - with feature `testing`: helpers for tests of every crate.
//!
//! Not here: job or scheduling rules, settings, SQL, HTTP, rendering, any concrete actor.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod backoff;
#[cfg(feature = "runtime")]
pub mod debounce;
#[cfg(feature = "runtime")]
pub mod fanout;
pub mod faults;
pub mod ids;
pub mod limits;
pub mod now;
#[cfg(feature = "runtime")]
pub mod periodic;
pub mod protocol;
#[cfg(feature = "runtime")]
pub mod supervise;
#[cfg(feature = "testing")]
pub mod testing;
pub mod units;
