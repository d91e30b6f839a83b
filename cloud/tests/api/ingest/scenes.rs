//! Scenes and frames made by the installed Blender, once for all tests: making them takes seconds.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The bytes of a file that Blender made (`scenes.py` says which there are); nothing, said so, where there is
/// no Blender.
pub fn made(name: &str) -> Option<Vec<u8>> {
    let folder = folder()?;
    Some(std::fs::read(folder.join(name)).unwrap())
}

fn folder() -> Option<PathBuf> {
    let script = include_str!("scenes.py");
    let name = &blake3::hash(script.as_bytes()).to_hex()[..16];
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scenes-{name}"));
    if folder.is_dir() {
        return Some(folder);
    }
    let aside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/ingest/scenes.py");
    let blender = Command::new("blender")
        .args(["-b", "--factory-startup", "--python-exit-code", "9", "--python"])
        .arg(script)
        .arg("--")
        .arg(aside.path())
        .output();
    let Ok(output) = blender else {
        #[allow(clippy::print_stderr)] // a skipped test says so
        {
            eprintln!("SKIPPED: there is no blender on the path");
        }
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    // Another test may have been quicker: then its folder is as good.
    let _ = std::fs::rename(aside.path(), &folder);
    assert!(folder.is_dir());
    Some(folder)
}
