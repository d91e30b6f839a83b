//! Where the programs are, and what can be seen of a running one.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// Where the programs are.
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds them. Optimised programs are for measuring; the demo takes the quick build.
    pub fn build(root: &Path, is_release: bool) -> Result<Self> {
        let mut arguments =
            vec!["build", "--workspace", "--bins", "--exclude", "ci", "--exclude", "ci-plain"];
        if is_release {
            arguments.push("--release");
        }
        crate::shell::run("cargo", &arguments)?;
        Ok(Self::built(root, is_release))
    }

    /// Those of an earlier [`Programs::build`].
    pub fn built(root: &Path, is_release: bool) -> Self {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Self { folder: target.join(if is_release { "release" } else { "debug" }) }
    }

    /// Those that lie there.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.into() }
    }

    /// Those that were built together with the running test.
    pub fn beside_the_test() -> Result<Self> {
        let test = std::env::current_exe().context("a test knows its file")?;
        let folder = test.parent().and_then(Path::parent).context("a test lies two folders deep")?;
        Ok(Self { folder: folder.into() })
    }

    /// A command that runs one of them.
    pub fn command(&self, name: &str) -> Command {
        Command::new(self.folder.join(name))
    }
}

/// Processes whose parent is this one, and theirs, with their command lines.
pub fn children(parent: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let mut parents = vec![parent];
    let all = processes();
    while let Some(parent) = parents.pop() {
        for (process, _, line) in all.iter().filter(|(_, of, _)| *of == parent) {
            parents.push(*process);
            found.push((*process, line.clone()));
        }
    }
    found
}

/// Whether a process with this number runs (a zombie does not).
pub fn is_alive(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
        !matches!(stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()), Some('Z' | 'X'))
    })
}

fn processes() -> Vec<(u32, u32, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers
        .filter_map(|process| {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?;
            let line = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
            Some((process, parent, line.replace('\0', " ")))
        })
        .collect()
}
