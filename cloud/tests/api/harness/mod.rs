//! A cloud for tests. Other test binaries use it too:
//! `#[path = "../api/harness/mod.rs"] mod harness;`
//!
//! ```ignore
//! let app = TestApp::start().await;
//! let browser = app.sign_in().await;            // a session of the owner, all roles
//! let program = app.token("jobs").await;        // an API token of the owner
//! let worker = app.worker().await;              // a connected worker of the owner
//! let page = browser.get("/workers").await;
//! assert_eq!(page.status, 200, "{page}");
//! ```
#![allow(dead_code, unused_imports)] // no test binary uses all of it

mod app;
mod client;
mod seed;

pub use app::{BlobsLayer, TestApp, TestClock};
pub use client::{Client, Reply};
pub use seed::{PASSWORD, Person, SeedJob, TestWorker};
