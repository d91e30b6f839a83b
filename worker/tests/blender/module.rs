//! The Python module `bpy`: `PICTOR_TEST_BPY_PYTHON` names a Python that has it. Without one these tests fail
//! in words; `.config/nextest.toml` leaves them out unless told otherwise, which nextest counts as skipped.

use std::process::Command;

use pictor_actors::protocol::assignment::OutputFormat;
use pictor_worker::engines::EngineEvent;

use super::support::{Rig, pixels};

/// The same frames by the module's own animation render.
fn bare(rig: &Rig) -> Vec<std::path::PathBuf> {
    let out = rig.dir.path().join("bare");
    let script = format!(
        "import bpy, os\nbpy.ops.wm.open_mainfile(filepath={:?})\nbpy.context.scene.render.filepath={:?}\n\
         bpy.ops.render.render(animation=True)\nos._exit(0)\n",
        rig.request.scene,
        out.join("f_####")
    );
    let status =
        Command::new(&rig.request.software.path).args(["-I", "-c", &script]).output().unwrap().status;
    assert!(status.success());
    (1..=4).map(|frame| out.join(format!("f_{frame:04}.png"))).collect()
}

async fn equals_bare(scene: &str) {
    let rig = Rig::of_module(scene);
    let bare = bare(&rig);
    let mut running = rig.start().await.unwrap();
    for (frame, bare) in (1..=4).zip(bare) {
        let (ours, _) = running.frame(frame).await;
        assert!(pixels(&ours) == pixels(&bare), "frame {frame} of {scene} differs");
    }
    assert!(
        running
            .seen
            .iter()
            .any(|e| matches!(e, EngineEvent::Ready { engine, .. } if engine.starts_with("bpy ")))
    );
    assert!(running.seen.iter().any(|e| matches!(e, EngineEvent::Progress { .. })), "{:?}", running.seen);
}

#[tokio::test]
async fn moving_things_equal_the_bare_module() {
    equals_bare("moving.blend").await;
}

#[tokio::test]
async fn changing_things_equal_the_bare_module() {
    equals_bare("changing.blend").await;
}

#[tokio::test]
async fn cuts_equal_the_bare_module() {
    equals_bare("cuts.blend").await;
}

#[tokio::test]
async fn layers_come_in_one_exr() {
    let mut rig = Rig::of_module("layers.blend");
    rig.request.render.format = OutputFormat::OpenExrMultilayer;
    rig.start().await.unwrap().frame(1).await;
}

#[tokio::test]
async fn a_scene_is_chosen_by_its_name() {
    let mut rig = Rig::of_module("two_scenes.blend");
    rig.request.render.scene = Some("Second".into());
    let (path, _) = rig.start().await.unwrap().frame(1).await;
    assert_eq!(pixels(&path).dimensions(), (32, 32));
}
