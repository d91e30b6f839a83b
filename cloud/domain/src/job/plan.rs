//! What a creator asked for, checked: the only way to a job.
//!
//! The request comes as text and numbers from a form or from JSON; what is wrong is said field by field, in
//! words, all at once. What the file says (frames, engine) fills what was left open.

use pictor_actors::limits::{FRAMES_PER_TASK_MAX, NAME_CHARS_MAX};
use pictor_actors::protocol::assignment::{OutputFormat, RenderEngine, RenderSettings};
use pictor_actors::units::Millis;

use super::frames::FrameSet;

/// Priority unless said.
pub const PRIORITY_DEFAULT: u8 = 50;
/// The first to be served.
pub const PRIORITY_MAX: u8 = 100;
/// Longest time for one frame unless said.
pub const FRAME_TIME_LIMIT_DEFAULT: Millis = Millis::from_secs(4 * 3600);
/// Bounds of the longest time for one frame.
pub const FRAME_TIME_LIMIT: std::ops::RangeInclusive<u64> = 1_000..=7 * 24 * 3_600_000;
/// Pixels a side: what Blender allows.
pub const RESOLUTION: std::ops::RangeInclusive<u32> = 4..=65_536;
/// Pixels of one frame: 32k × 16k; more does not fit in the largest file that is accepted.
pub const PIXELS_MAX: u64 = 32_768 * 16_384;
/// Samples a pixel: what Cycles allows.
pub const SAMPLES: std::ops::RangeInclusive<u32> = 1..=16_777_216;
/// Characters of a scene's or camera's name: what Blender allows, 63 bytes, or 255 from version 5.
const BLENDER_NAME_BYTES_MAX: usize = 255;
/// Names of scenes or cameras that a refusal lists: as many as can be read at a glance.
const NAMES_LISTED_MAX: usize = 20;

/// What was asked for, unchecked; `None` or blank means *as the file says* or the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobRequest {
    /// Name.
    pub name: Option<String>,
    /// Frame expression.
    pub frames: Option<String>,
    /// `PNG`, `JPEG`, `OPEN_EXR` or `OPEN_EXR_MULTILAYER`.
    pub format: Option<String>,
    /// Scene by name.
    pub scene: Option<String>,
    /// Camera by name.
    pub camera: Option<String>,
    /// `cycles`, `eevee` or `workbench`.
    pub engine: Option<String>,
    /// Pixels wide.
    pub width: Option<u32>,
    /// Pixels high.
    pub height: Option<u32>,
    /// Samples a pixel.
    pub samples: Option<u32>,
    /// 0 to 100.
    pub priority: Option<u8>,
    /// Frames a task.
    pub chunk: Option<u32>,
    /// Longest time for one frame.
    pub frame_time_limit_ms: Option<u64>,
    /// Create it paused.
    pub paused: bool,
}

/// What the uploaded file says; `None` where it could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// Its name, which names the job unless said.
    pub file_name: String,
    /// First frame, last frame and step of the scene that is rendered.
    pub frames: Option<(i32, i32, u32)>,
    /// Its engine.
    pub engine: Option<RenderEngine>,
    /// Every scene there is; `None` where there may be others.
    pub scenes: Option<Vec<String>>,
    /// Every camera there is, those of the scene that is rendered first; `None` where there may be others.
    pub cameras: Option<Vec<String>>,
}

/// A job as it will be: every value is within its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlan {
    /// 1 to [`NAME_CHARS_MAX`] characters, no control characters.
    pub name: String,
    /// What is rendered.
    pub frames: FrameSet,
    /// How.
    pub render: RenderSettings,
    /// Engine that a slot must have: the one asked for, or the file's; unknown where neither says.
    pub needs: Option<RenderEngine>,
    /// 0 to [`PRIORITY_MAX`].
    pub priority: u8,
    /// Frames a task; nothing: by time.
    pub chunk: Option<u32>,
    /// Longest time for one frame.
    pub frame_time_limit: Millis,
    /// Create it paused.
    pub paused: bool,
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// The field, as JSON and form name it.
    pub field: &'static str,
    /// What is wrong and what is allowed, in words.
    pub message: String,
}

impl JobPlan {
    /// Checks a request against the bounds and fills it from the file.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the fields.
    pub fn check(request: &JobRequest, file: &FileFacts) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let name = keep(&mut wrong, "name", job_name(request, file));
        let frames = keep(&mut wrong, "frames", frames_of(request, file));
        let format = keep(&mut wrong, "format", format_of(request.format.as_deref()));
        let scene = blender_name(request.scene.as_deref())
            .and_then(|name| known("scene", name, file.scenes.as_deref()));
        let scene = keep(&mut wrong, "scene", scene);
        let camera = blender_name(request.camera.as_deref())
            .and_then(|name| known("camera", name, file.cameras.as_deref()));
        let camera = keep(&mut wrong, "camera", camera);
        let engine = keep(&mut wrong, "engine", engine_of(request.engine.as_deref()));
        let resolution = resolution_of(request.width, request.height).unwrap_or_else(|error| {
            wrong.push(error);
            None
        });
        if let Some(samples) = request.samples.filter(|samples| !SAMPLES.contains(samples)) {
            wrong.push(out_of_range("samples", u64::from(samples), *SAMPLES.start(), *SAMPLES.end()));
        }
        let priority = request.priority.unwrap_or(PRIORITY_DEFAULT);
        keep(&mut wrong, "priority", check_priority(priority));
        if let Some(chunk) =
            request.chunk.filter(|chunk| !(1..=FRAMES_PER_TASK_MAX).contains(&(*chunk as usize)))
        {
            wrong.push(out_of_range("chunk", u64::from(chunk), 1, FRAMES_PER_TASK_MAX));
        }
        let frame_time_limit = request.frame_time_limit_ms.unwrap_or(FRAME_TIME_LIMIT_DEFAULT.0);
        if !FRAME_TIME_LIMIT.contains(&frame_time_limit) {
            let (from, to) = (*FRAME_TIME_LIMIT.start(), *FRAME_TIME_LIMIT.end());
            wrong.push(out_of_range("frame_time_limit_ms", frame_time_limit, from, to));
        }
        let (Some(name), Some(frames), Some(format), true) = (name, frames, format, wrong.is_empty()) else {
            return Err(wrong);
        };
        let engine = engine.flatten();
        let (scene, camera) = (scene.flatten(), camera.flatten());
        Ok(Self {
            name,
            frames,
            render: RenderSettings { format, scene, camera, engine, resolution, samples: request.samples },
            needs: engine.or(file.engine),
            priority,
            chunk: request.chunk,
            frame_time_limit: Millis(frame_time_limit),
            paused: request.paused,
        })
    }
}

/// A name that a person chose, without the blanks around it.
///
/// # Errors
/// In words: empty, too long or with control characters.
pub fn check_name(name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() {
        return Err("a name is needed".to_owned());
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(format!("longer than {NAME_CHARS_MAX} characters; choose a shorter name"));
    }
    if name.chars().any(char::is_control) {
        return Err("holds a line break or another control character; remove it".to_owned());
    }
    Ok(name.to_owned())
}

/// A priority within its bounds.
///
/// # Errors
/// In words.
pub fn check_priority(priority: u8) -> Result<u8, String> {
    if priority > PRIORITY_MAX {
        return Err(format!("{priority} is out of range; give 0 (last) to {PRIORITY_MAX} (first)"));
    }
    Ok(priority)
}

fn keep<T>(wrong: &mut Vec<FieldError>, field: &'static str, value: Result<T, String>) -> Option<T> {
    value.map_err(|message| wrong.push(FieldError { field, message })).ok()
}

fn out_of_range(
    field: &'static str,
    value: u64,
    from: impl std::fmt::Display,
    to: impl std::fmt::Display,
) -> FieldError {
    FieldError { field, message: format!("{value} is out of range; give {from} to {to}") }
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn job_name(request: &JobRequest, file: &FileFacts) -> Result<String, String> {
    match filled(request.name.as_deref()) {
        Some(name) => check_name(name),
        None => {
            let stem = file.file_name.rsplit(['/', '\\']).next().unwrap_or_default();
            let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
            let cut: String = stem.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
            check_name(&cut).or_else(|_| Ok("untitled".to_owned()))
        }
    }
}

fn frames_of(request: &JobRequest, file: &FileFacts) -> Result<FrameSet, String> {
    if let Some(text) = filled(request.frames.as_deref()) {
        return text.parse().map_err(|error: super::frames::FrameError| error.to_string());
    }
    let (first, last, step) =
        file.frames.ok_or("the file does not say which frames it has; give them, for example 1-240")?;
    FrameSet::range(first, last, step.max(1))
        .map_err(|error| format!("the file's own frames cannot be used: {error}"))
}

fn format_of(text: Option<&str>) -> Result<OutputFormat, String> {
    match filled(text) {
        None | Some("PNG") => Ok(OutputFormat::Png),
        Some("JPEG") => Ok(OutputFormat::Jpeg),
        Some("OPEN_EXR") => Ok(OutputFormat::OpenExr),
        Some("OPEN_EXR_MULTILAYER") => Ok(OutputFormat::OpenExrMultilayer),
        Some(other) => {
            Err(format!("{other:?} is no format; give PNG, JPEG, OPEN_EXR or OPEN_EXR_MULTILAYER"))
        }
    }
}

fn engine_of(text: Option<&str>) -> Result<Option<RenderEngine>, String> {
    match filled(text) {
        None => Ok(None),
        Some("cycles") => Ok(Some(RenderEngine::Cycles)),
        Some("eevee") => Ok(Some(RenderEngine::Eevee)),
        Some("workbench") => Ok(Some(RenderEngine::Workbench)),
        Some("simulated") => Ok(Some(RenderEngine::Simulated)),
        Some(other) => Err(format!("{other:?} is no engine; give cycles, eevee or workbench")),
    }
}

fn blender_name(text: Option<&str>) -> Result<Option<String>, String> {
    match text.filter(|text| !text.trim().is_empty()) {
        Some(name) if name.len() > BLENDER_NAME_BYTES_MAX || name.chars().any(char::is_control) => {
            Err("no name that Blender allows; copy it from the file".to_owned())
        }
        name => Ok(name.map(str::to_owned)),
    }
}

/// The name, unless all there are are known and it is none of them.
fn known(what: &str, name: Option<String>, all: Option<&[String]>) -> Result<Option<String>, String> {
    let (Some(wanted), Some(all)) = (&name, all) else { return Ok(name) };
    if all.contains(wanted) {
        return Ok(name);
    }
    if all.is_empty() {
        return Err(format!("there is no {what} {wanted:?}: the file has none; add one and submit it again"));
    }
    let mut listed = all.iter().take(NAMES_LISTED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > NAMES_LISTED_MAX {
        listed.push_str(&format!(" and {} more", all.len() - NAMES_LISTED_MAX));
    }
    Err(format!("there is no {what} {wanted:?} in the file; it has: {listed}"))
}

fn resolution_of(width: Option<u32>, height: Option<u32>) -> Result<Option<(u32, u32)>, FieldError> {
    let (width, height) = match (width, height) {
        (None, None) => return Ok(None),
        (Some(width), Some(height)) => (width, height),
        (Some(_), None) => return Err(missing_side("height")),
        (None, Some(_)) => return Err(missing_side("width")),
    };
    for (field, side) in [("width", width), ("height", height)] {
        if !RESOLUTION.contains(&side) {
            return Err(out_of_range(field, u64::from(side), *RESOLUTION.start(), *RESOLUTION.end()));
        }
    }
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        let message = format!("{width} × {height} is more than {PIXELS_MAX} pixels; give a smaller picture");
        return Err(FieldError { field: "width", message });
    }
    Ok(Some((width, height)))
}

fn missing_side(field: &'static str) -> FieldError {
    FieldError { field, message: "width and height belong together; give both or neither".to_owned() }
}
