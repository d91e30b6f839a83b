//! Paths of input files: which are allowed, where blobs lie, and how a job's folder is made of links.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pictor_actors::ids::JobId;
use pictor_actors::protocol::assignment::InputManifest;
use pictor_actors::units::BlobHash;

/// Bytes in one part of a path that every file system takes.
const PART_BYTES_MAX: usize = 255;
/// Bytes in a whole path.
const PATH_BYTES_MAX: usize = 1024;
/// Names that are devices on Windows, whatever their ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// A path that an input may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("input file {path:?} {why}")]
pub struct BadPath {
    /// The path.
    pub path: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The path of an input below its job's folder: relative, with `/`, and unable to leave the folder on any
/// system.
pub fn checked_path(path: &str) -> Result<PathBuf, BadPath> {
    let bad = |why| Err(BadPath { path: path.chars().take(200).collect(), why });
    if path.is_empty() || path.len() > PATH_BYTES_MAX {
        return bad("has an empty or too long path");
    }
    if path.chars().any(|letter| letter.is_control() || matches!(letter, '\\' | ':')) {
        return bad("has a letter in its path that is not allowed");
    }
    let mut checked = PathBuf::new();
    for part in path.split('/') {
        if matches!(part, "" | "." | "..") {
            return bad("has a path that leaves its folder");
        }
        if part.len() > PART_BYTES_MAX {
            return bad("has a name that is too long");
        }
        let stem = part.split('.').next().unwrap_or(part).to_ascii_lowercase();
        let device = stem.trim_end_matches(|last: char| last.is_ascii_digit()).to_owned();
        let is_numbered = device.len() < stem.len();
        if DEVICES.contains(&device.as_str())
            && (is_numbered || stem.len() == 3 && !matches!(&*stem, "com" | "lpt"))
        {
            return bad("has the name of a device");
        }
        checked.push(part);
    }
    Ok(checked)
}

/// Whether the whole list is allowed: each path, none twice, none both file and folder, the scene among them.
pub(super) fn check(manifest: &InputManifest) -> Result<(), BadPath> {
    let bad = |path: &str, why| Err(BadPath { path: path.to_owned(), why });
    let mut files = BTreeSet::new();
    for file in &manifest.files {
        if !files.insert(checked_path(&file.path)?) {
            return bad(&file.path, "is there twice");
        }
    }
    for file in &files {
        if file.ancestors().skip(1).any(|folder| files.contains(folder)) {
            return bad(&file.display().to_string(), "lies below another file");
        }
    }
    if !files.contains(&checked_path(&manifest.main)?) {
        return bad(&manifest.main, "is the scene and is not there");
    }
    Ok(())
}

pub(super) fn blob_path(folder: &Path, hash: BlobHash) -> PathBuf {
    folder.join("blobs").join(hash.to_string())
}

pub(super) fn folder_of(folder: &Path, job: JobId, manifest: BlobHash) -> PathBuf {
    let short: String = manifest.to_string().chars().take(12).collect();
    folder.join("jobs").join(format!("{job}-{short}"))
}

/// Makes the job's folder of links to blobs. It is built aside and renamed, so a folder that is there is
/// whole.
pub(super) fn lay_out(cache: &Path, place: &Path, manifest: &InputManifest) -> io::Result<()> {
    if place.is_dir() && manifest.files.iter().all(|file| is_laid(&place.join(&file.path), file.size)) {
        return Ok(());
    }
    let aside = place.with_extension("tmp");
    for rest in [&aside, &place.to_owned()] {
        match fs::remove_dir_all(rest) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    fs::create_dir_all(&aside)?;
    for file in &manifest.files {
        let relative = checked_path(&file.path).map_err(|bad| io::Error::other(bad.to_string()))?;
        let target = aside.join(relative);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let blob = blob_path(cache, file.hash);
        // Links fail across file systems and where there are none: a copy does the same for more room.
        if fs::hard_link(&blob, &target).is_err() {
            fs::copy(&blob, &target)?;
        }
    }
    fs::rename(&aside, place)
}

fn is_laid(path: &Path, size: u64) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() == size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pictor_actors::protocol::assignment::InputFile;

    #[test]
    fn only_paths_that_stay_inside_are_allowed() {
        for good in
            ["scene.blend", "textures/wood.png", "a b/ü.exr", "con.d/communal.png", "...", "a/.hidden"]
        {
            if good.starts_with("con.") {
                assert!(checked_path(good).is_err(), "{good}");
            } else {
                assert!(checked_path(good).is_ok(), "{good}");
            }
        }
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a//b",
            "./a",
            "a/.",
            "C:/x",
            "C:x",
            "a\\b",
            "a\0b",
            "NUL",
            "aux.png",
            "com1",
            "x/lpt9.txt",
            "a\nb",
        ] {
            assert!(checked_path(bad).is_err(), "{bad:?}");
        }
        assert!(checked_path(&"x".repeat(256)).is_err() && checked_path(&"x/".repeat(600)).is_err());
    }

    #[test]
    fn a_list_must_fit_together() {
        let manifest = |main: &str, paths: &[&str]| InputManifest {
            main: main.to_owned(),
            files: paths
                .iter()
                .map(|path| InputFile {
                    path: (*path).to_owned(),
                    hash: BlobHash::from_bytes([0; 32]),
                    size: 0,
                })
                .collect(),
        };
        assert!(check(&manifest("a.blend", &["a.blend", "t/x.png"])).is_ok());
        assert!(check(&manifest("b.blend", &["a.blend"])).is_err());
        assert!(check(&manifest("a", &["a", "a"])).is_err());
        assert!(check(&manifest("a", &["a", "a/b"])).is_err());
        assert!(check(&manifest("a", &["a", "../b"])).is_err());
    }
}
