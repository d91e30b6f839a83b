//! The control plane of a Pictor farm.
//!
//! `domain ← store ← agents ← http ← boot`, `domain ← views ← http`: dependencies run one way.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod agents;
pub mod blobs;
pub mod boot;
pub mod bus;
pub mod cli;
pub mod config;
pub mod http;
pub mod ingest;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod upkeep;
pub mod views;
