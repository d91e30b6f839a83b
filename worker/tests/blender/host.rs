//! A scene reads and writes nothing of its host, and runs nothing there.

use std::fs;
use std::path::Path;

use image::RgbaImage;
use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::outcome::WarningClass;

use super::support::{Rig, pixels, scenes};

/// The program, and the module where there is one.
fn rigs(scene: &str) -> Vec<Rig> {
    std::iter::once(Rig::new(scene)).chain(Rig::of_module_too(scene)).collect()
}

/// Frame 1, and the warnings about files.
async fn frame(rig: &Rig) -> (RgbaImage, Vec<String>) {
    let mut running = rig.start().await.unwrap();
    let (path, _) = running.frame(1).await;
    let of_files = |(class, text)| (class == WarningClass::MissingFile).then_some(text);
    (pixels(&path), running.warnings().into_iter().filter_map(of_files).collect())
}

/// The scene reaches for `file` in the folder above the job's own: what is in it makes no difference.
async fn is_not_read(scene: &str, file: &str) {
    for rig in rigs(scene) {
        let path = rig.dir.path().join(file);
        fs::write(&path, "something else").unwrap();
        let (with_another, _) = frame(&rig).await;
        fs::copy(scenes().join(file), &path).unwrap();
        let (with, warnings) = frame(&rig).await;
        assert!(warnings.iter().any(|text| text.contains(&format!("{file} lies outside"))), "{warnings:?}");
        let bare = pixels(&rig.bare(1..=1).remove(0));
        assert!(with != bare, "{scene} is as with bare Blender, which reads the file");
        assert!(with == with_another, "{scene} shows what is in the file");
    }
}

/// The scene's own file is drawn, without a word.
async fn is_read(scene: &str, file: &str) {
    for rig in rigs(scene) {
        let (without, _) = frame(&rig).await;
        let rig = rig.with_input(file);
        let (with, warnings) = frame(&rig).await;
        assert_eq!(warnings, Vec::<String>::new());
        assert!(with != without, "{scene} does not show {file}");
    }
}

#[tokio::test]
async fn a_texture_of_the_host_is_not_read() {
    is_not_read("outside.blend", "wood.png").await;
}

#[tokio::test]
async fn a_strip_of_the_host_is_not_read_and_the_jobs_own_is() {
    is_not_read("outside_strip.blend", "wood.png").await;
    is_read("strip.blend", "wood.png").await;
}

#[tokio::test]
async fn a_font_of_the_host_is_not_read_and_the_jobs_own_is() {
    is_not_read("outside_letters.blend", "letters.ttf").await;
    is_read("letters.blend", "letters.ttf").await;
}

fn has_escaped(rig: &Path) -> bool {
    rig.join("escaped").exists()
}

#[tokio::test]
async fn a_file_output_of_another_scene_writes_nothing() {
    for rig in rigs("other_scene_writes.blend") {
        frame(&rig).await;
        assert!(!has_escaped(rig.dir.path()));
        rig.bare(1..=1);
        assert!(has_escaped(rig.dir.path()), "it does with bare Blender");
    }
}

#[tokio::test]
async fn a_freestyle_module_does_not_run() {
    for rig in rigs("script_freestyle.blend") {
        let failure = rig.fails_to_start().await;
        assert_eq!(failure.class, FailureClass::NeedsScripts, "{failure}");
        assert!(failure.message.contains("Freestyle"), "{failure}");
    }
}
