//! Purity: the domain crates' manifests name no runtime, and their code reads no clock and makes no random
//! number.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Finding, Source};

/// Everything a pure crate may depend on.
const ALLOWED: &[&str] = &["pictor-actors", "thiserror"];
/// What the manifests alone cannot keep out.
const FORBIDDEN: &[(&str, &str)] = &[
    (".await", "no async"),
    ("async fn", "no async"),
    ("::now()", "the time comes in as an argument"),
    ("SystemClock", "the time comes in as an argument"),
    ("::generate()", "ids come in with the event"),
    ("std::fs", "no I/O"),
    ("std::net", "no I/O"),
    ("std::env", "no settings"),
    ("std::thread", "no threads"),
    ("HashMap", "ordered maps only"),
    ("HashSet", "ordered sets only"),
];

/// Manifests and sources of the pure crates.
pub fn check(root: &Path, sources: &[Source]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for side in ["cloud", "worker"] {
        findings.extend(manifest(root, &format!("{side}/domain/Cargo.toml"))?);
        let folder = format!("{side}/domain/src/");
        for source in sources.iter().filter(|source| source.path.starts_with(&folder)) {
            findings.extend(code(source));
        }
    }
    Ok(findings)
}

fn manifest(root: &Path, path: &str) -> Result<Vec<Finding>> {
    let text = std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))?;
    let manifest: toml::Table = text.parse().with_context(|| format!("{path} is not TOML"))?;
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    Ok(dependencies
        .into_iter()
        .flat_map(toml::Table::keys)
        .filter(|name| !ALLOWED.contains(&name.as_str()))
        .map(|name| Finding::new(path, format!("a pure crate must not depend on {name}")))
        .collect())
}

fn code(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in source.production().iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (name, reason) in FORBIDDEN {
            if code.contains(name) {
                findings.push(Finding::new(
                    format!("{}:{}", source.path, number + 1),
                    format!("{name}: {reason}"),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_in_pure_code_is_found() {
        let source =
            |text: &str| Source { path: "cloud/domain/src/job/machine.rs".into(), text: text.into() };
        assert_eq!(code(&source("let now = Instant::now();\n")).len(), 1);
        assert_eq!(code(&source("/// not `Instant::now()`\nlet now = event.now;\n")).len(), 0);
    }
}
