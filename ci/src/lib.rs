//! The project's own tool, run as `cargo ci …`.
//!
//! It knows how to set a machine up, check the house rules, run every test, show the product at work and
//! measure it. It is compiled before anything else, so it depends on little; what it runs are the same
//! binaries a user runs. It is a library too, so that the end-to-end tests drive farms of real programs with
//! the same code as the demo.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a command-line tool: printing is what it is for

pub mod bench;
pub mod check;
pub mod containers;
pub mod demo;
pub mod farm;
pub mod nats;
pub mod postgres;
pub mod proxy;
pub mod setup;
pub mod shell;
pub mod soak;
pub mod test;
pub mod tidy;
