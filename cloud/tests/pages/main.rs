//! Every template in strict mode, with ordinary and with hostile values; the documents are checked, and
//! written to a folder where `PICTOR_RENDER_TO` names one, to look at them without a cloud. And what forms
//! and live pieces of a running cloud do.
#![allow(clippy::unwrap_used, missing_docs)]

mod forms;
#[path = "../api/harness/mod.rs"]
mod harness;
mod live;
mod samples;
mod templates;
