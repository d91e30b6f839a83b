//! Running other programs so that a reader sees what is run and a failure names it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Goes to the workspace's root, so that paths mean the same from wherever the tool was called.
pub fn enter_root() -> Result<PathBuf> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the ci crate lies in the workspace")?;
    std::env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))?;
    Ok(root.to_path_buf())
}

/// A headline between steps.
pub fn say(text: &str) {
    println!("\x1b[1m==> {text}\x1b[0m");
}

/// Something that the reader must not miss, on standard error.
pub fn warn(text: &str) {
    eprintln!("\x1b[1;33mWARNING:\x1b[0m {text}");
}

/// Runs a program with its output shown; an error names it.
pub fn run(program: &str, arguments: &[&str]) -> Result<()> {
    run_with(Command::new(program).args(arguments))
}

/// The same for a prepared command.
pub fn run_with(command: &mut Command) -> Result<()> {
    println!("\x1b[2m$ {}\x1b[0m", shown(command));
    forget_own_package(command);
    let started = started_now();
    // Nothing that is run here may wait for an answer.
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    println!("\x1b[2m  took {:.1} s\x1b[0m", started.elapsed().as_secs_f64());
    Ok(())
}

/// What a program prints on standard output, trimmed; an error holds what it said on standard error.
pub fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot start {}", shown(&command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{} ended with {}: {said}", shown(&command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program of this name is on the PATH.
pub fn has(program: &str) -> bool {
    find(program).is_some()
}

/// Where a program of this name lies.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The steady clock, for telling how long a step took.
#[allow(clippy::disallowed_methods)] // the tool is no part of the product, and its times are only shown
pub fn started_now() -> Instant {
    Instant::now()
}

/// What `cargo run` tells of this tool's own package is not for a cargo that the tool runs: a build script
/// that looks there (ring's does) would run anew, and all that needs it be compiled anew, at each change
/// between `cargo ci` and `cargo`.
fn forget_own_package(command: &mut Command) {
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(told)) {
        command.env_remove(name);
    }
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
