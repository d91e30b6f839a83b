//! The house rules that a tool can check. Each finding names the place, the rule and what to do.

mod layers;
mod migrations;
mod purity;
mod routes;
mod sizes;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A broken rule.
pub struct Finding {
    place: String,
    rule: String,
}

impl Finding {
    fn new(place: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { place: place.into(), rule: rule.into() }
    }
}

/// One source file of the project.
pub struct Source {
    /// Path below the root, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// Lines before the file's inline tests; nothing of a file that holds tests only.
    fn production(&self) -> Vec<&str> {
        if is_test_path(&self.path) {
            return Vec::new();
        }
        let lines: Vec<&str> = self.text.lines().collect();
        let end = lines.windows(2).position(|pair| {
            pair[0].trim_start().starts_with("#[cfg(test)]")
                && pair[1].trim_start().starts_with("mod ")
                && pair[1].trim_end().ends_with('{')
        });
        lines[..end.unwrap_or(lines.len())].to_vec()
    }
}

fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "testing") || path.ends_with("/tests.rs")
}

/// Checks every rule and fails if one is broken.
pub fn run(root: &Path) -> Result<()> {
    let sources = sources(root)?;
    let mut findings = sizes::check(&sources);
    findings.extend(sizes::folders(root)?);
    findings.extend(layers::check(&sources));
    findings.extend(purity::check(root, &sources)?);
    findings.extend(routes::check(&sources));
    findings.extend(migrations::check(root)?);
    for finding in &findings {
        println!("{}: {}", finding.place, finding.rule);
    }
    if findings.is_empty() {
        println!("tidy: {} files, nothing to say", sources.len());
        return Ok(());
    }
    bail!("tidy: {} findings", findings.len())
}

/// Files that git tracks or would track, below the root.
fn listed(root: &Path) -> Result<Vec<PathBuf>> {
    let root_text = root.to_string_lossy();
    let arguments = ["-C", &root_text, "ls-files", "--cached", "--others", "--exclude-standard"];
    let list = crate::shell::output("git", &arguments)?;
    Ok(list.lines().map(PathBuf::from).filter(|path| root.join(path).is_file()).collect())
}

fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in listed(root)? {
        let is_source = path
            .extension()
            .is_some_and(|ending| ["rs", "ts", "css", "py", "mjs"].iter().any(|e| ending == *e));
        if is_source {
            let text = std::fs::read_to_string(root.join(&path))
                .with_context(|| format!("cannot read {}", path.display()))?;
            sources.push(Source { path: path.to_string_lossy().replace('\\', "/"), text });
        }
    }
    Ok(sources)
}
