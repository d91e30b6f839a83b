//! In Chromium: a worker is set up with the real worker program, a scene is submitted, frames arrive, one is
//! downloaded; and every page is looked at in both themes and widths.

use std::path::Path;
use std::process::Command;

use crate::harness::Stage;

fn drive(stage: &Stage, script: &str, more: &[(&str, String)]) {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates/web");
    let mut node = Command::new("node");
    node.current_dir(web)
        .arg(format!("tests/{script}"))
        .env("PICTOR_URL", stage.farm.url())
        .env("PICTOR_EMAIL", ci::farm::EMAIL)
        .env("PICTOR_PASSWORD", stage.farm.password())
        .env("PICTOR_SHOTS", stage.folder.path().join("shots"))
        .envs(more.iter().map(|(name, value)| (name, value)));
    let output = node.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn a_person_sets_up_a_worker_submits_a_scene_and_downloads_a_frame() {
    let stage = Stage::new();
    let worker = stage.farm.programs().command("pictor-worker");
    let more = [
        ("PICTOR_WORKER_PROGRAM", worker.get_program().to_string_lossy().into_owned()),
        ("PICTOR_WORKER_DATA", stage.folder.path().join("rig").to_string_lossy().into_owned()),
        ("PICTOR_SCENE", stage.scene("second", 4).to_string_lossy().into_owned()),
    ];
    drive(&stage, "journey.mjs", &more);
}

#[test]
fn every_page_is_sound_in_both_themes_and_widths() {
    let mut stage = Stage::new();
    stage.farm.add_worker("rig-01").unwrap();
    let job = stage.farm.submit(&stage.scene("plain", 4), &[]).unwrap();
    stage.farm.wait_job(&job, "completed").unwrap();
    let failed = stage.farm.submit(&stage.scene("no-camera", 2), &[]).unwrap();
    stage.farm.wait_job(&failed, "failed").unwrap();
    drive(&stage, "pages.mjs", &[]);
}
