//! Makes sure that `templates/web/dist` (scripts, styles, icons of the pages) is there and current before it
//! is embedded. It only compares a hash of the inputs with the one in `dist/manifest.json`; where they differ
//! it runs the npm build. `PICTOR_WEB=skip` takes whatever is there, or a stub: for quick checks of the rest
//! of the crate.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The same list as in `build.mjs`.
const INPUTS: [&str; 5] = ["build.mjs", "icons.txt", "package-lock.json", "package.json", "src"];
const STUB: &str = r#"{ "input": "stub", "files": {}, "icons": [] }"#;

fn main() {
    println!("cargo::rerun-if-env-changed=PICTOR_WEB");
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates/web");
    for name in INPUTS.into_iter().chain(["dist/manifest.json"]) {
        println!("cargo::rerun-if-changed={}", web.join(name).display());
    }
    for name in ["layouts", "partials", "pages", "errors"] {
        println!("cargo::rerun-if-changed={}", web.join("..").join(name).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(why) = ensure_built(&web) {
        println!("cargo::error=templates/web: {why}");
        std::process::exit(1);
    }
}

fn ensure_built(web: &Path) -> Result<(), String> {
    let manifest = web.join("dist/manifest.json");
    if std::env::var("PICTOR_WEB").is_ok_and(|value| value == "skip") {
        return if manifest.exists() { Ok(()) } else { write_stub(&manifest).map_err(|e| e.to_string()) };
    }
    let wanted = input_hash(web).map_err(|e| format!("cannot read the inputs: {e}"))?;
    if is_current(&manifest, &wanted) {
        return Ok(());
    }
    if !installed_modules_are_current(web) {
        npm(web, &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"])?;
    }
    npm(web, &["run", "build"])?;
    if is_current(&manifest, &wanted) {
        Ok(())
    } else {
        Err("the build ran, but its manifest does not carry the hash of the inputs".to_owned())
    }
}

fn is_current(manifest: &Path, wanted: &str) -> bool {
    fs::read_to_string(manifest).is_ok_and(|text| text.contains(&format!("\"input\": \"{wanted}\"")))
}

/// npm leaves its own copy of the lock file; where ours is newer, packages changed.
fn installed_modules_are_current(web: &Path) -> bool {
    let modified = |name: &str| fs::metadata(web.join(name)).and_then(|m| m.modified());
    match (modified("node_modules/.package-lock.json"), modified("package-lock.json")) {
        (Ok(installed), Ok(wanted)) => installed >= wanted,
        _ => false,
    }
}

fn npm(web: &Path, arguments: &[&str]) -> Result<(), String> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(program).args(arguments).current_dir(web).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last =
                said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message").to_owned();
            Err(format!("`npm {}` failed: {last}", arguments.join(" ")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("npm is needed to build the pages' scripts and styles: install node 20 with npm, or set \
            PICTOR_WEB=skip \
             to build without them"
                .to_owned())
        }
        Err(error) => Err(format!("npm could not be started: {error}")),
    }
}

fn write_stub(manifest: &Path) -> io::Result<()> {
    fs::create_dir_all(manifest.parent().unwrap_or(Path::new(".")))?;
    fs::write(manifest, STUB)
}

/// FNV-1a over names and contents, ascending by name: enough to see a change, and the same few lines in
/// `build.mjs`.
fn input_hash(web: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for name in INPUTS {
        collect(&web.join(name), name, &mut files)?;
    }
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for (name, path) in files {
        eat(name.as_bytes());
        eat(&[0]);
        eat(&fs::read(path)?);
        eat(&[0]);
    }
    Ok(format!("{hash:016x}"))
}

fn collect(path: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    if !path.is_dir() {
        files.push((name.to_owned(), path.to_path_buf()));
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        collect(&entry.path(), &format!("{name}/{}", entry.file_name().to_string_lossy()), files)?;
    }
    Ok(())
}
