//! What a program says before it ends reaches the cloud as it was said, every time.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use pictor_actors::now::SystemClock;
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::{AttemptOutcome, FailureClass, FromWorker, LeaseRef, Software};
use pictor_worker::engines::blender::BlenderEngine;
use pictor_worker_domain::wear::WearLimits;

use crate::cloud::{FakeCloud, Seen};
use crate::support::Worker;

/// Enough to meet each order in which the end of the start and the end of the process can be heard.
const TIMES: u128 = 25;

/// A "Blender" that says these lines and ends at once.
fn program(folder: &Path, lines: &str) -> Software {
    let path = folder.join("blender");
    std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Software {
        name: "Blender".into(),
        version: "3.4.1".into(),
        path: path.to_string_lossy().into_owned(),
        engines: vec![RenderEngine::Cycles],
    }
}

fn outcome(seen: &Seen, lease: LeaseRef) -> Option<AttemptOutcome> {
    seen.heard.iter().find_map(|said| match said {
        FromWorker::AttemptEnded(end) if end.lease == lease => Some(end.outcome.clone()),
        _ => None,
    })
}

/// Starts a worker that renders with a program of these lines.
fn worker_with(cloud: &FakeCloud, folder: &Path, lines: &str, wear: WearLimits) -> Worker {
    let engine = BlenderEngine::new(Arc::new(SystemClock), folder.join("engines")).with_wear(wear);
    Worker::start_with(cloud, &folder.join("data"), Arc::new(engine), program(folder, lines), 0)
}

/// Offers tasks one after the other; answers how each ended.
async fn outcomes(lines: &str) -> Vec<AttemptOutcome> {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = worker_with(&cloud, folder.path(), lines, WearLimits::default());
    cloud.connected().await;
    let mut outcomes = Vec::new();
    for number in 1..=TIMES {
        let lease = cloud.offer(number, &[1, 2]);
        cloud.wait("the end of an attempt", |seen| outcome(seen, lease).is_some()).await;
        outcomes.extend(outcome(&cloud.seen.lock().unwrap(), lease));
    }
    worker.stop().await;
    outcomes
}

#[actix_web::test]
async fn a_scene_that_cannot_be_opened_ends_with_its_own_class_and_words() {
    let said = r#"{"say":"failed","kind":"no_camera","text":"scene 'Scene' has no active camera"}"#;
    for outcome in outcomes(&format!("echo '{said}'")).await {
        let AttemptOutcome::Failed { class, message, frame } = outcome else { panic!("{outcome:?}") };
        assert_eq!((class, frame), (FailureClass::NoCamera, None), "{message}");
        assert!(message.contains("no active camera"), "{message}");
    }
}

#[actix_web::test]
async fn a_program_that_ends_after_a_frame_tells_why() {
    // It ends of itself after its first frame: the order for the second meets a dead process.
    let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenes/pixel.png");
    let lines = format!(
        r#"read load
echo '{{"say":"ready","device":"CPU, 1 threads","layers":1}}'
read order
path=${{order##*\"path\":\"}}
cp {picture} "${{path%%\"*}}"
echo '{{"say":"rendered","frame":1,"finished":true,"memory_peak_bytes":1}}'
printf '\npictor-mark 1\nError: Out of memory\n' >&2
echo '{{"say":"failed","kind":"out_of_memory","text":"Python found no memory"}}'"#
    );
    for outcome in outcomes(&lines).await {
        let AttemptOutcome::Failed { class, message, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(class, FailureClass::OutOfMemory, "{message}");
    }
}

#[actix_web::test]
async fn a_process_that_grows_is_replaced_between_frames_and_none_is_lost() {
    let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenes/pixel.png");
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let lines = format!(
        r#"echo $$ >> {}/started
read load
echo '{{"say":"ready","device":"CPU, 1 threads","layers":1}}'
while read order; do
    frame=${{order#*\"frame\":}}
    frame=${{frame%%,*}}
    path=${{order##*\"path\":\"}}
    cp {picture} "${{path%%\"*}}"
    echo "{{\"say\":\"rendered\",\"frame\":$frame,\"finished\":true,\"memory_peak_bytes\":1}}"
    printf '\npictor-mark %s\n' "$frame" >&2
done"#,
        folder.path().display()
    );
    let always = WearLimits { percent: 0, bytes: 0, frames_min: 3 };
    let worker = worker_with(&cloud, folder.path(), &lines, always);
    cloud.connected().await;
    let lease = cloud.offer(1, &(1..=11).collect::<Vec<_>>());
    cloud.wait("the end", |seen| outcome(seen, lease) == Some(AttemptOutcome::Rendered)).await;
    cloud.wait("all frames", |seen| seen.frames.len() == 11).await;
    worker.stop().await;
    let started = std::fs::read_to_string(folder.path().join("started")).unwrap();
    assert_eq!(started.lines().count(), 4, "three frames each, and two for the last");
    let begun = |said: &&FromWorker| matches!(said, FromWorker::AttemptStarted(_));
    assert_eq!(cloud.seen.lock().unwrap().heard.iter().filter(begun).count(), 1);
}
