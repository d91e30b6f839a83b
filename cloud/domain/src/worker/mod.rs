//! A worker in the eyes of the cloud: its leases, its standing (does it fail too often?) and its status in
//! one word.

pub mod holdings;
pub mod standing;
pub mod status;

pub use standing::{FAILURES_IN_ROW_MAX, REST_FOR, Rest, Standing};
pub use status::{Status, StatusFacts, StatusWord};
