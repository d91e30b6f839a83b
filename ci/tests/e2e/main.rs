//! End to end: real programs, real Blender, real databases, real sockets, a real browser.
//!
//! Every test has a farm of its own on free ports in a folder of its own. Run them with `cargo ci test`,
//! which builds the programs beside this test and starts PostgreSQL.
#![allow(clippy::unwrap_used, missing_docs, clippy::print_stdout)]

mod browser;
mod client;
mod containers;
mod crash;
mod enrolment;
mod failures;
mod faults;
mod harness;
mod network;
mod postgres;
mod renders;
mod replicas;
mod simulated;
mod storage;
