//! Custom properties, where Cycles keeps its settings: a tree of linked lists.

use oxblend::BlendFile;

use super::scenes::{follow, integer, text};

/// `IDProperty.type` of groups and of whole numbers.
const IS_GROUP: i64 = 6;
const IS_INT: i64 = 1;
/// Entries of one group that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// `scene.cycles.samples`, where the file holds it.
pub(super) fn cycles_samples(file: &BlendFile, scene: usize) -> Option<i64> {
    // Blender 5 moved what add-ons define to a tree of its own.
    ["id.system_properties", "id.properties"]
        .into_iter()
        .filter_map(|tree| follow(file, scene, tree))
        .filter_map(|root| entry(file, root, "cycles", IS_GROUP))
        .filter_map(|cycles| entry(file, cycles, "samples", IS_INT))
        .find_map(|samples| integer(file, samples, "data.val"))
}

fn entry(file: &BlendFile, group: usize, name: &str, kind: i64) -> Option<usize> {
    let mut found = follow(file, group, "data.group.first")?;
    for _ in 0..ENTRIES_MAX {
        if text(file, found, "name").as_deref() == Some(name) {
            return (integer(file, found, "type") == Some(kind)).then_some(found);
        }
        found = follow(file, found, "next")?;
    }
    None
}
