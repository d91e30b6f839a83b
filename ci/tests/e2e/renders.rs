//! What a farm is for: scenes go in, frames come out, equal to bare Blender's.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use ci::farm::list_of;

use crate::harness::{Stage, bare_blender};

#[test]
pub fn an_animation_of_24_frames_is_shared_by_two_workers_and_equals_bare_blender() {
    let mut stage = Stage::new();
    stage.farm.add_worker("rig-01").unwrap();
    stage.farm.add_worker("rig-02").unwrap();
    let scene = stage.scene("second", 24);
    let job = stage.farm.submit(&scene, &["--name", "Turning head"]).unwrap();
    let shown = stage.farm.wait_job(&job, "completed").unwrap();
    assert_eq!(shown["frames_done"], 24);
    assert_eq!(shown["warnings"].as_array().unwrap().len(), 0, "{shown:#}");

    let frames = stage.frames(&job);
    let bare = bare_blender(&scene, &stage.folder.path().join("bare"));
    assert_eq!(frames.len(), 24);
    for ((name, pixels), (bare_name, bare_pixels)) in frames.iter().zip(&bare) {
        assert!(pixels == bare_pixels, "{name} differs from bare Blender's {bare_name}");
    }
    assert_eq!(frames.iter().map(|(_, pixels)| pixels).collect::<BTreeSet<_>>().len(), 24);

    let listed = stage.farm.pictor(&["jobs", "frames", &job]).unwrap();
    let workers: BTreeSet<_> = list_of(&listed).iter().map(|frame| frame["worker"].to_string()).collect();
    assert_eq!(workers.len(), 2, "both workers had their share: {workers:?}");
}

#[test]
pub fn a_still_in_another_size_and_format() {
    let mut stage = Stage::new();
    stage.farm.add_worker("rig-01").unwrap();
    let scene = stage.scene("plain", 10);
    let options = ["--frames", "7", "--format", "JPEG", "--resolution", "80x60", "--samples", "1"];
    let job = stage.farm.submit(&scene, &options).unwrap();
    stage.farm.wait_job(&job, "completed").unwrap();
    let frames = stage.frames(&job);
    assert_eq!(frames.len(), 1);
    assert!(frames[0].0.ends_with("0007.jpg"), "{}", frames[0].0);
    assert_eq!(frames[0].1.len(), 80 * 60 * 4);
}

#[test]
pub fn exr_keeps_both_view_layers_and_has_a_thumbnail() {
    let mut stage = Stage::new();
    stage.farm.add_worker("rig-01").unwrap();
    let scene = stage.scene("layers", 1);
    let job = stage.farm.submit(&scene, &["--format", "OPEN_EXR_MULTILAYER"]).unwrap();
    stage.farm.wait_job(&job, "completed").unwrap();
    let folder = stage.folder.path().join("exr");
    stage.farm.pull(&job, &folder).unwrap();
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let meta = exr::meta::MetaData::read_from_file(&file, false).unwrap();
    let channels: BTreeSet<String> = meta
        .headers
        .iter()
        .flat_map(|header| {
            let layer =
                header.own_attributes.layer_name.as_ref().map(ToString::to_string).unwrap_or_default();
            header.channels.list.iter().map(move |channel| format!("{layer}.{}", channel.name))
        })
        .collect();
    for wanted in ["Front", "Back", "Depth"] {
        assert!(channels.iter().any(|channel| channel.contains(wanted)), "{wanted} is not in {channels:?}");
    }
    let thumbnail = stage.get(&format!("jobs/{job}/frames/1/thumbnail"));
    let picture = image::load_from_memory(&thumbnail).unwrap();
    assert!(picture.width() > 0 && picture.into_rgb8().pixels().any(|pixel| pixel.0 != [0, 0, 0]));
}

#[test]
pub fn a_zip_brings_its_linked_texture_and_two_scenes_need_a_choice() {
    let mut stage = Stage::new();
    stage.farm.add_worker("rig-01").unwrap();
    let scene = stage.scene("texture", 1);
    let texture = scene.with_file_name("textures").join("checks.png");
    let one = stage.folder.path().join("one.zip");
    zip(&one, &[("shot/texture.blend", &scene), ("shot/textures/checks.png", &texture)]);
    let job = stage.farm.submit(&one, &[]).unwrap();
    let shown = stage.farm.wait_job(&job, "completed").unwrap();
    assert_eq!(shown["warnings"].as_array().unwrap().len(), 0, "{shown:#}");
    let bare = bare_blender(&scene, &stage.folder.path().join("bare"));
    assert!(stage.frames(&job)[0].1 == bare[0].1, "the texture is in the picture");

    let two = stage.folder.path().join("two.zip");
    let plain = stage.scene("plain", 1);
    zip(&two, &[("a.blend", &scene), ("b.blend", &plain), ("textures/checks.png", &texture)]);
    let refused = stage.farm.client(&["submit", &two.to_string_lossy()]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("a.blend") && words.contains("b.blend"), "{words}");
    let job = stage.farm.submit(&two, &["--main", "b.blend"]).unwrap();
    stage.farm.wait_job(&job, "completed").unwrap();
}

fn zip(file: &Path, entries: &[(&str, &Path)]) {
    let mut writer = zip::ZipWriter::new(std::fs::File::create(file).unwrap());
    for (name, source) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(&std::fs::read(source).unwrap()).unwrap();
    }
    writer.finish().unwrap();
}
