//! What must hold before any test is run: form, lints, documentation, house rules, licences, advisories.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{containers, setup, shell, tidy};

/// Every check, the quick ones first.
pub fn run(root: &Path) -> Result<()> {
    shell::say("formatting");
    shell::run("cargo", &["fmt", "--all", "--check"])?;
    shell::say("house rules");
    tidy::run(root)?;
    containers::check(root)?;
    setup::web(root)?;
    shell::say("front end: types and formatting");
    setup::npm_run(root, "check")?;
    setup::npm_run(root, "format:check")?;
    shell::say("lints");
    shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    shell::say("the wire without a runtime");
    let bare = ["check", "--quiet", "-p", "pictor-actors", "--no-default-features"];
    shell::run_with(Command::new("cargo").args(bare).env("RUSTFLAGS", "-D warnings").env(
        "CARGO_TARGET_DIR",
        // A folder of its own: other flags would throw away everything that is built.
        root.join("target/bare"),
    ))?;
    shell::say("documentation");
    let doc = ["doc", "--workspace", "--no-deps", "--quiet"];
    shell::run_with(Command::new("cargo").args(doc).env("RUSTDOCFLAGS", "-D warnings"))?;
    deny(root)
}

/// Licences, bans and sources always; advisories from the snapshot beside the checkout, else from the
/// network.
fn deny(root: &Path) -> Result<()> {
    shell::say("licences, bans, sources");
    // Offline from here on; the graph names crates of systems that are not built here.
    shell::run("cargo", &["fetch", "--locked", "--quiet"])?;
    shell::run("cargo-deny", &["--offline", "check", "licenses", "bans", "sources"])?;
    shell::say("advisories");
    let Some(snapshot) = advisory_snapshot(root)? else {
        if shell::run("cargo-deny", &["fetch", "db"]).is_err() {
            // Said, not failed: a machine without a network could otherwise check nothing at all.
            println!("NOT CHECKED: no snapshot in ../shared/data, and the database cannot be fetched");
            return Ok(());
        }
        return shell::run("cargo-deny", &["check", "advisories"]);
    };
    let folder = unpack(&snapshot)?;
    // The folder is given by a configuration made here, because its place differs from machine to machine.
    let text = std::fs::read_to_string(root.join("deny.toml")).context("cannot read deny.toml")?;
    let line = format!("[advisories]\ndb-path = \"{}\"", folder.display());
    let config = folder.join("deny.toml");
    std::fs::write(&config, text.replace("[advisories]", &line)).context("cannot write a configuration")?;
    let config = config.to_string_lossy();
    shell::run("cargo-deny", &["--offline", "--config", &config, "check", "advisories"])
}

fn advisory_snapshot(root: &Path) -> Result<Option<PathBuf>> {
    let Some(folder) =
        root.parent().map(|parent| parent.join("shared/data")).filter(|folder| folder.is_dir())
    else {
        return Ok(None);
    };
    let mut newest = None;
    for entry in std::fs::read_dir(&folder).context("cannot list shared/data")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("rustsec-advisory-db-") && name.ends_with(".tar.zst") {
            newest = newest.max(Some(path));
        }
    }
    Ok(newest)
}

/// Unpacks the snapshot as the git checkout that cargo-deny expects; once for each snapshot.
fn unpack(snapshot: &Path) -> Result<PathBuf> {
    let name = snapshot.file_name().unwrap_or_default().to_string_lossy().replace(".tar.zst", "");
    let folder = setup::cache_folder()?.join(name);
    // The name that cargo-deny derives from the database's usual address.
    let checkout = folder.join("advisory-db-3157b0e258782691");
    if checkout.join(".git/FETCH_HEAD").exists() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&checkout).context("cannot make the advisories' folder")?;
    let (archive, into) = (snapshot.to_string_lossy(), checkout.to_string_lossy());
    shell::run("tar", &["--zstd", "-xf", &archive, "-C", &into])?;
    let git = |arguments: &[&str]| {
        let identity =
            ["-c", "user.name=ci", "-c", "user.email=ci@pictor.invalid", "-c", "commit.gpgsign=false"];
        shell::run_with(Command::new("git").arg("-C").arg(&checkout).args(identity).args(arguments))
    };
    git(&["init", "--quiet"])?;
    git(&["add", "--all"])?;
    git(&["commit", "--quiet", "--message", "advisories"])?;
    let head = shell::output("git", &["-C", &into, "rev-parse", "HEAD"])?;
    std::fs::write(checkout.join(".git/FETCH_HEAD"), format!("{head}\t\tbranch 'main'\n"))
        .context("cannot date the advisories")?;
    Ok(folder)
}
