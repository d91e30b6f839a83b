//! Every template in strict mode, with ordinary and with hostile values; the documents are checked, and
//! written to a folder where `PICTOR_RENDER_TO` names one, to look at them without a cloud.
#![allow(clippy::unwrap_used, missing_docs)]

mod samples;
mod templates;
