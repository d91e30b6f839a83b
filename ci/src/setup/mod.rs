//! Installs what the tests and the demo need, and says so. On a system without `apt-get` it says what to
//! install. Nothing here asks a question: without a terminal it goes the same way.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

pub mod azurite;
pub mod bpy;
mod present;

/// What is needed: a file or program that shows it is there, the Debian package that brings it, what it is
/// for.
const DEBIAN: &[(&str, &str, &str)] = &[
    ("blender", "blender", "renders in tests and in the demo"),
    ("chromium", "chromium", "browser tests"),
    ("npm", "npm", "builds the front end"),
    ("node", "nodejs", "builds the front end and drives the browser tests"),
    ("python3", "python3", "runs the bpy module as a second Blender"),
    ("faketime", "faketime", "a clock that tests move"),
    ("/usr/sbin/nats-server", "nats-server", "several replicas hear of each other in tests"),
    ("/usr/lib/postgresql", "postgresql", "the store's tests run over PostgreSQL too"),
    ("/usr/share/doc/python3-venv", "python3-venv", "holds what is installed for Python apart"),
];

/// Keeps Debian's packages from asking questions.
const QUIET: &str = "DEBIAN_FRONTEND=noninteractive";

/// Everything `cargo ci test` needs. A Python with `bpy` is only tried for: [`bpy::python`] tells afterwards
/// whether it is there.
pub fn everything(root: &Path) -> Result<()> {
    debian()?;
    present::c_compiler()?;
    cargo_tool("cargo-nextest", "cargo-nextest", "0.9.143")?;
    cargo_tool("cargo-deny", "cargo-deny", "0.20.2")?;
    if let Err(why) = bpy::install() {
        shell::warn(&format!("going on without Python's bpy module: {why:#}"));
    }
    web(root)?;
    azurite::install()
}

/// What `cargo ci demo` needs.
pub fn for_demo(root: &Path) -> Result<()> {
    debian_of(|package| matches!(package, "blender" | "npm" | "nodejs"))?;
    present::c_compiler()?;
    web(root)
}

fn debian() -> Result<()> {
    debian_of(|_| true)
}

fn debian_of(is_wanted: impl Fn(&str) -> bool) -> Result<()> {
    let missing: Vec<_> =
        DEBIAN.iter().filter(|(sign, package, _)| is_wanted(package) && !is_there(sign)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    shell::say("installing missing Debian packages");
    for (_, package, purpose) in &missing {
        println!("  {package}: {purpose}");
    }
    let packages: Vec<&str> = missing.iter().map(|(_, package, _)| *package).collect();
    if !shell::has("apt-get") {
        bail!("this system has no apt-get: please install {} and run this again", packages.join(", "));
    }
    apt(&["update", "-q"])?;
    let mut install = vec!["install", "-q", "-y", "--no-install-recommends"];
    install.extend(&packages);
    apt(&install)
}

fn is_there(sign: &str) -> bool {
    if sign.starts_with('/') { Path::new(sign).exists() } else { shell::has(sign) }
}

fn apt(arguments: &[&str]) -> Result<()> {
    let is_root = shell::output("id", &["-u"])? == "0";
    let mut command = if is_root {
        Command::new("apt-get")
    } else if shell::has("sudo") {
        let mut sudo = Command::new("sudo");
        if !can_ask() {
            sudo.arg("-n");
        }
        // sudo hands no variables on.
        sudo.args(["env", QUIET, "apt-get"]);
        sudo
    } else {
        bail!(
            "installing packages needs root and there is no sudo: run `apt-get {}` as root",
            arguments.join(" ")
        );
    };
    shell::run_with(command.args(arguments).envs(QUIET.split_once('=')))
        .context("a package could not be installed: install it as root, then run this again")
}

/// Whether somebody is there to type sudo's password.
fn can_ask() -> bool {
    std::env::var_os("CI").is_none() && std::io::stdin().is_terminal()
}

fn cargo_tool(program: &str, package: &str, version: &str) -> Result<()> {
    if shell::has(program) {
        return Ok(());
    }
    shell::say(&format!("installing {package} with cargo (once, some minutes)"));
    shell::run("cargo", &["install", "--locked", package, "--version", version])
}

/// Where downloads that outlive a checkout are kept.
pub fn cache_folder() -> Result<PathBuf> {
    let base = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache),
        (_, Some(home)) => PathBuf::from(home).join(".cache"),
        _ => bail!("neither XDG_CACHE_HOME nor HOME is set: where should downloads be kept?"),
    };
    Ok(base.join("pictor-ci"))
}

/// A Python with this package, in a folder of its own; made if it is not there.
pub fn python_with(package: &str) -> Result<PathBuf> {
    let folder = cache_folder()?.join(package.replace("==", "-"));
    let (python, done) = (folder.join("bin/python"), folder.join("complete"));
    if !done.exists() {
        shell::say(&format!("installing {package} (once)"));
        shell::run("python3", &["-m", "venv", "--clear", &folder.to_string_lossy()])?;
        let install = ["-m", "pip", "install", "--quiet", "--no-input", package];
        shell::run(&python.to_string_lossy(), &install)?;
        std::fs::write(&done, package).with_context(|| format!("cannot note that {package} is installed"))?;
    }
    Ok(python)
}

/// Builds the front end into `templates/web/dist`, from the lock file alone; does nothing if it is current.
pub fn web(root: &Path) -> Result<()> {
    present::node()?;
    let folder = root.join("templates/web");
    let stamp = folder.join("node_modules/.package-lock.json");
    let lock = folder.join("package-lock.json");
    let is_stale = match (modified(&stamp), modified(&lock)) {
        (Some(installed), Some(locked)) => installed < locked,
        _ => true,
    };
    if is_stale {
        shell::say("installing the front end's npm packages");
        shell::run_with(npm(&folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    }
    npm_run(root, "build")
}

/// Runs a script of the front end's `package.json`.
pub fn npm_run(root: &Path, script: &str) -> Result<()> {
    shell::run_with(npm(&root.join("templates/web")).args(["run", "--silent", script]))
}

fn npm(folder: &Path) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(folder);
    command
}

fn modified(file: &Path) -> Option<std::time::SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}
