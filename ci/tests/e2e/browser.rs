//! In Chromium: a worker is set up with the real worker program, a scene is submitted, frames arrive, one is
//! downloaded; and every page is looked at in both themes and widths.

use std::path::Path;
use std::process::Command;

use crate::harness::{Stage, probes};

fn drive(stage: &Stage, script: &str, more: &[(&str, String)]) {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates/web");
    let mut node = Command::new("node");
    node.current_dir(web)
        .arg(format!("tests/{script}"))
        .env("PICTOR_URL", stage.farm.url())
        .env("PICTOR_EMAIL", ci::farm::EMAIL)
        .env("PICTOR_PASSWORD", stage.farm.password())
        .envs(more.iter().map(|(name, value)| (name, value)));
    if std::env::var_os("PICTOR_SHOTS").is_none() {
        // Kept with the rest of the stage when the test fails.
        node.env("PICTOR_SHOTS", stage.folder.path().join("shots"));
    }
    let output = node.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[test]
fn a_person_sets_up_a_worker_submits_a_scene_and_downloads_a_frame() {
    let stage = Stage::new();
    let worker = stage.farm.programs().command("pictor-worker");
    let rig = stage.folder.path().join("rig");
    ci::farm::copy_probes(&probes(), &rig);
    let more = [
        ("PICTOR_WORKER_PROGRAM", worker.get_program().to_string_lossy().into_owned()),
        ("PICTOR_WORKER_DATA", text(&rig)),
        ("PICTOR_SCENE", text(&stage.scene("second", 4))),
    ];
    drive(&stage, "journey.mjs", &more);
}

#[test]
fn every_page_is_sound_in_both_themes_and_widths() {
    let mut stage = Stage::new();
    stage.farm.add_worker("rig-01").unwrap();
    let submit = |kind: &str, frames| stage.farm.submit(&stage.scene(kind, frames), &[]).unwrap();
    let plain = submit("plain", 4);
    stage.farm.wait_job(&plain, "completed").unwrap();
    let failed = submit("no-camera", 2);
    stage.farm.wait_job(&failed, "failed").unwrap();
    // Goes on for as long as the pages are walked over.
    let running = submit("slow", 60);
    let paused = submit("second", 8);
    stage.farm.pictor(&["jobs", "pause", &paused]).unwrap();
    stage.farm.wait_frames(&running, 1).unwrap();
    let more = [
        ("PICTOR_NEEDS", "running completed failed paused".to_owned()),
        ("PICTOR_SCENE", text(&stage.scene("plain", 4))),
    ];
    drive(&stage, "pages.mjs", &more);
}
