//! Finds Blender and `bpy`, and proves each by starting it. Answers are remembered by path and time of
//! change, since each proof costs seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use pictor_actors::protocol::Software;
use serde::{Deserialize, Serialize};

use super::search::{Candidate, candidates};
use crate::engines::blender::probe::{Probed, probe};

/// Changes when a probe would answer otherwise than before.
const PROBE_VERSION: u32 = 1;

/// Where to look, and where answers are remembered.
#[derive(Debug, Clone, Default)]
pub struct SoftwareSearch {
    /// Programs, Python interpreters or folders of either that the owner named.
    pub configured: Vec<PathBuf>,
    /// Look in the PATH and the usual places too.
    pub look_around: bool,
    /// Folder for remembered answers; nothing: probe anew.
    pub cache_dir: Option<PathBuf>,
}

/// A program that was found and started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundSoftware {
    /// What is told to the cloud.
    pub software: Software,
    /// It has a denoiser (Debian's build has none).
    pub has_denoiser: bool,
    /// Why an engine is missing or the program cannot be used, in words.
    pub notes: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    probe_version: u32,
    changed_at: u128,
    /// Nothing: it is no 3D software.
    found: Option<FoundSoftware>,
}

/// Every usable Blender and `bpy`, newest version first; each probe is time-limited, so it always ends.
///
/// Probes run one after the other: each takes whole processors, and this happens once per installed program.
pub async fn find_software(search: &SoftwareSearch) -> Vec<FoundSoftware> {
    let mut found = Vec::new();
    for candidate in candidates(&search.configured, search.look_around) {
        found.extend(look_at(&candidate, search.cache_dir.as_deref()).await);
    }
    found.sort_by(|a: &FoundSoftware, b| {
        let by_version = version_key(&b.software.version).cmp(&version_key(&a.software.version));
        by_version.then_with(|| a.software.path.cmp(&b.software.path))
    });
    found
}

async fn look_at(candidate: &Candidate, cache_dir: Option<&Path>) -> Option<FoundSoftware> {
    let changed_at = changed_at(&candidate.program);
    let note = cache_dir.map(|folder| folder.join(note_name(&candidate.program)));
    if let (Some(changed_at), Some(note)) = (changed_at, &note)
        && let Some(remembered) = recall(note, changed_at)
    {
        return remembered.found;
    }
    let (found, certain) = match probe(&candidate.program, candidate.is_python).await {
        Probed::Works(found) => (Some(found), true),
        Probed::NotBlender => (None, true),
        // Perhaps the machine was busy: ask again at the next start.
        Probed::NoAnswer => (None, false),
    };
    if let (Some(changed_at), Some(note), true) = (changed_at, &note, certain) {
        remember(note, &Remembered { probe_version: PROBE_VERSION, changed_at, found: found.clone() });
    }
    found
}

fn recall(note: &Path, changed_at: u128) -> Option<Remembered> {
    let remembered: Remembered = serde_json::from_slice(&fs::read(note).ok()?).ok()?;
    (remembered.probe_version == PROBE_VERSION && remembered.changed_at == changed_at).then_some(remembered)
}

fn remember(note: &Path, remembered: &Remembered) {
    let write = || -> std::io::Result<()> {
        if let Some(folder) = note.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(note, serde_json::to_vec(remembered)?)
    };
    if let Err(error) = write() {
        tracing::warn!(%error, "an answer about installed software could not be remembered");
    }
}

fn note_name(program: &Path) -> String {
    let hash = blake3::hash(program.as_os_str().as_encoded_bytes()).to_hex();
    format!("software-{}.json", &hash[..16])
}

/// Of the program, or of the folder `bpy` was installed into, which changes with it.
fn changed_at(program: &Path) -> Option<u128> {
    let of = |path: &Path| {
        let time = fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
        time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_nanos())
    };
    let environment = program.parent().and_then(Path::parent).map(|root| root.join("lib"));
    let packages = environment.and_then(|lib| fs::read_dir(lib).ok()).into_iter().flatten().flatten();
    let newest = packages.filter_map(|entry| of(&entry.path().join("site-packages"))).max();
    of(program).max(newest)
}

fn version_key(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}
