//! The workers' socket, as a worker sees it.

mod enrolling;
pub mod fake;
mod holding;
mod opening;
mod talking;
mod transcript;
