//! The grid of frames, and one frame large.

use pictor_cloud_api::jobs::Frame;
use serde::Serialize;

use crate::views::{View, format};

/// A cell of the grid.
#[derive(Debug, Clone, Serialize)]
pub struct FrameCell {
    /// Names the cell on the page.
    pub key: String,
    /// Frame number.
    pub frame: i32,
    /// `pending`, `running`, `stored` or `failed`.
    pub state: String,
    /// Icon of the state.
    pub glyph: &'static str,
    /// The state in words.
    pub words: String,
    /// Address of its thumbnail, once stored.
    pub thumbnail: Option<String>,
    /// Address of its large view, once stored.
    pub href: Option<String>,
    /// What is shown large: the frame itself, or a preview of it that browsers can show.
    pub picture: Option<String>,
    /// Address of its bytes, once stored.
    pub file_href: Option<String>,
    /// Name of its file.
    pub file_name: String,
    /// What is said about it where it is shown large.
    pub note: String,
}

impl View for FrameCell {
    const TEMPLATE: &'static str = "partials/jobs/frame";
}

/// Names the cell of a frame on the page; a negative number has no minus sign in it.
#[must_use]
pub fn cell_key(frame: i32) -> String {
    if frame < 0 { format!("frame-m{}", frame.unsigned_abs()) } else { format!("frame-{frame}") }
}

impl FrameCell {
    /// The cell of this frame.
    #[must_use]
    pub fn new(job: &str, frame: &Frame) -> Self {
        let is_stored = frame.state == "stored";
        let (glyph, word) = match frame.state.as_str() {
            "stored" => ("image", "stored"),
            "running" => ("loader", "rendering"),
            "failed" => ("error", "failed"),
            _ => ("circle-dashed", "waiting"),
        };
        let mut words = format!("Frame {}: {word}", frame.frame);
        let time = frame.render_ms.filter(|_| is_stored).map(format::duration);
        if let Some(time) = &time {
            words.push_str(&format!(", rendered in {time}"));
        }
        let mut notes: Vec<String> = time.map(|time| format!("rendered in {time}")).into_iter().collect();
        notes.extend(frame.size.map(format::bytes));
        if needs_preview(&frame.file_name) {
            notes.push("shown tone-mapped".to_owned());
        }
        let bytes = format!("/api/v1/jobs/{job}/frames/{}", frame.frame);
        Self {
            key: cell_key(frame.frame),
            frame: frame.frame,
            state: frame.state.clone(),
            glyph,
            words,
            thumbnail: is_stored.then(|| format!("{bytes}/thumbnail")),
            href: is_stored.then(|| format!("/jobs/{job}/frames/{}", frame.frame)),
            picture: is_stored.then(|| picture(&bytes, &frame.file_name)),
            file_href: is_stored.then_some(bytes),
            file_name: frame.file_name.clone(),
            note: notes.join(" · "),
        }
    }
}

/// Browsers do not show this file.
fn needs_preview(file_name: &str) -> bool {
    file_name.ends_with(".exr")
}

/// What a browser shows of a frame with its bytes at this address.
fn picture(bytes: &str, file_name: &str) -> String {
    if needs_preview(file_name) { format!("{bytes}/thumbnail?size=large") } else { bytes.to_owned() }
}

/// `/jobs/{id}/frames/{n}`.
#[derive(Debug, Clone, Serialize)]
pub struct FramePage {
    /// The job.
    pub job: String,
    /// Its name.
    pub job_name: String,
    /// Frame number.
    pub frame: i32,
    /// What is shown: the frame itself, or a tone-mapped preview of it.
    pub picture: String,
    /// The picture is a preview, since browsers do not show this format.
    pub is_preview: bool,
    /// Address of the frame's own bytes.
    pub file_href: String,
    /// Their file name.
    pub file_name: String,
    /// Their number, in words.
    pub size: String,
    /// Render time in words.
    pub render_time: Option<String>,
    /// Who rendered it.
    pub worker: Option<String>,
    /// RFC 3339.
    pub stored_at: Option<String>,
    /// BLAKE3 of the bytes.
    pub blake3: Option<String>,
    /// The stored frame before.
    pub previous_href: Option<String>,
    /// The stored frame after.
    pub next_href: Option<String>,
}

impl View for FramePage {
    const TEMPLATE: &'static str = "pages/frame";
}

impl FramePage {
    /// The page of a stored frame; `previous` and `next` are its stored neighbours.
    #[must_use]
    pub fn new(job: &str, job_name: &str, frame: &Frame, previous: Option<i32>, next: Option<i32>) -> Self {
        let bytes = format!("/api/v1/jobs/{job}/frames/{}", frame.frame);
        let is_preview = needs_preview(&frame.file_name);
        let page = |number: i32| format!("/jobs/{job}/frames/{number}");
        Self {
            job: job.to_owned(),
            job_name: job_name.to_owned(),
            frame: frame.frame,
            picture: picture(&bytes, &frame.file_name),
            is_preview,
            file_href: bytes,
            file_name: frame.file_name.clone(),
            size: frame.size.map(format::bytes).unwrap_or_default(),
            render_time: frame.render_ms.map(format::duration),
            worker: frame.worker.clone(),
            stored_at: frame.stored_at.clone(),
            blake3: frame.blake3.clone(),
            previous_href: previous.map(page),
            next_href: next.map(page),
        }
    }
}
