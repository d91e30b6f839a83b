//! Scenes that cannot be rendered say so in words, soon, and cost nobody else anything.

use std::time::Duration;

use ci::farm::is_alive;

use crate::harness::Stage;

#[test]
pub fn a_scene_without_a_camera_fails_at_once_in_words() {
    let mut stage = Stage::new();
    stage.farm.add_worker("rig-01").unwrap();
    let scene = stage.scene("no-camera", 50);
    let job = stage.farm.submit(&scene, &[]).unwrap();
    let shown = stage.farm.wait_job(&job, "failed").unwrap();
    assert!(shown["reason"].as_str().unwrap().contains("camera"), "{shown:#}");
    assert_eq!(shown["failures"][0]["class"], "no_camera");
    assert_eq!(shown["failures"][0]["attempts"], 1, "nobody tries again what cannot work: {shown:#}");
    assert_eq!(shown["frames_done"], 0);
}

#[test]
pub fn a_scene_that_needs_scripts_fails_in_words() {
    let mut stage = Stage::new();
    stage.farm.add_worker("rig-01").unwrap();
    let scene = stage.scene("scripts", 2);
    let job = stage.farm.submit(&scene, &[]).unwrap();
    let shown = stage.farm.wait_job(&job, "failed").unwrap();
    assert_eq!(shown["failures"][0]["class"], "needs_scripts", "{shown:#}");
    assert_eq!(shown["frames_done"], 0, "a frame with wrong values is no frame");
}

#[test]
pub fn a_missing_texture_is_warned_about_and_rendered() {
    let mut stage = Stage::new();
    stage.farm.add_worker("rig-01").unwrap();
    let scene = stage.scene("missing-texture", 1);
    let job = stage.farm.submit(&scene, &[]).unwrap();
    let shown = stage.farm.wait_job(&job, "completed").unwrap();
    assert!(shown["warnings"].to_string().contains("gone.png"), "{shown:#}");
}

#[test]
pub fn cancel_in_mid_frame_ends_blender_within_five_seconds() {
    let mut stage = Stage::new();
    stage.farm.add_worker("rig-01").unwrap();
    let scene = stage.scene("slow", 5);
    let job = stage.farm.submit(&scene, &[]).unwrap();
    stage.farm.wait_rendering(&job).unwrap();
    let engines = stage.farm.worker("rig-01").unwrap().engines();
    assert!(!engines.is_empty(), "Blender runs");
    stage.farm.pictor(&["jobs", "cancel", &job]).unwrap();
    stage
        .farm
        .wait_within(Duration::from_secs(5), "Blender to be gone", |_| {
            Ok((!engines.iter().any(|process| is_alive(*process))).then_some(()))
        })
        .unwrap();
    assert_eq!(stage.farm.job(&job).unwrap()["state"], "cancelled");
    // The worker is free for the next one.
    let next = stage.farm.submit(&stage.scene("plain", 1), &[]).unwrap();
    stage.farm.wait_job(&next, "completed").unwrap();
}
