//! Installs what the tests and the demo need, and says so. On a system without `apt-get` it says what to
//! install.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// What is needed: a file or program that shows it is there, the Debian package that brings it, what it is
/// for.
const DEBIAN: &[(&str, &str, &str)] = &[
    ("blender", "blender", "renders in tests and in the demo"),
    ("chromium", "chromium", "browser tests"),
    ("npm", "npm", "builds the front end"),
    ("node", "nodejs", "builds the front end and drives the browser tests"),
    ("python3", "python3", "runs the bpy module as a second Blender"),
    ("/usr/lib/postgresql", "postgresql", "the store's tests run over PostgreSQL too"),
    ("/usr/share/doc/python3-venv", "python3-venv", "holds the bpy module apart"),
];

/// Version of Blender-as-a-module that the tests use beside Debian's program.
const BPY: &str = "bpy==5.0.1";

/// Everything `cargo ci test` needs.
pub fn everything(root: &Path) -> Result<()> {
    debian()?;
    cargo_tool("cargo-nextest", "cargo-nextest", "0.9.143")?;
    cargo_tool("cargo-deny", "cargo-deny", "0.20.2")?;
    bpy()?;
    web(root)
}

/// What `cargo ci demo` needs.
pub fn for_demo(root: &Path) -> Result<()> {
    debian_of(|package| matches!(package, "blender" | "npm" | "nodejs"))?;
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
        sudo.arg("apt-get");
        sudo
    } else {
        bail!(
            "installing packages needs root and there is no sudo: run `apt-get {}` as root",
            arguments.join(" ")
        );
    };
    shell::run_with(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
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

/// The Python that has the bpy module, if it is installed.
pub fn bpy_python() -> Result<PathBuf> {
    Ok(cache_folder()?.join(BPY.replace("==", "-")).join("bin/python"))
}

/// Installs the bpy module into a folder of its own. It needs the Python that its wheel was made for.
fn bpy() -> Result<()> {
    let python = bpy_python()?;
    let folder = python.parent().and_then(Path::parent).context("the bpy folder has a parent")?;
    let done = folder.join("complete");
    if done.exists() {
        return Ok(());
    }
    shell::say(&format!("installing {BPY} (once, about 400 MB)"));
    let maker = ["python3.11", "python3"]
        .into_iter()
        .find(|name| shell::has(name))
        .context("no python3 was found")?;
    let folder_text = folder.to_string_lossy();
    shell::run(maker, &["-m", "venv", "--clear", &folder_text])?;
    shell::run(&python.to_string_lossy(), &["-m", "pip", "install", "--quiet", BPY])?;
    std::fs::write(&done, BPY).context("cannot note that bpy is installed")
}

/// Builds the front end into `templates/web/dist`, from the lock file alone; does nothing if it is current.
pub fn web(root: &Path) -> Result<()> {
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
