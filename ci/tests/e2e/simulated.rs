//! Simulated workers against a real cloud: real protocol, real uploads, faults, one fleet over a restart.

use std::path::PathBuf;
use std::time::Duration;

use ci::farm::{made_up_scene, simulating};
use serde_json::Value;

use crate::harness::{Stage, quick};

const SOON: Duration = Duration::from_secs(60);

fn stage() -> Stage {
    Stage::with([quick(), simulating()].concat())
}

fn scene(stage: &Stage) -> PathBuf {
    made_up_scene(stage.folder.path()).unwrap()
}

fn submit(stage: &Stage, frames: &str) -> String {
    let options = ["--frames", frames, "--engine", "simulated", "--chunk", "2"];
    stage.farm.submit(&scene(stage), &options).unwrap()
}

fn count(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[test]
fn a_made_up_farm_renders_a_job_that_asks_for_it_and_leaves_in_good_order() {
    let stage = stage();
    let quick = ["--frame-time", "50ms", "--load-time", "50ms", "--every", "200ms"];
    let fleet = stage.farm.simulate(20, None, &quick).unwrap();
    fleet.wait_connected(SOON).unwrap();
    let real = stage.farm.submit(&scene(&stage), &["--frames", "1-4"]).unwrap();
    let job = submit(&stage, "1-60");
    stage.farm.wait_job(&job, "completed").unwrap();
    let frames = stage.frames(&job);
    assert_eq!(frames.len(), 60, "real pictures that decode");
    let thumbnail = stage.get(&format!("jobs/{job}/frames/7/thumbnail"));
    assert!(!thumbnail.is_empty());
    assert_eq!(stage.farm.job(&real).unwrap()["frames_done"], 0, "no real job goes to made-up workers");
    let last = fleet.finish().unwrap();
    assert_eq!((count(&last, "frames"), count(&last, "attempts_failed")), (60, 0), "{last}");
    assert!(
        last["offer_ms"]["p50"].as_u64().is_some() && last["beat_ms"]["p50"].as_u64().is_some(),
        "{last}"
    );
    assert_eq!(stage.farm.connection("sim-00001").unwrap(), "offline", "it said goodbye");
}

#[test]
fn a_killed_fleet_comes_back_as_itself_and_delivers_what_it_had() {
    let stage = stage();
    let folder = stage.folder.path().join("fleet");
    let options = ["--frame-time", "300ms", "--load-time", "50ms", "--every", "200ms"];
    let fleet = stage.farm.simulate(8, Some(&folder), &options).unwrap();
    fleet.wait_connected(SOON).unwrap();
    let job = submit(&stage, "1-80");
    stage.farm.wait_frames(&job, 10).unwrap();
    fleet.kill().unwrap();
    let again = stage.farm.simulate(8, Some(&folder), &options).unwrap();
    again.wait_connected(SOON).unwrap();
    stage.farm.wait_job(&job, "completed").unwrap();
    assert_eq!(stage.frames(&job).len(), 80);
    let workers = stage.farm.pictor(&["workers", "list"]).unwrap();
    assert_eq!(ci::farm::list_of(&workers).len(), 8, "no worker was made a second time");
    drop(again);
}

#[test]
fn whatever_goes_wrong_every_frame_arrives_once_and_no_stale_one_is_taken() {
    let stage = stage();
    let mut options = vec!["--frame-time", "200ms", "--load-time", "50ms", "--every", "200ms"];
    let faults =
        ["crash", "silence", "slow-beats", "cut", "duplicate", "late", "stale-fence", "one-way", "twin"];
    let faults: Vec<String> = faults.iter().map(|kind| format!("{kind}:40s")).collect();
    faults.iter().for_each(|fault| options.extend(["--fault", fault]));
    options.extend(["--fault-for", "3s", "--failures", "0.01"]);
    let fleet = stage.farm.simulate(16, None, &options).unwrap();
    let job = submit(&stage, "1-400");
    let shown = stage.farm.wait_job(&job, "completed").unwrap();
    assert_eq!((&shown["frames_done"], stage.frames(&job).len()), (&400.into(), 400));
    let last = fleet.finish().unwrap();
    assert!(count(&last, "faults") > 10, "{last}");
    assert_eq!(count(&last, "stale_taken"), 0, "{last}");
}

#[test]
fn a_cloud_that_does_not_simulate_says_so() {
    let stage = Stage::with(vec![("PICTOR__LIMITS__SIGN_INS_PER_MINUTE", "10000".into())]);
    let fleet = stage.farm.simulate(2, None, &[]).unwrap();
    let ended = fleet.wait(SOON, "an end", |_| false).unwrap_err().to_string();
    assert!(ended.contains("ended"), "{ended}");
    let log = std::fs::read_to_string(stage.folder.path().join("fleet.log")).unwrap();
    assert!(log.contains("simulation.allowed"), "{log}");
    let refused = stage.farm.submit(&scene(&stage), &["--frames", "1", "--engine", "simulated"]);
    assert!(refused.unwrap_err().to_string().contains("simulation.allowed"));
}
