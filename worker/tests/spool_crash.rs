//! Kills a real process at each step of keeping and removing a frame, and looks at what it left: no entry or
//! a whole one.
#![allow(clippy::unwrap_used, missing_docs)]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use pictor_actors::ids::{JobId, LeaseId, TaskId};
use pictor_actors::protocol::LeaseRef;
use pictor_actors::protocol::assignment::OutputFormat;
use pictor_actors::units::UnixMillis;
use pictor_worker::spool::{FrameFacts, Spool, SpoolError, Step};

const STEP: &str = "PICTOR_TEST_DIE_AT";
const FOLDER: &str = "PICTOR_TEST_FOLDER";
const FULL: &str = "PICTOR_TEST_DISK_FULL";
const PIXELS: &[u8] = &[7; 100_000];

fn facts() -> FrameFacts {
    FrameFacts {
        lease: LeaseRef { lease: LeaseId::from_u128(1), fence: 3 },
        task: TaskId::from_u128(2),
        job: JobId::from_u128(3),
        frame: -5,
        format: OutputFormat::Png,
        render_ms: 40,
    }
}

fn die_here(step: Step) {
    if std::env::var(STEP).is_ok_and(|wanted| wanted == format!("{step:?}")) {
        nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
}

/// The body of the child; without its variables it is a test that has nothing to do.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = Path::new(&folder);
    let (source, spool) = (folder.join("frame.png"), Spool::watched(folder.join("spool"), die_here));
    std::fs::write(&source, PIXELS).unwrap();
    if std::env::var(FULL).is_ok() {
        use nix::sys::resource::{Resource, setrlimit};
        // Past the limit the system sends a signal; a full disk does not, so the error is what we want to
        // see.
        #[allow(unsafe_code)]
        unsafe {
            nix::sys::signal::signal(nix::sys::signal::Signal::SIGXFSZ, nix::sys::signal::SigHandler::SigIgn)
                .unwrap();
        }
        setrlimit(Resource::RLIMIT_FSIZE, 10, 10).unwrap();
        let refused = spool.keep(&source, &facts(), UnixMillis(1)).unwrap_err();
        assert!(matches!(refused, SpoolError::DiskFull(_)), "{refused:?}");
        return;
    }
    let kept = spool.keep(&source, &facts(), UnixMillis(1)).unwrap();
    spool.remove(kept.entry().key()).unwrap();
}

fn run_child(folder: &Path, variable: &str, value: &str) -> std::process::ExitStatus {
    std::fs::create_dir_all(folder.join("spool")).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(variable, value)
        .output()
        .unwrap()
        .status
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count()
}

#[test]
fn a_kill_at_any_step_leaves_no_entry_or_a_whole_one() {
    let expected = [
        (Step::Begun, 0),
        (Step::Hashed, 0),
        (Step::Moved, 0),
        (Step::Described, 0),
        (Step::Kept, 1),
        (Step::Forgotten, 0),
        (Step::Removed, 0),
    ];
    for (step, entries) in expected {
        let folder = tempfile::tempdir().unwrap();
        let status = run_child(folder.path(), STEP, &format!("{step:?}"));
        assert_eq!(status.signal(), Some(9), "{step:?}: the child was not killed");
        let spool = Spool::at(folder.path().join("spool"));
        let found = spool.scan().unwrap().entries;
        assert_eq!(found.len(), entries, "{step:?}");
        assert!(found.iter().all(|manifest| spool.is_intact(manifest).unwrap()), "{step:?}");
        assert_eq!(files_in(&folder.path().join("spool")), 2 * entries, "{step:?}: rests were not swept");
    }
}

#[test]
fn a_full_disk_is_told_as_one_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let status = run_child(folder.path(), FULL, "yes");
    assert!(status.success(), "{status:?}");
    assert_eq!(files_in(&folder.path().join("spool")), 0);
}

#[test]
fn a_damaged_entry_is_set_aside_and_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::at(folder.path().to_owned());
    let source = folder.path().join("frame.png");
    std::fs::write(&source, PIXELS).unwrap();
    let key = spool.keep(&source, &facts(), UnixMillis(1)).unwrap().entry().key();
    std::fs::write(spool.frame_path(key), b"short").unwrap();
    assert!(spool.scan().unwrap().entries.is_empty());
    assert_eq!(files_in(folder.path()), 0, "both files stand in the corner of the unwanted");
}
