//! Scenes: range, size, engine, cameras. Every field may be missing; none is guessed.

use std::collections::BTreeSet;

use oxblend::BlendFile;
use oxblend::value::{PathStep, Value};

use super::{Inspected, InspectedScene, idprops};

/// Scenes of one file that are listed: a page with more choices helps nobody.
const SCENES_MAX: usize = 100;
/// Cameras of one scene that are listed.
const CAMERAS_MAX: usize = 200;
/// Steps along a list of the file: a list that is longer is a ring, or made to keep us busy.
const LIST_STEPS_MAX: usize = 1_000_000;
/// `Object.type` of cameras.
const OBJECT_IS_CAMERA: i64 = 11;

/// Adds the scenes of the file.
pub(super) fn read(file: &BlendFile, inspected: &mut Inspected) {
    let active = active_scene(file);
    let mut are_all_named = true;
    for block in blocks(file, b"SC") {
        if inspected.scenes.len() == SCENES_MAX {
            inspected.notes.push(format!("only the first {SCENES_MAX} scenes are listed"));
            return;
        }
        match scene(file, block, active == Some(block)) {
            Some(scene) => inspected.scenes.push(scene),
            None => {
                inspected.notes.push("a scene without a name was left out".to_owned());
                are_all_named = false;
            }
        }
    }
    let listed: BTreeSet<&String> = inspected.scenes.iter().flat_map(|scene| &scene.cameras).collect();
    // A camera of an excluded collection has no base in the view layer, and can be rendered with all the
    // same; a library may bring scenes and cameras that have no name here.
    inspected.is_whole = are_all_named
        && blocks(file, b"LI").next().is_none()
        && all_cameras(file).all(|camera| camera.is_some_and(|name| listed.contains(&name)));
}

/// The name of every camera of the file, in whatever scene or none.
fn all_cameras(file: &BlendFile) -> impl Iterator<Item = Option<String>> + '_ {
    blocks(file, b"OB")
        .filter(|&object| integer(file, object, "type") == Some(OBJECT_IS_CAMERA))
        .map(|object| id_name(file, object))
}

fn scene(file: &BlendFile, block: usize, is_active: bool) -> Option<InspectedScene> {
    let number = |path: &str| integer(file, block, path);
    let count = |path: &str| number(path).and_then(|value| u32::try_from(value).ok());
    let frame = |path: &str| number(path).and_then(|value| i32::try_from(value).ok());
    Some(InspectedScene {
        name: id_name(file, block)?,
        is_active,
        cameras: cameras(file, block),
        frame_start: frame("r.sfra"),
        frame_end: frame("r.efra"),
        frame_step: frame("r.frame_step"),
        fps: count("r.frs_sec"),
        engine: text(file, block, "r.engine").filter(|engine| !engine.is_empty()),
        width: count("r.xsch"),
        height: count("r.ysch"),
        resolution_percent: count("r.size"),
        samples: idprops::cycles_samples(file, block).and_then(|value| u32::try_from(value).ok()),
    })
}

/// `FileGlobal.curscene`.
fn active_scene(file: &BlendFile) -> Option<usize> {
    blocks(file, b"GLOB").next().and_then(|global| follow(file, global, "curscene"))
}

/// Names of the scene's cameras, the active one first; where its list of objects cannot be followed, all of
/// the file.
fn cameras(file: &BlendFile, scene: usize) -> Vec<String> {
    let active = follow(file, scene, "camera").and_then(|camera| id_name(file, camera));
    let found: BTreeSet<String> = objects_of(file, scene)
        .unwrap_or_else(|| blocks(file, b"OB").collect())
        .into_iter()
        .filter(|&object| integer(file, object, "type") == Some(OBJECT_IS_CAMERA))
        .filter_map(|object| id_name(file, object))
        .take(CAMERAS_MAX)
        .collect();
    let others = found.into_iter().filter(|name| Some(name) != active.as_ref()).collect::<Vec<_>>();
    active.into_iter().chain(others).collect()
}

/// The objects of the scene's first view layer, which holds a base for each object of the scene.
fn objects_of(file: &BlendFile, scene: usize) -> Option<Vec<usize>> {
    let layer = follow(file, scene, "view_layers.first")?;
    let mut base = follow(file, layer, "object_bases.first")?;
    let mut objects = Vec::new();
    for _ in 0..LIST_STEPS_MAX {
        // A base whose object lives in another file points to a placeholder: it has no type here.
        objects.extend(follow(file, base, "object"));
        match follow(file, base, "next") {
            Some(next) => base = next,
            None => return Some(objects),
        }
    }
    None
}

fn blocks<'a>(file: &'a BlendFile, code: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let is_of = move |found: &[u8; 4]| found.split(|&byte| byte == 0).next() == Some(code);
    file.blocks().iter().enumerate().filter(move |(_, block)| is_of(&block.code)).map(|(index, _)| index)
}

/// The name without the two letters that say what kind of thing it is.
fn id_name(file: &BlendFile, block: usize) -> Option<String> {
    text(file, block, "id.name")
        .and_then(|name| name.get(2..).map(str::to_owned))
        .filter(|name| !name.is_empty())
}

fn steps(path: &str) -> Vec<PathStep> {
    path.split('.').map(|step| PathStep::Field(step.as_bytes().to_vec())).collect()
}

/// The block that a pointer field leads to; nothing for null, a missing field or a pointer to nowhere.
pub(super) fn follow(file: &BlendFile, block: usize, path: &str) -> Option<usize> {
    match file.get(block, 0, &steps(path), true).ok()? {
        Value::Pointer(address) if address != 0 => file.dereference(address).ok().flatten(),
        _ => None,
    }
}

/// An integer field.
pub(super) fn integer(file: &BlendFile, block: usize, path: &str) -> Option<i64> {
    match file.get(block, 0, &steps(path), true).ok()? {
        Value::Signed(value) => Some(value),
        Value::Unsigned(value) => i64::try_from(value).ok(),
        _ => None,
    }
}

/// A text field.
pub(super) fn text(file: &BlendFile, block: usize, path: &str) -> Option<String> {
    match file.get(block, 0, &steps(path), true).ok()? {
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        _ => None,
    }
}
