//! Submitting a job: first the file, then its settings as read back from it.

use pictor_cloud_api::jobs::NewJob;
use pictor_cloud_api::uploads::{BlendScene, UploadContent};
use serde::Serialize;

use super::details::{engine_words, format_words};
use crate::views::forms::{Choice, Field, FormErrors};
use crate::views::{View, format};

/// `/jobs/new`: choose a file.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ChooseFilePage {
    /// Why the last file was refused.
    pub error: Option<String>,
    /// Largest file in words.
    pub size_max: String,
    /// The same where scripts are off.
    pub form_size_max: String,
}

impl View for ChooseFilePage {
    const TEMPLATE: &'static str = "pages/job_file";
}

/// `/jobs/new?file=…`: settings.
#[derive(Debug, Clone, Serialize)]
pub struct SettingsPage {
    /// BLAKE3 of the file.
    pub blake3: String,
    /// File name.
    pub file_name: String,
    /// "28 MiB, saved with Blender 4.5, 3 files".
    pub file_words: String,
    /// What looked wrong in it.
    pub warnings: Vec<String>,
    /// The scene could not be read: the form is filled with nothing.
    pub is_unread: bool,
    /// Why the last try was refused.
    pub error: Option<String>,
    /// Job's name.
    pub name: Setting,
    /// Which `.blend` of a zip; empty list: there is only one.
    pub mains: Vec<Choice>,
    /// Which scene; empty list: there is only one.
    pub scenes: Vec<Choice>,
    /// Which camera; empty list: none is known.
    pub cameras: Vec<Choice>,
    /// Frame expression.
    pub frames: Setting,
    /// How many frames the file's range has, in words.
    pub frames_words: Option<String>,
    /// Engine.
    pub engines: Vec<Choice>,
    /// Engine of the file, in words.
    pub engine_from_file: Option<String>,
    /// Width.
    pub width: Setting,
    /// Height.
    pub height: Setting,
    /// Samples.
    pub samples: Setting,
    /// Output format.
    pub formats: Vec<Choice>,
    /// 0 to 100.
    pub priority: Setting,
    /// Frames a task.
    pub chunk: Setting,
    /// Begin paused.
    pub is_paused: bool,
}

impl View for SettingsPage {
    const TEMPLATE: &'static str = "pages/job_settings";
}

/// A field and what the file says about it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Setting {
    /// The field.
    pub field: Field,
    /// The file's own value.
    pub from_file: Option<String>,
}

/// A file that is on the cloud.
#[derive(Debug, Clone)]
pub struct UploadedFile<'a> {
    /// BLAKE3.
    pub blake3: &'a str,
    /// Name.
    pub file_name: &'a str,
    /// Bytes.
    pub size: u64,
    /// What is inside.
    pub content: &'a UploadContent,
}

impl SettingsPage {
    /// The form for this file. What was typed before wins over the file's values; scenes and cameras are
    /// those of the file that is chosen.
    #[must_use]
    pub fn new(file: &UploadedFile<'_>, typed: &NewJob, errors: &FormErrors) -> Self {
        let content = file.content;
        let main = typed.main.clone().or_else(|| only(&content.blend_files)).unwrap_or_default();
        let in_main = || content.scenes.iter().filter(|scene| main.is_empty() || scene.file == main);
        let scene = in_main()
            .find(|scene| typed.scene.as_deref() == Some(&scene.name))
            .or_else(|| in_main().find(|scene| scene.is_active))
            .or_else(|| in_main().next());
        let setting = |name: &str, typed: Option<String>, from_file: Option<String>| Setting {
            field: Field::of(typed.or_else(|| from_file.clone()).unwrap_or_default())
                .with_error(name, errors),
            from_file,
        };
        let text = |number: Option<u32>| number.map(|number| number.to_string());
        Self {
            blake3: file.blake3.to_owned(),
            file_name: file.file_name.to_owned(),
            file_words: file_words(file, scene),
            warnings: content.warnings.clone(),
            is_unread: content.scenes.is_empty(),
            error: errors.whole.clone().or_else(|| of_choices(errors)),
            name: Setting {
                field: Field::of(typed.name.clone().unwrap_or_else(|| stem(file.file_name)))
                    .with_error("name", errors),
                from_file: None,
            },
            mains: mains(content, &main),
            scenes: scene_choices(in_main().collect(), scene, typed.scene.as_deref()),
            cameras: scene.map_or_else(Vec::new, |scene| cameras(scene, typed.camera.as_deref())),
            frames: setting("frames", typed.frames.clone(), scene.and_then(frames_of)),
            frames_words: scene.and_then(frames_words),
            engines: engines(scene, typed.engine.as_deref()),
            engine_from_file: scene
                .and_then(|scene| scene.engine.as_deref())
                .map(|engine| engine_words(engine).to_owned()),
            width: setting("width", text(typed.width), text(scene.and_then(|s| scaled(s.width, s)))),
            height: setting("height", text(typed.height), text(scene.and_then(|s| scaled(s.height, s)))),
            samples: setting("samples", text(typed.samples), text(scene.and_then(|s| s.samples))),
            formats: formats(typed.format.as_deref()),
            priority: setting("priority", Some(typed.priority.unwrap_or(50).to_string()), None),
            chunk: setting("chunk", text(typed.chunk), None),
            is_paused: typed.paused,
        }
    }
}

/// What is wrong with a field that has no place of its own for it.
fn of_choices(errors: &FormErrors) -> Option<String> {
    let fields = ["main", "scene", "camera", "engine", "format"];
    fields.iter().find_map(|field| errors.fields.get(*field).cloned())
}

fn only(list: &[String]) -> Option<String> {
    match list {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// "lamp.blend" → "lamp".
fn stem(file_name: &str) -> String {
    file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem).to_owned()
}

fn file_words(file: &UploadedFile<'_>, scene: Option<&BlendScene>) -> String {
    let mut words = vec![format::bytes(file.size)];
    if file.content.file_count > 1 {
        words.push(format::counted(u64::from(file.content.file_count), "file", "files"));
    }
    if let Some(version) = scene.and_then(|scene| scene.saved_with.as_deref()) {
        words.push(format!("saved with Blender {version}"));
    }
    words.join(" · ")
}

fn mains(content: &UploadContent, main: &str) -> Vec<Choice> {
    match content.blend_files.len() {
        0 | 1 => Vec::new(),
        _ => Choice::list(content.blend_files.iter().map(|file| (file.as_str(), file.as_str())), main),
    }
}

/// The active scene stands for *as the file says*: choosing it sends nothing.
fn scene_choices(scenes: Vec<&BlendScene>, chosen: Option<&BlendScene>, typed: Option<&str>) -> Vec<Choice> {
    if scenes.len() < 2 {
        return Vec::new();
    }
    let chosen =
        typed.unwrap_or_else(|| chosen.filter(|scene| !scene.is_active).map_or("", |s| s.name.as_str()));
    let pair = |scene: &&BlendScene| match scene.is_active {
        true => (String::new(), format!("{} (active in the file)", scene.name)),
        false => (scene.name.clone(), scene.name.clone()),
    };
    Choice::list(scenes.iter().map(pair), chosen)
}

fn cameras(scene: &BlendScene, typed: Option<&str>) -> Vec<Choice> {
    if scene.cameras.is_empty() {
        return Vec::new();
    }
    let pair = |(index, name): (usize, &String)| match index {
        0 => (String::new(), format!("{name} (active in the file)")),
        _ => (name.clone(), name.clone()),
    };
    Choice::list(scene.cameras.iter().enumerate().map(pair), typed.unwrap_or_default())
}

fn engines(scene: Option<&BlendScene>, typed: Option<&str>) -> Vec<Choice> {
    let from_file = scene.and_then(|scene| scene.engine.as_deref()).map_or_else(
        || "As the file says".to_owned(),
        |engine| format!("{} (from the file)", engine_words(engine)),
    );
    let others = ["cycles", "eevee", "workbench"].map(|engine| (engine, engine_words(engine).to_owned()));
    Choice::list([("", from_file)].into_iter().chain(others), typed.unwrap_or_default())
}

fn formats(typed: Option<&str>) -> Vec<Choice> {
    let all = ["PNG", "JPEG", "OPEN_EXR", "OPEN_EXR_MULTILAYER"];
    Choice::list(all.map(|format| (format, format_words(format))), typed.unwrap_or("PNG"))
}

fn frames_of(scene: &BlendScene) -> Option<String> {
    let (start, end) = (scene.frame_start?, scene.frame_end?);
    let step = scene.frame_step.filter(|step| *step > 1).map_or_else(String::new, |step| format!("x{step}"));
    Some(if start == end { start.to_string() } else { format!("{start}-{end}{step}") })
}

fn frames_words(scene: &BlendScene) -> Option<String> {
    let (start, end) = (scene.frame_start?, scene.frame_end?);
    let step = u64::try_from(scene.frame_step.unwrap_or(1).max(1)).unwrap_or(1);
    let count = u64::try_from(i64::from(end) - i64::from(start)).ok()? / step + 1;
    let frames = format::counted(count, "frame", "frames");
    Some(match scene.fps.filter(|fps| *fps > 0) {
        Some(fps) => format!("{frames} at {fps} a second"),
        None => frames,
    })
}

/// Pixels as rendered: the file's size at its own scale.
fn scaled(pixels: Option<u32>, scene: &BlendScene) -> Option<u32> {
    let scale = u64::from(scene.resolution_percent.unwrap_or(100));
    pixels.and_then(|pixels| u32::try_from(u64::from(pixels) * scale / 100).ok())
}
