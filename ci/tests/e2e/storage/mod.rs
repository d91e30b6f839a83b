//! A farm whose bytes lie in a bucket: a real S3 server, a real worker, real Blender. What happens between
//! the worker, the storage and the cloud costs no frame and no second render.

mod others;

use std::path::PathBuf;
use std::time::Duration;

use ci::farm::{made_up_scene, simulating};
use ci_s3::S3Server;

use crate::harness::{Stage, bare_blender, quick};

fn on(server: &S3Server, mut more: Vec<(&'static str, String)>) -> Stage {
    more.extend(server.settings("farm"));
    Stage::with(more)
}

/// What lies there and is no blob yet.
fn staged(server: &S3Server) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(server.objects().join("farm/staging")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn wait_outbox(stage: &Stage, worker: &str, is_it: impl Fn(u64) -> bool) {
    let folder = stage.farm.folder().join(worker);
    stage
        .farm
        .wait_for("the worker's outbox", |farm| {
            let frames = farm.worker_status(&folder)?["outbox"]["frames"].as_u64();
            Ok(frames.filter(|frames| is_it(*frames)))
        })
        .unwrap();
}

fn assert_once_each(stage: &Stage, job: &str, frames: usize) {
    let rendered = stage.farm.frame_counts(job).unwrap();
    assert_eq!(rendered.len(), frames);
    assert!(rendered.values().all(|count| *count == 1), "each was rendered once: {rendered:?}");
}

#[test]
pub fn a_job_goes_through_the_storage_from_scene_to_frames() {
    let server = S3Server::start();
    let mut stage = on(&server, Vec::new());
    stage.farm.add_worker("rig-01").unwrap();
    let scene = stage.scene("second", 3);
    let job = stage.farm.submit(&scene, &["--chunk", "3"]).unwrap();
    stage.farm.wait_job(&job, "completed").unwrap();
    let bare = bare_blender(&scene, &stage.folder.path().join("bare"));
    let ours = stage.frames(&job);
    assert_eq!(ours.len(), 3);
    assert!(ours.iter().zip(&bare).all(|(ours, bare)| ours.1 == bare.1), "pixel by pixel");
    assert_eq!(staged(&server), [] as [PathBuf; 0], "what was taken is not left lying about");
    let kept_here = stage.farm.folder().join("cloud/blobs/objects");
    assert!(!kept_here.exists(), "the cloud itself keeps no bytes");
    let log = std::fs::read_to_string(stage.farm.folder().join("rig-01.log")).unwrap();
    let cloud_log = std::fs::read_to_string(stage.farm.folder().join("cloud.log")).unwrap();
    assert!(!format!("{log}{cloud_log}").contains("X-Amz-Signature"), "no log holds an address");
}

#[test]
pub fn simulated_workers_put_their_frames_there_as_real_ones_do() {
    let server = S3Server::start();
    let stage = on(&server, simulating());
    let quick = ["--frame-time", "50ms", "--load-time", "50ms", "--every", "200ms"];
    let fleet = stage.farm.simulate(4, None, &quick).unwrap();
    let scene = made_up_scene(stage.folder.path()).unwrap();
    let of_job = ["--frames", "1-20", "--engine", "simulated", "--chunk", "2", "--paused"];
    let job = stage.farm.submit(&scene, &of_job).unwrap();
    let by_the_creator = server.signed_puts();
    stage.farm.pictor(&["jobs", "resume", &job]).unwrap();
    stage.farm.wait_job(&job, "completed").unwrap();
    assert_eq!(server.signed_puts() - by_the_creator, 20, "each frame once, by an address of its own");
    assert_eq!(stage.frames(&job).len(), 20);
    let last = fleet.finish().unwrap();
    assert_eq!((&last["frames"], &last["uploads_refused"]), (&20.into(), &0.into()), "{last}");
    assert_eq!(staged(&server), [] as [PathBuf; 0]);
}

#[test]
pub fn a_worker_killed_between_put_and_commit_delivers_after_its_restart() {
    let server = S3Server::start();
    // The product's own settings: its lease outlives the restart.
    let mut stage = on(&server, Vec::new());
    stage.farm.add_worker("rig-01").unwrap();
    let scene = stage.scene("second", 2);
    // The scene is put before answers are held, the frames after.
    let job = stage.farm.submit(&scene, &["--chunk", "2", "--paused"]).unwrap();
    server.hold_answers(true);
    stage.farm.pictor(&["jobs", "resume", &job]).unwrap();
    stage
        .farm
        .wait_for(
            "a frame that is put and not committed",
            |_| Ok((!staged(&server).is_empty()).then_some(())),
        )
        .unwrap();
    stage.farm.kill_worker("rig-01").unwrap();
    assert_eq!(stage.farm.job(&job).unwrap()["frames_done"], 0, "what was put counts for nothing yet");
    server.hold_answers(false);
    stage.farm.start_worker("rig-01").unwrap();
    stage.farm.wait_job(&job, "completed").unwrap();
    let rendered = stage.farm.frame_counts(&job).unwrap();
    assert_eq!(rendered[&1], 1, "the frame that was put is not rendered again: {rendered:?}");
    wait_outbox(&stage, "rig-01", |frames| frames == 0);
    assert_eq!(staged(&server), [] as [PathBuf; 0]);
}

#[test]
pub fn frames_wait_in_the_spool_while_the_storage_is_away() {
    let mut server = S3Server::start();
    let mut stage = on(&server, quick());
    stage.farm.add_worker("rig-01").unwrap();
    let scene = stage.scene("second", 3);
    let job = stage.farm.submit(&scene, &["--chunk", "3"]).unwrap();
    stage.farm.wait_frames(&job, 1).unwrap();
    server.stop();
    wait_outbox(&stage, "rig-01", |frames| frames > 0);
    server.start_again();
    stage.farm.wait_job(&job, "completed").unwrap();
    assert_once_each(&stage, &job, 3);
    wait_outbox(&stage, "rig-01", |frames| frames == 0);
}

#[test]
pub fn an_address_that_was_too_old_is_asked_for_anew() {
    let server = S3Server::start();
    let mut stage = on(&server, vec![("PICTOR__BLOBS__SIGNED_FOR_MS", "1000".into())]);
    stage.farm.add_worker("rig-01").unwrap();
    let scene = stage.scene("second", 2);
    let job = stage.farm.submit(&scene, &["--paused"]).unwrap();
    server.be_late_once(Duration::from_secs(3));
    stage.farm.pictor(&["jobs", "resume", &job]).unwrap();
    stage.farm.wait_job(&job, "completed").unwrap();
    assert_once_each(&stage, &job, 2);
}
