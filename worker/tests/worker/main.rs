//! A whole worker in this process, with a simulated engine, against a cloud that speaks the real protocol.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, missing_docs)]

#[cfg(unix)]
mod asking;
mod cloud;
mod doctor;
mod enrolment;
#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod inputs;
mod life;
mod lines;
mod log;
#[cfg(unix)]
mod software;
mod status;
mod storage;
mod support;
