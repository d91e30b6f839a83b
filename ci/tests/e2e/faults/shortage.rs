//! Things run out: the disk under the database, the database's lock, memory.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::trial::{CALM, Trial, settings};
use crate::harness::{Stage, quick};

/// Megabytes of the small disk: a young database and a few hundred simulated frames.
const DISK_MB: u32 = 24;

/// A small file system of its own for a folder; it goes with the value.
struct SmallDisk(String);

impl SmallDisk {
    /// Nothing, said so, where none can be mounted.
    fn at(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let folder = folder.to_string_lossy().into_owned();
        let size = format!("size={DISK_MB}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs", &folder]).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        println!("SKIPPED: no file system can be mounted here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy", &self.0]).status(); // it goes with the machine else
    }
}

#[test]
pub fn a_disk_that_is_full_and_has_room_again_costs_time_and_nothing_else() {
    let folder = tempfile::Builder::new().prefix("pictor-full-").tempdir().unwrap();
    let Some(_disk) = SmallDisk::at(&folder.path().join("cloud")) else { return };
    let mut trial = Trial::on(Stage::at(folder, settings()), 4, CALM);
    let ballast = trial.stage.folder.path().join("cloud/ballast");
    let job = trial.submit(150).expect("the cloud takes work");
    for _ in 0..3 {
        trial.stage.farm.wait_frames(&job, 2).unwrap();
        // As much as there is: the write ends with the disk.
        let _ = std::fs::write(&ballast, vec![7; DISK_MB as usize * 1024 * 1024]);
        std::thread::park_timeout(Duration::from_secs(4));
        assert!(trial.is_cloud_alive(), "a full disk does not end the cloud");
        std::fs::remove_file(&ballast).unwrap();
        trial.stir();
    }
    trial.stage.farm.wait_job(&job, "completed").unwrap();
    trial.all_ends_well();
}

#[test]
pub fn a_database_that_is_locked_for_a_while_costs_time_and_nothing_else() {
    let mut trial = Trial::begin(4, CALM);
    let job = trial.submit(100).expect("the cloud takes work");
    trial.stage.farm.wait_frames(&job, 2).unwrap();
    let file = trial.stage.folder.path().join("cloud/pictor.db");
    assert!(file.is_file(), "{} is the database", file.display());
    let hold = "import sqlite3, sys, time\n\
                db = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)\n\
                db.execute('BEGIN IMMEDIATE')\ntime.sleep(float(sys.argv[2]))\ndb.execute('ROLLBACK')";
    let held = Command::new("python3").args(["-c", hold]).arg(&file).arg("12").status().unwrap();
    assert!(held.success());
    assert!(trial.is_cloud_alive(), "a lock does not end the cloud");
    trial.stage.farm.wait_job(&job, "completed").unwrap();
    trial.all_ends_well();
}

#[test]
pub fn little_memory_is_enough_for_many_workers() {
    // So many that they take their time to speak.
    let mut trial = Trial::on(Stage::with([settings(), quick()].concat()), 200, CALM);
    let limit = 1_500_000_000_u64; // of address space: an unoptimised program with its threads' stacks
    let process = trial.stage.farm.cloud_process().to_string();
    ci::shell::output("prlimit", &["--pid", &process, &format!("--as={limit}")]).unwrap();
    let job = trial.submit(400).expect("the cloud takes work");
    trial.stage.farm.wait_job(&job, "completed").unwrap();
    assert!(trial.is_cloud_alive());
    trial.all_ends_well();
}
