//! What the cloud and the worker share; it knows neither.
//!
//! - [`ids`], [`units`], [`limits`], [`now`], [`backoff`]: the words both ends agree on.
//! - [`protocol`]: the wire between worker and cloud, serde only.
//! - with feature `runtime`: what makes an actix actor trustworthy (`supervise`, `periodic`, `debounce`, `fanout`).
//! - with feature `testing`: helpers for tests of every crate.
//!
//! Not here: job or scheduling rules, settings, SQL, HTTP, rendering, any concrete actor.

pub mod backoff;
pub mod ids;
pub mod limits;
pub mod now;
pub mod protocol;
pub mod units;
