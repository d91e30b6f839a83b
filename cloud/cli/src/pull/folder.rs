//! The folder that a job's frames go to: never one in which they would take the place of something else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pictor_cloud_api::jobs::{Frame, Job};

use crate::error::{Failure, Kind};

/// Characters from the end of a job's id: those of jobs made in one moment differ there.
const SHORT_ID_CHARS: usize = 8;

/// A folder and what is in it already.
#[derive(Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where.
    pub path: PathBuf,
    /// Frames of the job that are there, whole.
    pub here: BTreeSet<i32>,
}

/// The folder asked for, else one of the job's name, else one of its name and the end of its id: the first
/// that holds nothing in the place of the job's frames. `frames`: all of the job.
///
/// # Errors
/// Something else is in their place in all of them.
pub fn choose(job: &Job, frames: &[Frame], asked: Option<&Path>) -> Result<Folder, Failure> {
    let name = safe_name(&job.name);
    let tail = job.id.get(job.id.len().saturating_sub(SHORT_ID_CHARS)..).unwrap_or(&job.id);
    let candidates = match asked {
        Some(asked) => vec![asked.to_owned()],
        None => vec![PathBuf::from(&name), PathBuf::from(format!("{name}-{}", safe_name(tail)))],
    };
    let mut in_the_way = None;
    for path in candidates {
        match look(&path, frames) {
            Ok(here) => return Ok(Folder { path, here }),
            Err(other) => in_the_way = Some(other),
        }
    }
    Err(taken(&in_the_way.unwrap_or_default()))
}

/// A refusal to overwrite this file.
pub fn taken(file: &Path) -> Failure {
    let words = format!(
        "{} is something else than this job's frame: name another folder with --out, or move it away",
        file.display()
    );
    Failure::new(Kind::Conflict, words)
}

/// The frames that the folder holds, or the first file that is in the place of one.
fn look(folder: &Path, frames: &[Frame]) -> Result<BTreeSet<i32>, PathBuf> {
    let mut here = BTreeSet::new();
    for frame in frames {
        let file = folder.join(safe_name(&frame.file_name));
        if !is_there(&file) {
            continue;
        }
        match &frame.blake3 {
            Some(hash) if has_hash(&file, hash) => drop(here.insert(frame.frame)),
            Some(_) | None => return Err(file),
        }
    }
    Ok(here)
}

/// Something has this name, be it a broken link.
pub fn is_there(file: &Path) -> bool {
    std::fs::symlink_metadata(file).is_ok()
}

/// Whether the file's bytes are the wanted ones; read in pieces.
pub fn has_hash(file: &Path, wanted: &str) -> bool {
    let mut hasher = blake3::Hasher::new();
    let hashed = std::fs::File::open(file).and_then(|opened| std::io::copy(&mut { opened }, &mut hasher));
    hashed.is_ok() && hasher.finalize().to_hex().as_str() == wanted
}

/// A name that cannot leave the folder, whatever the server says.
pub fn safe_name(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') { c } else { '_' })
        .collect();
    let kept = kept.trim_matches(['.', ' ']);
    if kept.is_empty() { "frames".to_owned() } else { kept.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leaves_the_folder() {
        assert_eq!(safe_name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(safe_name(".."), "frames");
        assert_eq!(safe_name("shot 1_0001.png"), "shot 1_0001.png");
        assert_eq!(safe_name("C:\\x"), "C__x");
    }

    #[test]
    fn a_frame_that_is_there_counts_and_anything_else_in_its_place_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let job: Job = serde_json::from_str(include_str!("../../tests/client/job.json")).unwrap();
        let frame = |number: i32, bytes: Option<&[u8]>| Frame {
            frame: number,
            state: "stored".into(),
            file_name: format!("lamp_{number:04}.png"),
            blake3: bytes.map(|bytes| blake3::hash(bytes).to_hex().to_string()),
            size: None,
            render_ms: None,
            worker: None,
            stored_at: None,
        };
        let frames = [frame(1, Some(b"one")), frame(2, Some(b"two")), frame(3, None)];
        let out = folder.path().join("out");
        let chosen = |out: &Path| choose(&job, &frames, Some(out));
        assert_eq!(chosen(&out).unwrap(), Folder { path: out.clone(), here: BTreeSet::new() });
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join("lamp_0002.png"), b"two").unwrap();
        std::fs::write(out.join("notes.txt"), b"mine").unwrap();
        assert_eq!(chosen(&out).unwrap().here, BTreeSet::from([2]));
        std::fs::write(out.join("lamp_0003.png"), b"of a frame that is not rendered yet").unwrap();
        let refused = chosen(&out).unwrap_err();
        assert_eq!(refused.exit_code(), 5);
        assert!(refused.to_string().contains("lamp_0003.png"), "{refused}");
        std::fs::remove_file(out.join("lamp_0003.png")).unwrap();
        std::fs::write(out.join("lamp_0001.png"), b"another job's").unwrap();
        assert!(chosen(&out).is_err());
    }
}
