//! The Blender engine against a real Blender (Debian's 3.4.1 or whatever `blender` is on the PATH) and, where
//! `PICTOR_TEST_BPY_PYTHON` names a Python, against its module `bpy`.
//!
//! Scenes are made by Blender itself, once, from `../scenes/make.py`; they are tiny, since what is tested is
//! the way around the pixels.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    missing_docs
)]

mod devices;
mod disk;
mod endings;
mod failures;
mod frames;
mod host;
mod life;
mod module;
mod module_failures;
mod settings;
mod software;
mod support;
