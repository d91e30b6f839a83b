//! The way between worker and cloud is cut and mended; a stale owner is refused.

use std::time::Duration;

use ci::proxy::Proxy;

use crate::harness::{Stage, quick};

#[test]
pub fn a_socket_cut_for_a_minute_costs_nothing() {
    // The product's own settings: a lease outlives a minute of silence.
    let mut stage = Stage::new();
    let cable = Proxy::to(stage.farm.listen()).unwrap();
    stage.farm.add_worker_by("rig-01", &cable.url(), &[]).unwrap();
    let scene = stage.scene("second", 6);
    let job = stage.farm.submit(&scene, &["--chunk", "6"]).unwrap();
    stage.farm.wait_frames(&job, 1).unwrap();
    cable.cut();
    let started = ci::shell::started_now();
    // The worker renders what it holds while nobody hears it.
    stage
        .farm
        .wait_within(Duration::from_secs(90), "a minute to pass", |_| {
            Ok((started.elapsed() >= Duration::from_secs(60)).then_some(()))
        })
        .unwrap();
    assert_eq!(stage.farm.job(&job).unwrap()["state"], "running");
    cable.mend();
    stage.farm.wait_job(&job, "completed").unwrap();
    let rendered = stage.farm.frame_counts(&job).unwrap();
    assert_eq!(rendered.len(), 6);
    assert!(rendered.values().all(|count| *count == 1), "each frame was rendered once: {rendered:?}");
    let tasks = stage.farm.pictor(&["jobs", "tasks", &job]).unwrap();
    assert!(ci::farm::list_of(&tasks).iter().all(|task| task["attempts"] == 1), "{tasks:#}");
}

#[test]
pub fn a_worker_that_comes_back_after_its_lease_was_given_away_is_refused() {
    let mut stage = Stage::with(quick());
    let cable = Proxy::to(stage.farm.listen()).unwrap();
    stage.farm.add_worker_by("lost", &cable.url(), &[]).unwrap();
    let scene = stage.scene("second", 4);
    let job = stage.farm.submit(&scene, &["--chunk", "4"]).unwrap();
    stage.farm.wait_rendering(&job).unwrap();
    cable.cut();
    stage.farm.add_worker("other").unwrap();
    stage.farm.wait_job(&job, "completed").unwrap();
    let folder = stage.farm.worker("lost").unwrap().folder.clone();
    stage
        .farm
        .wait_for("the lost worker to have rendered alone", |farm| {
            let status = farm.worker_status(&folder)?;
            Ok((status["outbox"]["frames"].as_u64() > Some(0)).then_some(()))
        })
        .unwrap();
    let stored = stage.farm.pictor(&["jobs", "frames", &job]).unwrap();
    cable.mend();
    stage
        .farm
        .wait_for("the lost worker to come back", |farm| {
            Ok((farm.connection("lost")? == "online").then_some(()))
        })
        .unwrap();
    // What it rendered alone is dropped: its spool empties without a frame being taken twice.
    stage
        .farm
        .wait_for("its spool to be empty", |farm| {
            let status = farm.worker_status(&folder)?;
            Ok((status["outbox"]["frames"] == 0).then_some(()))
        })
        .unwrap();
    assert_eq!(stage.farm.pictor(&["jobs", "frames", &job]).unwrap(), stored, "no frame was taken from it");
    let set_aside = std::fs::read_dir(folder.join("spool/unwanted")).unwrap().count();
    assert!(set_aside > 0, "what the cloud refused is set aside for a while");
}
