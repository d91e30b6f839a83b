//! The classes of failure with the Python module `bpy`: the same as with the program.

use std::os::unix::fs::symlink;

use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::outcome::WarningClass;
use pictor_worker::engines::{EngineEvent, EngineFailure};

use super::life::gone_after;
use super::support::{Rig, processes_of};

/// The failure of frame 1 of a scene, once `change` has changed the rig.
async fn fails(scene: &str, change: impl FnOnce(&mut Rig)) -> EngineFailure {
    let mut rig = Rig::of_module(scene);
    change(&mut rig);
    rig.fails_in_frame(1).await
}

#[tokio::test]
async fn scenes_are_refused_for_the_same_reasons() {
    for (scene, class) in [
        ("script_driver.blend", FailureClass::NeedsScripts),
        ("script_text.blend", FailureClass::NeedsScripts),
        ("no_camera.blend", FailureClass::NoCamera),
        ("only_linked.blend", FailureClass::MissingFile),
        ("eevee.blend", FailureClass::EngineNotAvailable),
    ] {
        let rig = Rig::of_module(scene);
        let failure = rig.fails_to_start().await;
        assert_eq!(failure.class, class, "{scene}: {failure}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_scene_is_refused() {
    let rig = Rig::of_module("moving.blend");
    std::fs::write(&rig.request.scene, "this is no scene").unwrap();
    let failure = rig.fails_to_start().await;
    assert_eq!(failure.class, FailureClass::BadScene, "{failure}");
}

#[tokio::test]
async fn a_missing_texture_is_only_warned_about() {
    let rig = Rig::of_module("textured.blend");
    let mut running = rig.start().await.unwrap();
    running.frame(1).await;
    let pink = "texture //wood.png is missing; it renders pink".to_owned();
    assert!(running.warnings().contains(&(WarningClass::MissingFile, pink)), "{:?}", running.warnings());
}

#[tokio::test]
async fn a_frame_over_its_time_is_ended() {
    let failure = fails("slow.blend", |rig| rig.request.limits.frame_time_ms = 1_000).await;
    assert_eq!((failure.class, failure.frame), (FailureClass::TimeLimit, Some(1)), "{failure}");
}

#[tokio::test]
async fn memory_beyond_the_limit_fails_in_words() {
    let limit = |rig: &mut Rig| rig.request.limits.memory_bytes = Some(1 << 30);
    let failure = fails("huge.blend", limit).await;
    assert_eq!((failure.class, failure.frame), (FailureClass::OutOfMemory, Some(1)), "{failure}");
}

#[tokio::test]
async fn a_frame_that_cannot_be_written_is_told() {
    let in_the_way = |rig: &mut Rig| {
        std::fs::create_dir(rig.request.output_dir.join("frame_000001.png")).unwrap();
    };
    let failure = fails("moving.blend", in_the_way).await;
    assert_eq!((failure.class, failure.frame), (FailureClass::NoOutputWritten, Some(1)), "{failure}");

    let full = |rig: &mut Rig| symlink("/dev/full", rig.request.output_dir.join("frame_000001.png")).unwrap();
    let failure = fails("moving.blend", full).await;
    assert_eq!((failure.class, failure.frame), (FailureClass::DiskFull, Some(1)), "{failure}");
}

#[tokio::test]
async fn a_cancel_in_mid_frame_leaves_nothing() {
    let rig = Rig::of_module("slow.blend");
    let mut running = rig.start().await.unwrap();
    running.session.render(1).unwrap();
    while !matches!(running.next().await, EngineEvent::Progress { .. }) {}
    running.session.kill();
    gone_after(rig.dir.path()).await;
    running.until_exited().await;
    assert_eq!(processes_of(rig.dir.path()), Vec::<u32>::new());
}
