//! The program `pictor-cloud` as people and scripts run it: its lines, its exit codes, its signals.
#![allow(clippy::unwrap_used, missing_docs)]

mod admin;
#[allow(dead_code)] // no test binary uses all of it
#[path = "../api/link/fake.rs"]
mod fake;
mod full_disk;
#[path = "../api/harness/mod.rs"]
mod harness;
mod program;
mod serve;
mod settings;
mod upkeep;
