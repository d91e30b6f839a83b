//! The HTTP API as its clients see it: a real server on a free port with its own database and a real farm,
//! spoken to over HTTP only. One binary for all of it, since each test binary links the whole cloud.
#![allow(clippy::unwrap_used, missing_docs)]

mod harness;

mod callers;
mod edges;
mod health;
mod ingest;
mod link;
mod live;
mod openapi;
mod resources;
mod walk;
