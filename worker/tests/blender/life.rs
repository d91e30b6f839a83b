//! No Blender outlives its session or its worker.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pictor_actors::now::{Clock, SystemClock};
use pictor_worker::engines::{Engine, EngineEvent};
use pictor_worker::platform::end_orphans;
use pictor_worker_domain::wear::WearLimits;
use tokio::sync::mpsc;

use super::support::{Rig, processes_of};

/// Waits until no process of this rig is left; answers how long it took.
pub async fn gone_after(dir: &Path) -> u64 {
    let clock = SystemClock;
    let began = clock.now().mono;
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    while !processes_of(dir).is_empty() {
        tick.tick().await;
        assert!(clock.now().elapsed(began).0 < 5_000, "still there after 5 s");
    }
    clock.now().elapsed(began).0
}

#[tokio::test]
async fn a_session_that_is_killed_in_mid_frame_is_gone_and_did_not_fail() {
    let rig = Rig::new("slow.blend");
    let mut running = rig.start().await.unwrap();
    running.session.render(1).unwrap();
    while !matches!(running.next().await, EngineEvent::Progress { .. }) {}
    assert!(running.session.render(2).is_err(), "a second frame in hand");
    running.session.kill();
    let took = gone_after(rig.dir.path()).await;
    eprintln!("gone {took} ms after the kill");
    running.until_exited().await;
    assert!(!running.seen.iter().any(|event| matches!(event, EngineEvent::Failed(_))), "{:?}", running.seen);
    assert!(running.session.render(2).is_err());
    assert_eq!(std::fs::read_dir(&rig.request.output_dir).unwrap().count(), 0);
    let notes = rig.dir.path().join("data/engines/running");
    assert_eq!(std::fs::read_dir(notes).unwrap().count(), 0, "its note is still there");
}

#[tokio::test]
async fn a_session_that_is_dropped_is_gone() {
    let rig = Rig::new("slow.blend");
    let mut running = rig.start().await.unwrap();
    running.session.render(1).unwrap();
    running.next().await;
    drop(running);
    gone_after(rig.dir.path()).await;
}

#[tokio::test]
async fn a_start_that_is_called_off_leaves_nothing() {
    let rig = Rig::new("slow.blend");
    let (sender, mut events) = mpsc::channel(16);
    let start = rig.engine.start(rig.request.clone(), sender);
    let called_off = tokio::time::timeout(Duration::from_millis(100), start).await;
    assert!(called_off.is_err(), "it was loaded in 100 ms");
    while events.recv().await.is_some() {}
    gone_after(rig.dir.path()).await;
}

/// The other process of the two tests below: a worker with a session, until it is killed.
#[tokio::test]
#[ignore = "only as a process of its own"]
async fn hold_a_session() {
    let of_module = std::env::var_os("HOLD_THE_MODULE").is_some();
    let rig = if of_module { Rig::of_module("slow.blend") } else { Rig::new("slow.blend") };
    let mut running = rig.start().await.unwrap();
    running.session.render(1).unwrap();
    while !matches!(running.next().await, EngineEvent::Progress { .. }) {}
    println!("\nHOLDS {}", rig.dir.path().display());
    while running.events.recv().await.is_some() {}
}

/// Starts that process and answers it with its folder.
fn worker_with_a_session(of_module: bool) -> (std::process::Child, std::path::PathBuf) {
    use std::io::{BufRead, BufReader};
    let mut command = Command::new(std::env::current_exe().unwrap());
    if of_module {
        command.env("HOLD_THE_MODULE", "1");
    }
    let mut child = command
        .args(["--exact", "life::hold_a_session", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let held = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("HOLDS ").map(Into::into));
    (child, held.expect("it did not get as far"))
}

async fn nothing_outlives_a_worker_that_is_killed(of_module: bool) {
    let (mut worker, dir) = worker_with_a_session(of_module);
    assert_eq!(processes_of(&dir).len(), 1);
    worker.kill().unwrap();
    worker.wait().unwrap();
    let took = gone_after(&dir).await;
    eprintln!("gone {took} ms after kill -9 of the worker");
    // The note of the dead worker is found at the next start, and hits nobody.
    assert_eq!(end_orphans(&dir.join("data")), 0);
    let _ = std::fs::remove_dir_all(dir);
}

#[tokio::test]
async fn no_blender_outlives_a_worker_that_is_killed() {
    nothing_outlives_a_worker_that_is_killed(false).await;
}

#[tokio::test]
async fn no_module_outlives_a_worker_that_is_killed() {
    drop(Rig::of_module("slow.blend")); // without the module it fails here, in words
    nothing_outlives_a_worker_that_is_killed(true).await;
}

#[tokio::test]
async fn the_next_start_ends_what_the_kernel_missed() {
    let (mut worker, dir) = worker_with_a_session(false);
    assert_eq!(processes_of(&dir).len(), 1);
    assert_eq!(end_orphans(&dir.join("data")), 1);
    gone_after(&dir).await;
    worker.kill().unwrap();
    worker.wait().unwrap();
    let _ = std::fs::remove_dir_all(dir);
}

#[tokio::test]
async fn progress_and_log_are_bounded_and_tell_no_path_of_ours() {
    let rig = Rig::new("slow.blend");
    let mut running = rig.start().await.unwrap();
    running.session.render(1).unwrap();
    let clock = SystemClock;
    let began = clock.now().mono;
    while clock.now().elapsed(began).0 < 3_000 {
        running.next().await;
        if running.seen.iter().filter(|event| matches!(event, EngineEvent::Progress { .. })).count() > 2 {
            break;
        }
    }
    let passed = clock.now().elapsed(began).0;
    let progress =
        running.seen.iter().filter(|event| matches!(event, EngineEvent::Progress { .. })).count() as u64;
    assert!(progress >= 1 && progress <= passed / 1000 + 1, "{progress} in {passed} ms");
    let ours = rig.dir.path().to_string_lossy().into_owned();
    assert!(running.logged("Read blend"), "{:?}", running.seen);
    assert!(!running.logged(&ours));
}

#[tokio::test]
async fn a_process_that_has_grown_says_so_before_its_frame_ends() {
    let mut rig = Rig::new("moving.blend");
    let wear = WearLimits { percent: 0, bytes: 0, frames_min: 3 };
    rig.engine = rig.engine.with_wear(wear);
    let mut running = rig.start().await.unwrap();
    for frame in [1, 2] {
        running.frame(frame).await;
    }
    assert!(!running.seen.iter().any(|event| matches!(event, EngineEvent::Worn { .. })));
    running.frame(3).await;
    let last: Vec<_> = running.seen.iter().rev().take(2).collect();
    assert!(
        matches!(last[..], [EngineEvent::FrameWritten { .. }, EngineEvent::Worn { .. }]),
        "the next frame is ordered as soon as this one is written: {last:?}"
    );
}
