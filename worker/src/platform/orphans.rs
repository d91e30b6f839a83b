//! Notes of living engine processes, and the clean-up of those that an earlier worker left behind.
//!
//! A note is a small file named by the process id; it holds the process's start time and the system's boot
//! id, so that a number that was given anew is never taken for ours.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    pid: u32,
    started: u64,
    boot: String,
}

/// The note of one living process; dropping it takes the note away.
#[derive(Debug)]
pub struct Note {
    path: PathBuf,
}

impl Drop for Note {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("engines").join("running")
}

/// Notes a process that was just started. Nothing where the system does not tell start times, or the disk
/// refuses: the parent-death signal is then the only guard.
#[must_use]
pub fn note(data_dir: &Path, pid: u32) -> Option<Note> {
    let noted = Noted { pid, started: started_at(pid)?, boot: boot_id()? };
    let folder = folder(data_dir);
    fs::create_dir_all(&folder).ok()?;
    let path = folder.join(format!("{pid}.json"));
    fs::write(&path, serde_json::to_vec(&noted).ok()?).ok()?;
    Some(Note { path })
}

/// Kills engine processes that an earlier worker with this `data_dir` left behind, and returns how many there
/// were.
///
/// Called at start, before any engine is. A group is killed only if its leader's start time is the one that
/// was noted, or if the leader is gone and others of the group are not.
#[must_use]
pub fn end_orphans(data_dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder(data_dir)) else { return 0 };
    let mut ended = 0;
    for path in entries.flatten().map(|entry| entry.path()) {
        let noted = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Noted>(&text).ok());
        if noted.is_some_and(|noted| end(&noted)) {
            ended += 1;
        }
        let _ = fs::remove_file(&path);
    }
    ended
}

/// The leader may be gone and its group live on: a script that starts Blender dies with the worker, and what
/// it started does not. A number is not given anew while its group has a member.
fn end(noted: &Noted) -> bool {
    if boot_id().as_ref() != Some(&noted.boot) {
        return false;
    }
    let is_ours = match stat(noted.pid) {
        Some(leader) => leader.started == noted.started,
        None => has_members(noted),
    };
    if is_ours {
        super::ProcessGroup::new(noted.pid).close();
    }
    is_ours
}

fn has_members(noted: &Noted) -> bool {
    let Ok(entries) = fs::read_dir("/proc") else { return false };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(stat).any(|stat| stat.group == noted.pid && stat.started >= noted.started)
}

/// Linux's mark of a process that is on its way out, in field 9 of its `stat`.
const EXITING: u64 = 0x4;

/// What `/proc` tells of a living process.
struct Stat {
    group: u32,
    /// In clock ticks since boot.
    started: u64,
}

/// Fields 5 and 22 of its `stat`, whose second field may hold anything.
fn stat(pid: u32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    // A zombie has ended; only its number is left.
    (fields.next()? != "Z").then_some(())?;
    let group = fields.nth(1)?.parse().ok()?;
    // On a busy machine a killed process may take long to become one.
    let flags: u64 = fields.nth(3)?.parse().ok()?;
    (flags & EXITING == 0).then_some(())?;
    Some(Stat { group, started: fields.nth(12)?.parse().ok()? })
}

fn started_at(pid: u32) -> Option<u64> {
    stat(pid).map(|stat| stat.started)
}

fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn sleeper() -> Child {
        use std::os::unix::process::CommandExt;
        Command::new("sleep").arg("60").process_group(0).stdout(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn a_noted_process_is_ended_and_its_note_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper();
        std::mem::forget(note(dir.path(), child.id()).unwrap());
        assert_eq!(end_orphans(dir.path()), 1);
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert_eq!(end_orphans(dir.path()), 0);
    }

    #[test]
    fn what_a_script_started_is_ended_though_the_script_is_gone() {
        use std::io::{BufRead, BufReader};
        use std::os::unix::process::CommandExt;
        let dir = tempfile::tempdir().unwrap();
        let mut script = Command::new("sh")
            .args(["-c", "sleep 60 >/dev/null & echo $!; wait"])
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(script.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let engine: u32 = line.trim().parse().unwrap();
        std::mem::forget(note(dir.path(), script.id()).unwrap());
        script.kill().unwrap();
        script.wait().unwrap();
        assert!(started_at(engine).is_some(), "it goes on without its script");
        assert_eq!(end_orphans(dir.path()), 1);
        let is_gone = (0..1_000_000).any(|_| {
            std::thread::yield_now();
            started_at(engine).is_none()
        });
        assert!(is_gone);
        assert_eq!(end_orphans(dir.path()), 0);
    }

    #[test]
    fn a_stranger_with_the_same_number_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper();
        let note = note(dir.path(), child.id()).unwrap();
        let mut noted: Noted = serde_json::from_slice(&fs::read(&note.path).unwrap()).unwrap();
        noted.started -= 1;
        fs::write(&note.path, serde_json::to_vec(&noted).unwrap()).unwrap();
        assert_eq!(end_orphans(dir.path()), 0);
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn dropping_the_note_removes_it() {
        let dir = tempfile::tempdir().unwrap();
        let note = note(dir.path(), std::process::id()).unwrap();
        let path = note.path.clone();
        assert!(path.exists());
        drop(note);
        assert!(!path.exists());
        assert_eq!(end_orphans(dir.path()), 0);
    }
}
