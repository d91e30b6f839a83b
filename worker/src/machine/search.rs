//! Where Blender and Pythons with `bpy` may be. Only names places; nothing is started here.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Something that may turn out to be a 3D program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// The program.
    pub program: PathBuf,
    /// A Python interpreter, which counts if it has the module `bpy`.
    pub is_python: bool,
}

/// More than any machine has; bounds the probes.
pub const CANDIDATES_MAX: usize = 24;

const PYTHONS: &[&str] = &["python3", "python"];

/// Candidates: what the owner named first, then, if wanted, the PATH and the usual places. Each place once.
#[must_use]
pub fn candidates(configured: &[PathBuf], look_around: bool) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = configured.iter().flat_map(|path| in_configured(path)).collect();
    if look_around {
        let folders: Vec<_> =
            env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
        for folder in &folders {
            found.extend(program(folder.join(exe("blender")), false));
            found.extend(PYTHONS.iter().filter_map(|name| program(folder.join(exe(name)), true)));
        }
        found.extend(usual_places().into_iter().filter_map(|path| program(path, false)));
    }
    let mut seen = BTreeSet::new();
    found.retain(|candidate| seen.insert(identity(&candidate.program)));
    found.truncate(CANDIDATES_MAX);
    found
}

/// A program, or a folder that holds Blender or is a Python environment.
fn in_configured(path: &Path) -> Vec<Candidate> {
    if path.is_dir() {
        let blender = program(path.join(exe("blender")), false);
        let inside = if cfg!(windows) { "Scripts" } else { "bin" };
        let python = PYTHONS.iter().find_map(|name| program(path.join(inside).join(exe(name)), true));
        return blender.into_iter().chain(python).collect();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    program(path.to_owned(), name.starts_with("python")).into_iter().collect()
}

fn program(path: PathBuf, is_python: bool) -> Option<Candidate> {
    path.is_file().then_some(Candidate { program: path, is_python })
}

/// The folder resolved (`/bin` is often `/usr/bin`), the name not: the interpreter of a Python environment is
/// a link to one without `bpy`.
fn identity(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(|folder| fs::canonicalize(folder).ok());
    folder.map_or_else(|| path.to_owned(), |folder| folder.join(path.file_name().unwrap_or_default()))
}

fn exe(name: &str) -> String {
    format!("{name}{}", env::consts::EXE_SUFFIX)
}

fn usual_places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = ["/usr/bin/blender", "/usr/local/bin/blender", "/snap/bin/blender"]
        .into_iter()
        .chain(["/Applications/Blender.app/Contents/MacOS/Blender"])
        .map(Into::into)
        .collect();
    let mut parents: Vec<PathBuf> = vec!["/opt".into(), "/usr/local".into()];
    parents.extend(env::var_os("HOME").map(Into::into));
    for variable in ["ProgramFiles", "ProgramW6432"] {
        parents.extend(env::var_os(variable).map(|folder| PathBuf::from(folder).join("Blender Foundation")));
    }
    for parent in parents {
        // A folder of a release is named "blender-4.5.1-linux-x64" or "Blender 4.5".
        let Ok(entries) = fs::read_dir(&parent) else { continue };
        let mut named: Vec<_> = entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().to_lowercase().starts_with("blender"))
            .map(|entry| entry.path().join(exe("blender")))
            .collect();
        named.sort();
        places.extend(named);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_folder_is_a_blender_or_a_python_environment() {
        let dir = tempfile::tempdir().unwrap();
        let touch = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        let blender = touch(&exe("blender"));
        let python = touch(&format!("{}/{}", if cfg!(windows) { "Scripts" } else { "bin" }, exe("python3")));
        let found = candidates(&[dir.path().to_owned(), blender.clone(), dir.path().join("none")], false);
        assert_eq!(
            found,
            [
                Candidate { program: blender, is_python: false },
                Candidate { program: python, is_python: true },
            ]
        );
    }
}
