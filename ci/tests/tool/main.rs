//! The tool itself, run as its users run it: on machines that lack something, and ended in every way.
#![allow(clippy::unwrap_used, missing_docs, clippy::print_stdout)]

mod endings;
mod measures;
mod setup;
