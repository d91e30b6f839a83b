//! The cloud's clock is wrong and put right while it runs. `libfaketime` gives it a time of day that a test
//! moves; the steady clock goes on as it does when a time service sets the time.

use std::path::PathBuf;
use std::time::Duration;

use super::trial::{CALM, Trial};

/// Ten minutes, as the library wants them.
const BACK: &str = "-600";

/// The library that `cargo ci setup` installed; each architecture has a folder of its own.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    folders
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
        .find(|path| path.is_file())
        .expect("`cargo ci setup` installs faketime")
}

#[test]
pub fn a_clock_that_goes_back_ten_minutes_costs_no_lease_and_holds_up_nothing() {
    let slow = ["--frame-time", "300ms", "--load-time", "30ms", "--every", "200ms"];
    let mut trial = Trial::begin(4, &slow);
    let (clock, library) = (trial.stage.folder.path().join("clock"), library());
    std::fs::write(&clock, "+0").unwrap();
    let settings = [
        ("LD_PRELOAD", &*library.to_string_lossy()),
        ("FAKETIME_TIMESTAMP_FILE", &*clock.to_string_lossy()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    trial.stage.farm.kill_cloud().unwrap();
    trial.stage.farm.start_cloud_with(&settings).unwrap();
    let job = trial.submit(120).expect("the cloud takes work");
    trial.stage.farm.wait_frames(&job, 6).unwrap();
    let lost = trial.rows.leases_lost();

    std::fs::write(&clock, BACK).unwrap();
    let shown = trial.stage.farm.wait_frames(&job, 60).unwrap();
    assert_eq!(trial.rows.leases_lost(), lost, "the clock takes nothing from a worker: {shown:#}");

    // Who falls silent then is missed in time all the same.
    trial.fleet.take().unwrap().kill().unwrap();
    let folder = trial.stage.folder.path().join("others");
    let options = [CALM, &["--prefix", "other"]].concat();
    let others = trial.stage.farm.simulate(4, Some(&folder), &options).unwrap();
    trial
        .stage
        .farm
        .wait_within(Duration::from_secs(60), "the others to finish", |farm| {
            Ok((farm.job(&job)?["state"] == "completed").then_some(()))
        })
        .unwrap();
    trial.audit_deep();

    let job = trial.submit(60).expect("the cloud takes work");
    trial.stage.farm.wait_frames(&job, 6).unwrap();
    std::fs::write(&clock, "+0").unwrap();
    trial.stage.farm.wait_job(&job, "completed").unwrap();
    trial.fleet = Some(others);
    trial.all_ends_well();
}
