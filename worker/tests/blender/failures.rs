//! Every class of failure, provoked.

use std::os::unix::fs::symlink;

use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::outcome::WarningClass;
use pictor_worker::engines::EngineEvent;

use super::support::{Rig, processes_of};

#[tokio::test]
async fn a_driver_that_needs_python_is_refused() {
    let failure = Rig::new("script_driver.blend").fails_to_start().await;
    assert_eq!(failure.class, FailureClass::NeedsScripts);
    assert!(failure.message.contains("len(str(frame))"), "{failure}");
}

#[tokio::test]
async fn a_registered_text_block_is_refused() {
    let failure = Rig::new("script_text.blend").fails_to_start().await;
    assert_eq!(failure.class, FailureClass::NeedsScripts);
    assert!(failure.message.contains("rig.py"), "{failure}");
}

#[tokio::test]
async fn a_driver_of_plain_arithmetic_renders() {
    Rig::new("plain_driver.blend").start().await.unwrap().frame(1).await;
}

#[tokio::test]
async fn no_camera_is_told_at_once() {
    let failure = Rig::new("no_camera.blend").fails_to_start().await;
    assert_eq!(failure.class, FailureClass::NoCamera);
    assert!(failure.message.contains("add a camera"), "{failure}");
}

#[tokio::test]
async fn a_scene_that_is_empty_without_its_library_fails() {
    let failure = Rig::new("only_linked.blend").fails_to_start().await;
    assert_eq!(failure.class, FailureClass::MissingFile);
    assert!(failure.message.contains("kit.blend"), "{failure}");
    Rig::new("only_linked.blend").with_input("kit.blend").start().await.unwrap().frame(1).await;
}

#[tokio::test]
async fn a_scene_that_lacks_a_part_is_warned_about() {
    let rig = Rig::new("partly_linked.blend");
    let mut running = rig.start().await.unwrap();
    running.frame(1).await;
    let warnings = running.warnings();
    assert!(
        warnings
            .iter()
            .any(|(class, text)| *class == WarningClass::MissingFile && text.contains("kit.blend"))
    );
}

#[tokio::test]
async fn a_missing_texture_is_warned_about_and_a_present_one_is_not() {
    let rig = Rig::new("textured.blend");
    let mut running = rig.start().await.unwrap();
    running.frame(1).await;
    let pink = "texture //wood.png is missing; it renders pink".to_owned();
    assert!(running.warnings().contains(&(WarningClass::MissingFile, pink)), "{:?}", running.warnings());

    let rig = Rig::new("textured.blend").with_input("wood.png");
    let mut running = rig.start().await.unwrap();
    running.frame(1).await;
    assert!(!running.warnings().iter().any(|(class, _)| *class == WarningClass::MissingFile));
}

#[tokio::test]
async fn a_file_that_is_no_scene_is_refused() {
    let rig = Rig::new("moving.blend");
    std::fs::write(&rig.request.scene, "this is no scene").unwrap();
    let failure = rig.fails_to_start().await;
    assert_eq!(failure.class, FailureClass::BadScene, "{failure}");
    let ours = rig.dir.path().to_string_lossy().into_owned();
    assert!(!failure.message.contains(&ours), "tells where the worker keeps files: {failure}");
}

#[tokio::test]
async fn memory_beyond_the_limit_fails_in_words() {
    let mut rig = Rig::new("huge.blend");
    rig.request.limits.memory_bytes = Some(1 << 30);
    let failure = rig.fails_in_frame(1).await;
    assert_eq!((failure.class, failure.frame), (FailureClass::OutOfMemory, Some(1)), "{failure}");
}

#[tokio::test]
async fn resident_memory_is_watched() {
    let mut rig = Rig::new("slow.blend");
    rig.request.limits.memory_bytes = Some(100 << 20);
    let failure = match rig.start().await {
        Ok(mut running) => running.until_failed().await,
        Err(failure) => failure,
    };
    assert_eq!(failure.class, FailureClass::OutOfMemory);
    assert!(failure.message.contains("may use 100 MiB"), "{failure}");
}

#[tokio::test]
async fn a_crash_is_told_with_its_signal() {
    let rig = Rig::new("slow.blend");
    let mut running = rig.start().await.unwrap();
    running.session.render(1).unwrap();
    while !matches!(running.next().await, EngineEvent::Progress { .. }) {}
    let pids = processes_of(rig.dir.path());
    assert_eq!(pids.len(), 1);
    let leader = nix::unistd::Pid::from_raw(i32::try_from(pids[0]).unwrap());
    nix::sys::signal::kill(leader, nix::sys::signal::Signal::SIGSEGV).unwrap();
    let failure = running.until_failed().await;
    running.until_exited().await;
    assert_eq!((failure.class, failure.frame), (FailureClass::Crash, Some(1)), "{failure}");
}

#[tokio::test]
async fn a_frame_over_its_time_is_ended() {
    let mut rig = Rig::new("slow.blend");
    rig.request.limits.frame_time_ms = 1_000;
    let failure = rig.fails_in_frame(1).await;
    assert_eq!((failure.class, failure.frame), (FailureClass::TimeLimit, Some(1)));
    assert!(failure.message.contains("longer than 1 s"), "{failure}");
    assert_eq!(processes_of(rig.dir.path()), Vec::<u32>::new());
}

#[tokio::test]
async fn a_frame_that_cannot_be_written_is_no_output() {
    let rig = Rig::new("moving.blend");
    std::fs::create_dir(rig.request.output_dir.join("frame_000001.png")).unwrap();
    let failure = rig.fails_in_frame(1).await;
    assert_eq!((failure.class, failure.frame), (FailureClass::NoOutputWritten, Some(1)), "{failure}");
}

#[tokio::test]
async fn a_full_disk_is_told_as_such() {
    let rig = Rig::new("moving.blend");
    symlink("/dev/full", rig.request.output_dir.join("frame_000001.png")).unwrap();
    let failure = rig.fails_in_frame(1).await;
    assert_eq!((failure.class, failure.frame), (FailureClass::DiskFull, Some(1)), "{failure}");
}

#[tokio::test]
async fn a_file_beyond_the_size_limit_is_told_as_a_full_disk() {
    let mut rig = Rig::new("moving.blend");
    rig.engine = rig.engine.with_file_bytes_max(40 * 1024);
    rig.request.render.resolution = Some((640, 360));
    let failure = rig.fails_in_frame(1).await;
    assert_eq!((failure.class, failure.frame), (FailureClass::DiskFull, Some(1)), "{failure}");
}

#[tokio::test]
async fn a_program_that_is_gone_is_no_engine() {
    let mut rig = Rig::new("moving.blend");
    rig.request.software.path = "/nowhere/blender".into();
    assert_eq!(rig.fails_to_start().await.class, FailureClass::EngineNotAvailable);
}

#[tokio::test]
async fn a_program_that_is_no_blender_is_told() {
    let mut rig = Rig::new("moving.blend");
    rig.request.software.path = "/bin/true".into();
    let failure = rig.fails_to_start().await;
    assert_eq!(failure.class, FailureClass::Crash, "{failure}");
}
