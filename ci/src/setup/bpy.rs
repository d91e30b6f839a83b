//! Blender as a Python module, in a folder of its own beside downloads: a second Blender for the tests.
//!
//! Its wheel is made for one version of Python, so only an interpreter that says so of itself is taken. A
//! machine without one goes on without the module: what needs it is then named as not run.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::cache_folder;
use crate::shell;

/// Version of Blender-as-a-module that the tests use beside Debian's program.
const PACKAGE: &str = "bpy==5.0.1";
/// The Python that its wheel is for.
const PYTHON: &str = "3.11";
/// Names under which it may be found, the likeliest first.
const NAMES: [&str; 2] = ["python3.11", "python3"];
/// Prints the version, as in "3.11".
const ASK: &str = "import sys; print('%d.%d' % sys.version_info[:2])";

/// The Python that has the module; nothing where it is not installed.
pub fn python() -> Result<Option<PathBuf>> {
    let folder = folder()?;
    Ok(folder.join("complete").exists().then(|| folder.join("bin/python")))
}

/// Installs the module, once.
///
/// # Errors
/// In words, where there is no such Python or it cannot be fetched.
pub fn install() -> Result<()> {
    if python()?.is_some() {
        return Ok(());
    }
    let maker = maker(|name| shell::find(name).map(|_| shell::output(name, &["-c", ASK])))?;
    let folder = folder()?;
    shell::say(&format!("installing {PACKAGE} (once, about 400 MB)"));
    shell::run(maker, &["-m", "venv", "--clear", &folder.to_string_lossy()])?;
    let python = folder.join("bin/python");
    shell::run(&python.to_string_lossy(), &["-m", "pip", "install", "--quiet", "--no-input", PACKAGE])?;
    std::fs::write(folder.join("complete"), PACKAGE).context("cannot note that bpy is installed")
}

fn folder() -> Result<PathBuf> {
    Ok(cache_folder()?.join(PACKAGE.replace("==", "-")))
}

/// The first name whose interpreter says that it is the right version. `ask` gives what a name's interpreter
/// says; nothing: there is none.
fn maker(ask: impl Fn(&str) -> Option<Result<String>>) -> Result<&'static str> {
    let mut seen = Vec::new();
    for name in NAMES {
        match ask(name) {
            Some(Ok(version)) if version == PYTHON => return Ok(name),
            Some(Ok(version)) => seen.push(format!("{name} is {version}")),
            Some(Err(_)) => seen.push(format!("{name} does not run")),
            None => seen.push(format!("no {name}")),
        }
    }
    bail!(
        "{PACKAGE} needs exactly Python {PYTHON} ({}): install python{PYTHON} with its venv module, and run \
         `cargo ci setup` again",
        seen.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn only_an_interpreter_that_says_3_11_is_taken() {
        let old = |name: &str| (name == "python3").then(|| Ok("3.13".to_owned()));
        let words = maker(old).expect_err("3.13 is not 3.11").to_string();
        for wanted in ["exactly Python 3.11", "no python3.11", "python3 is 3.13", "install python3.11"] {
            assert!(words.contains(wanted), "{wanted} is not in {words}");
        }
        let plain = |name: &str| (name == "python3").then(|| Ok("3.11".to_owned()));
        assert_eq!(maker(plain).ok(), Some("python3"));
        // A shim of that name that has no such version behind it.
        let shim = |name: &str| match name {
            "python3.11" => Some(Err(anyhow!("pyenv: python3.11: command not found"))),
            _ => Some(Ok("3.11".to_owned())),
        };
        assert_eq!(maker(shim).ok(), Some("python3"));
        assert!(maker(|_| None).is_err());
    }
}
