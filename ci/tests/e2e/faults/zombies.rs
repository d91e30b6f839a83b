//! Workers that stand still beyond their lease and wake up, and two machines with one identity.

use std::time::Duration;

use ci::farm::{Fleet, list_of};

use super::times;
use super::trial::{CALM, Trial};

fn signal(fleet: &Fleet, name: &str) {
    ci::shell::output("kill", &[&format!("-{name}"), &fleet.process().to_string()]).unwrap();
}

#[test]
pub fn a_worker_that_slept_beyond_its_lease_spoils_nothing() {
    let slow = ["--frame-time", "700ms", "--load-time", "30ms", "--every", "200ms"];
    let mut trial = Trial::begin(2, &slow);
    let sleeper = trial.fleet.take().unwrap();
    for round in 0..times(1, 100) {
        let job = trial.submit(12).expect("the cloud takes work");
        trial.stage.farm.wait_frames(&job, 1).unwrap();
        signal(&sleeper, "STOP");
        let folder = trial.stage.folder.path().join(format!("other-{round}"));
        let prefix = format!("other{round}");
        let options = [CALM, &["--prefix", &prefix]].concat();
        let other = trial.stage.farm.simulate(2, Some(&folder), &options).unwrap();
        trial.stage.farm.wait_job(&job, "completed").unwrap();
        let frames = trial.stage.farm.pictor(&["jobs", "frames", &job]).unwrap();
        signal(&sleeper, "CONT");
        sleeper
            .wait(Duration::from_secs(60), "the sleeper to have nothing left", |report| {
                report["rendering"] == 0 && report["connected"] == report["workers"]
            })
            .unwrap();
        let after = trial.stage.farm.pictor(&["jobs", "frames", &job]).unwrap();
        assert_eq!(list_of(&frames), list_of(&after), "what was stored stays as it was");
        trial.audit_deep();
        drop(other);
    }
    trial.fleet = Some(sleeper);
    trial.all_ends_well();
}

#[test]
pub fn of_two_machines_with_one_identity_the_newest_is_heard() {
    let mut trial = Trial::begin(1, CALM);
    let first = trial.fleet.take().unwrap();
    let job = trial.submit(200).expect("the cloud takes work");
    trial.stage.farm.wait_frames(&job, 2).unwrap();
    let folder = trial.stage.folder.path().join("fleet");
    let twin = trial.stage.farm.simulate(1, Some(&folder), CALM).unwrap();
    twin.wait_connected(Duration::from_secs(20)).unwrap();
    first
        .wait(Duration::from_secs(5), "the older one to be let go", |report| report["connected"] == 0)
        .unwrap();
    trial.stage.farm.wait_job(&job, "completed").unwrap();
    drop(first);
    trial.fleet = Some(twin);
    trial.all_ends_well();
}
