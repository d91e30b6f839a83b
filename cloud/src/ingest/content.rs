//! What an upload holds: its files as blobs, its scenes as their `.blend` files say, and what looked wrong.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt};
use pictor_actors::ids::AccountId;
use pictor_actors::protocol::assignment::{InputFile, InputManifest};
use pictor_actors::units::BlobHash;
use pictor_cloud_api::uploads::{BlendScene, UploadContent};

use super::heads::{Head, NOT_BLEND};
use super::inspect::{Inspected, InspectedScene, Link, Unread};
use super::scratch::as_file;
use super::unpack::unpack;
use super::{Ingest, IngestError, prepare};
use crate::blobs::Stored;
use crate::store::UploadRow;

/// `.blend` files of one zip that are read; the others can be rendered all the same.
const BLEND_FILES_READ_MAX: usize = 50;
/// Warnings that are kept: what is wrong a hundred times is seen from the first ones.
const WARNINGS_MAX: usize = 100;
/// Rows of blobs that are written at a time.
const ROWS_AT_A_TIME: usize = 16;

impl Ingest {
    /// Unpacks, reads and stores the list of files.
    pub(super) async fn content_of(
        &self,
        row: &UploadRow,
        stored: Stored,
    ) -> Result<UploadContent, IngestError> {
        let is_zip = row.file_name.to_lowercase().ends_with(".zip");
        let files = if is_zip { self.unpacked(stored).await? } else { one_file(row, stored) };
        let content = self.read_scenes(&files, is_zip).await?;
        self.own(&files, row.account_id).await?;
        let list = InputManifest { main: String::new(), files };
        let list = self.put_manifest(&list, Some(row.account_id)).await?;
        Ok(UploadContent { files_blake3: Some(list.to_string()), ..content })
    }

    async fn unpacked(&self, stored: Stored) -> Result<Vec<InputFile>, IngestError> {
        let file = as_file(self.inner.blobs.as_ref(), stored.hash, &self.inner.scratch_dir).await?;
        let zip_files =
            unpack(self.inner.blobs.clone(), file.path().to_owned(), self.inner.upload_bytes_max).await?;
        if zip_files.is_empty() {
            return Err(IngestError::Refused("the zip is empty".to_owned()));
        }
        Ok(zip_files)
    }

    /// Notes the blobs as the account's, a few at a time: each waits for the disk.
    async fn own(&self, files: &[InputFile], account: AccountId) -> Result<(), IngestError> {
        let distinct: BTreeMap<BlobHash, u64> = files.iter().map(|file| (file.hash, file.size)).collect();
        let now = self.now();
        futures_util::stream::iter(distinct)
            .map(|(hash, size)| self.inner.store.put_blob(hash, size, Some(account), now))
            .buffer_unordered(ROWS_AT_A_TIME)
            .try_collect::<()>()
            .await?;
        Ok(())
    }

    /// Which of the files are scenes, and what these say. Refused if none is; in a zip, what only has the
    /// name of a scene is left out with a warning.
    async fn read_scenes(&self, files: &[InputFile], is_zip: bool) -> Result<UploadContent, IngestError> {
        let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let file_count = u32::try_from(files.len()).unwrap_or(u32::MAX);
        let mut content = UploadContent { file_count, ..UploadContent::default() };
        let (mut none, mut warnings, mut left) = (Vec::new(), Vec::new(), BLEND_FILES_READ_MAX);
        for file in files.iter().filter(|file| is_blend(&file.path)) {
            let head = Head::read(self.inner.blobs.as_ref(), file).await?;
            if let Some(objection) = head.objection() {
                none.push(format!("{:?} {objection}", file.path));
                continue;
            }
            if left > 0 {
                left -= 1;
                match self.read_one(file.hash).await {
                    Ok(inspected) => {
                        warnings.extend(inspected.notes.iter().map(|note| format!("{}: {note}", file.path)));
                        warnings.extend(missing_links(&file.path, &inspected, &paths));
                        content.scenes.extend(scenes_of(&file.path, inspected));
                    }
                    // Of one that begins as it must only the rest of its header is damaged.
                    Err(Unread::NotBlend) if head == Head::Packed => {
                        none.push(format!("{:?} {NOT_BLEND}", file.path));
                        continue;
                    }
                    Err(why) => warnings.push(format!("{} could not be read here: {why}", file.path)),
                }
            }
            content.blend_files.push(file.path.clone());
        }
        if content.blend_files.is_empty() {
            return Err(no_scene(is_zip, none));
        }
        let unread = content.blend_files.len().saturating_sub(BLEND_FILES_READ_MAX);
        if unread > 0 {
            warnings.push(format!("{unread} more .blend files were not read"));
        }
        content.warnings = bounded(none.into_iter().chain(warnings).collect());
        Ok(content)
    }

    async fn read_one(&self, hash: BlobHash) -> Result<Inspected, Unread> {
        let file = as_file(self.inner.blobs.as_ref(), hash, &self.inner.scratch_dir);
        let file = file.await.map_err(|error| Unread::Unreadable(error.to_string()))?;
        self.inner.inspector.inspect(file.path()).await
    }

    /// Stores a manifest and its row.
    pub(super) async fn put_manifest(
        &self,
        manifest: &InputManifest,
        owner: Option<AccountId>,
    ) -> Result<BlobHash, IngestError> {
        let stored = prepare::put_manifest(self.inner.blobs.as_ref(), manifest).await?;
        let files: Vec<BlobHash> = manifest.files.iter().map(|file| file.hash).collect();
        self.inner.store.put_manifest(stored.hash, stored.size, &files, owner, self.now()).await?;
        Ok(stored.hash)
    }
}

/// `none`: of each file with the name of a scene, why it is none.
fn no_scene(is_zip: bool, none: Vec<String>) -> IngestError {
    IngestError::Refused(match none.into_iter().next() {
        Some(first) if is_zip => format!("the zip holds no scene: {first}"),
        Some(only) => only,
        None => "the zip holds no .blend file: put the scene in it, and not inside another zip".to_owned(),
    })
}

/// The first warnings, and how many more there are.
fn bounded(mut warnings: Vec<String>) -> Vec<String> {
    let more = warnings.len().saturating_sub(WARNINGS_MAX);
    warnings.truncate(WARNINGS_MAX);
    if more > 0 {
        warnings.push(format!("and {more} more"));
    }
    warnings
}

fn one_file(row: &UploadRow, stored: Stored) -> Vec<InputFile> {
    vec![InputFile { path: row.file_name.clone(), hash: stored.hash, size: stored.size }]
}

fn is_blend(path: &str) -> bool {
    path.to_lowercase().ends_with(".blend")
}

fn scenes_of(file: &str, inspected: Inspected) -> Vec<BlendScene> {
    let Inspected { saved_with, scenes, is_whole, .. } = inspected;
    let scene = |scene: InspectedScene| BlendScene {
        file: file.to_owned(),
        name: scene.name,
        is_active: scene.is_active,
        cameras: scene.cameras,
        is_list_whole: is_whole,
        frame_start: scene.frame_start,
        frame_end: scene.frame_end,
        frame_step: scene.frame_step,
        fps: scene.fps,
        engine: scene.engine.as_deref().and_then(engine_name).map(str::to_owned),
        width: scene.width,
        height: scene.height,
        resolution_percent: scene.resolution_percent,
        samples: scene.samples,
        saved_with: saved_with.clone(),
    };
    scenes.into_iter().map(scene).collect()
}

/// Our name of an engine; nothing for one that is not Blender's own.
fn engine_name(blender: &str) -> Option<&'static str> {
    match blender {
        "CYCLES" => Some("cycles"),
        "BLENDER_EEVEE" | "BLENDER_EEVEE_NEXT" => Some("eevee"),
        "BLENDER_WORKBENCH" => Some("workbench"),
        _ => None,
    }
}

fn missing_links(file: &str, inspected: &Inspected, paths: &BTreeSet<&str>) -> Vec<String> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    inspected.links.iter().filter_map(|link| missing(file, folder, link, paths)).collect()
}

/// A sentence where the link leads to nothing in the upload.
fn missing(file: &str, folder: &str, link: &Link, paths: &BTreeSet<&str>) -> Option<String> {
    let what =
        if link.name.is_empty() { link.kind.clone() } else { format!("{} {:?}", link.kind, link.name) };
    let Some(relative) = link.path.strip_prefix("//") else {
        let why = "lies outside of the upload: make paths relative and put the file beside the scene";
        return Some(format!("{file}: {what} needs {:?}, which {why}", link.path));
    };
    let wanted = resolved(folder, relative)?;
    if paths.contains(wanted.as_str()) || (link.is_pattern && any_of_pattern(&wanted, paths)) {
        return None;
    }
    let other_case = paths.iter().find(|path| path.to_lowercase() == wanted.to_lowercase());
    Some(match other_case {
        Some(found) => format!(
            "{file}: {what} needs {:?}, but the file is called {found:?}: letter case counts",
            link.path
        ),
        None => format!("{file}: {what} needs {:?}, which is not in the upload", link.path),
    })
}

/// The path from the upload's root; one that leads out of it stays visibly so.
fn resolved(folder: &str, relative: &str) -> Option<String> {
    let mut names: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
    for name in relative.split(['/', '\\']) {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => drop(names.pop()),
            other => names.push(other),
        }
    }
    (!names.is_empty()).then(|| names.join("/"))
}

/// Whether any file stands for the pattern: what comes before and after its digits or its tile mark is the
/// same.
fn any_of_pattern(wanted: &str, paths: &BTreeSet<&str>) -> bool {
    let (stem, ending) = match wanted.split_once('<') {
        Some((stem, rest)) => (stem, rest.split_once('>').map_or("", |(_, ending)| ending)),
        None => {
            let (name, ending) =
                wanted.rsplit_once('.').map_or((wanted, ""), |(name, ending)| (name, ending));
            (name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '#'), ending)
        }
    };
    paths.range(stem..).take_while(|path| path.starts_with(stem)).any(|path| path.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, link: &str, is_pattern: bool, paths: &[&str]) -> Option<String> {
        let link =
            Link { path: link.to_owned(), kind: "image".to_owned(), name: "wood".to_owned(), is_pattern };
        let inspected = Inspected { links: vec![link], ..Inspected::default() };
        missing_links(file, &inspected, &paths.iter().copied().collect()).pop()
    }

    #[test]
    fn links_are_looked_up_from_their_files_folder() {
        let paths =
            ["scenes/a.blend", "textures/wood.png", "scenes/near.png", "seq/f_001.exr", "t/tile.1001.png"];
        assert_eq!(check("scenes/a.blend", "//near.png", false, &paths), None);
        assert_eq!(check("scenes/a.blend", "//../textures/wood.png", false, &paths), None);
        assert_eq!(check("scenes/a.blend", "//..\\textures\\wood.png", false, &paths), None);
        assert_eq!(check("a.blend", "//seq/f_017.exr", true, &paths), None);
        assert_eq!(check("a.blend", "//t/tile.<UDIM>.png", true, &paths), None);
    }

    #[test]
    fn what_is_missing_is_said_in_words() {
        let paths = ["a.blend", "textures/Wood.png"];
        let words = check("a.blend", "//textures/wood.png", false, &paths).unwrap();
        assert!(words.contains("letter case counts"), "{words}");
        let words = check("a.blend", "//textures/stone.png", false, &paths).unwrap();
        assert_eq!(
            words,
            "a.blend: image \"wood\" needs \"//textures/stone.png\", which is not in the upload"
        );
        for outside in ["/home/x/wood.png", "C:\\x\\wood.png"] {
            assert!(check("a.blend", outside, false, &paths).unwrap().contains("outside"), "{outside}");
        }
        assert!(check("a.blend", "//../up.png", false, &["a.blend", "up.png"]).is_some());
        assert!(check("a.blend", "//seq/f_001.png", true, &["a.blend", "seq/g_001.png"]).is_some());
    }
}
