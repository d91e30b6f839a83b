//! What is called for: workers, jobs, frames.

mod frames;
mod jobs;
mod queries;
mod workers;
