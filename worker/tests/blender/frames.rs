//! Frames of a session equal bare Blender's, pixel by pixel, and a warm session is fast.

use pictor_actors::now::{Clock, SystemClock};

use super::support::{Rig, pixels};

async fn equals_bare(scene: &str) {
    let rig = Rig::new(scene);
    let bare = rig.bare(1..=4);
    let mut running = rig.start().await.unwrap();
    let mut earlier = None;
    for (frame, bare) in (1..=4).zip(&bare) {
        let (ours, _) = running.frame(frame).await;
        let ours = pixels(&ours);
        assert!(ours == pixels(bare), "frame {frame} of {scene} differs from bare Blender's");
        assert_ne!(earlier, Some(ours.clone()), "frame {frame} of {scene} shows nothing new: a poor test");
        earlier = Some(ours);
    }
    // Out of order, as after a retry: nothing of a later frame may stay.
    let (again, _) = running.frame(2).await;
    assert!(pixels(&again) == pixels(&bare[1]), "frame 2 of {scene} differs the second time");
}

#[tokio::test]
async fn moving_things_equal_bare_blender() {
    equals_bare("moving.blend").await;
}

#[tokio::test]
async fn changing_things_equal_bare_blender() {
    equals_bare("changing.blend").await;
}

#[tokio::test]
async fn cuts_between_cameras_and_motion_blur_equal_bare_blender() {
    equals_bare("cuts.blend").await;
}

#[tokio::test]
async fn compositing_equals_bare_blender_and_its_file_output_writes_nothing() {
    let rig = Rig::new("compositing.blend");
    let bare = rig.bare(2..=2);
    let mut running = rig.start().await.unwrap();
    let (ours, _) = running.frame(2).await;
    assert!(pixels(&ours) == pixels(&bare[0]));
    let warned = running.warnings();
    assert!(warned.iter().any(|(_, text)| text.contains("File Output")), "{warned:?}");
    drop(running);
    let inputs: Vec<_> = std::fs::read_dir(&rig.request.inputs_dir).unwrap().flatten().collect();
    assert_eq!(inputs.len(), 1);
    let outputs: Vec<_> = std::fs::read_dir(&rig.request.output_dir).unwrap().flatten().collect();
    assert_eq!(outputs.len(), 1);
}

#[tokio::test]
async fn the_next_frame_of_a_warm_session_begins_at_once() {
    let rig = Rig::new("moving.blend");
    let mut running = rig.start().await.unwrap();
    running.frame(1).await;
    let clock = SystemClock;
    let began = clock.now().mono;
    let mut inside = 0;
    for frame in [2, 3, 4, 1, 2, 3, 4, 1] {
        inside += running.frame(frame).await.1;
    }
    let all = clock.now().elapsed(began).0;
    // What lies between "written" and "started" is ours alone. A process a frame would take 8 x 1.1 s.
    let gap = all.saturating_sub(inside) as f64 / 8.0;
    eprintln!("8 warm frames: {all} ms, {gap:.1} ms between frames");
    assert!(all < 8_000, "8 warm frames took {all} ms");
}
