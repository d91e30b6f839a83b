//! Understands what one Blender process says, and turns it into events.

use std::path::PathBuf;
use std::sync::Arc;

use pictor_actors::limits::LOG_LINE_CHARS_MAX;
use pictor_actors::now::{Clock, Mono};
use pictor_actors::protocol::FailureClass;
use pictor_worker_domain::progress::verdict::in_words;
use pictor_worker_domain::progress::{
    Line, LineGate, ProgressGate, Stats, Tracker, class_of_text, read_line, read_stats,
};
use tokio::sync::mpsc;

use super::wire::{Answer, MARK, read_answer};
use crate::engines::picture::{PictureFault, check_picture};
use crate::engines::{EngineEvent, EngineFailure, EngineRequest};

/// Warnings of one session; a scene with ten thousand missing files is told by the first ones.
const WARNINGS_MAX: u32 = 64;

/// The frame in hand.
struct InHand {
    frame: i32,
    path: PathBuf,
    began: Mono,
    tracker: Tracker,
    rendered: bool,
    marked: bool,
    finished: bool,
    memory_peak_bytes: Option<u64>,
    peak_in_output: Option<u64>,
}

/// A frame of which Blender said that it is done.
pub struct Done(InHand);

/// The ear of one session.
pub struct Listener {
    events: mpsc::Sender<EngineEvent>,
    clock: Arc<dyn Clock>,
    request: EngineRequest,
    hidden: Vec<(String, &'static str)>,
    version: Option<String>,
    device: Option<String>,
    layers: u32,
    in_hand: Option<InHand>,
    seen: Option<FailureClass>,
    /// The line that says that a script was wanted; Blender renders on without it.
    script_wanted: Option<String>,
    warnings: u32,
    progress: ProgressGate,
    lines: LineGate,
}

impl Listener {
    /// An ear for a session of `request`.
    pub fn new(request: &EngineRequest, events: mpsc::Sender<EngineEvent>, clock: Arc<dyn Clock>) -> Self {
        // Where the worker keeps its files is nobody's business.
        let hide = |path: &PathBuf, by| (path.to_string_lossy().into_owned(), by);
        let hidden = vec![
            hide(&request.inputs_dir, "/"),
            hide(&request.output_dir, "(frames)"),
            hide(&request.scratch_dir, "(temporary)"),
        ];
        Self {
            events,
            clock,
            request: request.clone(),
            hidden,
            version: None,
            device: None,
            layers: 1,
            in_hand: None,
            seen: None,
            script_wanted: None,
            warnings: 0,
            progress: ProgressGate::default(),
            lines: LineGate::default(),
        }
    }

    /// Passes an event on, waiting for room.
    pub async fn tell(&self, event: EngineEvent) {
        // A closed channel means that the session is unwanted; the order channel tells the same.
        let _ = self.events.send(event).await;
    }

    /// A failure in the frame in hand, if any.
    pub fn failure(&self, class: FailureClass, message: String) -> EngineFailure {
        let message = self.without_our_paths(&message);
        EngineFailure { class, message, frame: self.in_hand.as_ref().map(|in_hand| in_hand.frame) }
    }

    /// The last symptom in the output of the frame in hand.
    pub const fn seen(&self) -> Option<FailureClass> {
        self.seen
    }

    /// The scene is loaded.
    pub const fn is_loaded(&self) -> bool {
        self.device.is_some()
    }

    /// Tells that the scene is loaded.
    pub async fn tell_ready(&self) {
        let version = self.version.as_ref().unwrap_or(&self.request.software.version);
        let engine = format!("{} {version}", self.request.software.name);
        self.tell(EngineEvent::Ready { engine, device: self.device.clone().unwrap_or_default() }).await;
    }

    /// Begins a frame; answers the file it goes to.
    pub async fn begin(&mut self, frame: i32) -> PathBuf {
        let name = format!("frame_{frame:06}.{}", self.request.render.format.extension());
        let path = self.request.output_dir.join(name);
        self.seen = None;
        self.in_hand = Some(InHand {
            frame,
            path: path.clone(),
            began: self.clock.now().mono,
            tracker: Tracker::new(self.layers),
            rendered: false,
            marked: false,
            finished: false,
            memory_peak_bytes: None,
            peak_in_output: None,
        });
        self.tell(EngineEvent::FrameStarted { frame }).await;
        path
    }

    /// Hears a line of the driver's private stream.
    pub async fn hear_answer(&mut self, line: &str) -> Option<EngineFailure> {
        match read_answer(line) {
            Some(Answer::Hello { version, denoiser: _ }) => self.version = Some(version),
            Some(Answer::Ready { device, layers }) => {
                self.layers = layers;
                self.device = Some(device);
                return self.of_wanted_script();
            }
            Some(Answer::Warning { kind, text }) => {
                self.warnings += 1;
                if self.warnings <= WARNINGS_MAX {
                    let text = self.without_our_paths(&text);
                    self.tell(EngineEvent::Warning { class: kind, text }).await;
                }
            }
            Some(Answer::Stats { text }) => self.hear_stats(&read_stats(&text)),
            Some(Answer::Rendered { frame, finished, memory_peak_bytes }) => {
                if let Some(in_hand) = self.in_hand.as_mut().filter(|in_hand| in_hand.frame == frame) {
                    in_hand.rendered = true;
                    in_hand.finished = finished;
                    in_hand.memory_peak_bytes = memory_peak_bytes;
                }
            }
            Some(Answer::Failed { kind, text }) => return Some(self.of_driver(kind, &text)),
            Some(Answer::Tried { why_not: _ }) | None => {}
        }
        None
    }

    fn of_driver(&self, kind: Option<FailureClass>, text: &str) -> EngineFailure {
        let class = kind.or_else(|| class_of_text(text)).or(self.seen).unwrap_or(FailureClass::WorkerError);
        self.failure(class, in_words(class, text))
    }

    fn of_wanted_script(&self) -> Option<EngineFailure> {
        let class = FailureClass::NeedsScripts;
        self.script_wanted.as_ref().map(|line| self.failure(class, in_words(class, line)))
    }

    /// Hears a line of what Blender prints.
    #[allow(clippy::unused_async)] // beside hear_answer, which waits
    pub async fn hear_output(&mut self, line: &str) -> Option<EngineFailure> {
        if let Some(frame) = line.strip_prefix(MARK) {
            if let Some(in_hand) = self.in_hand.as_mut().filter(|h| frame.trim().parse() == Ok(h.frame)) {
                in_hand.marked = true;
            }
            return None;
        }
        match read_line(line) {
            Line::Stats(stats) => self.hear_stats(&stats),
            Line::Empty => {}
            Line::Saved { .. } | Line::Other => self.log(line),
            Line::Symptom(symptom) => {
                self.log(line);
                self.seen = Some(symptom.class);
                if symptom.class == FailureClass::NeedsScripts {
                    // The driver names the script; only where it does not see it, this line has to do.
                    self.script_wanted.get_or_insert_with(|| line.trim().to_owned());
                } else if symptom.fatal {
                    return Some(self.failure(symptom.class, in_words(symptom.class, line.trim())));
                }
            }
        }
        None
    }

    fn hear_stats(&mut self, stats: &Stats) {
        let Some(in_hand) = self.in_hand.as_mut() else { return };
        in_hand.peak_in_output = in_hand.peak_in_output.max(stats.peak_bytes);
        let done = in_hand.tracker.observe(stats);
        if self.progress.admit(self.clock.now().mono) {
            let progress = EngineEvent::Progress {
                frame: in_hand.frame,
                done,
                samples: stats.samples,
                text: stats.text.clone().map(|text| clipped(&text)),
            };
            // Newer progress comes; nothing is lost but a moment's picture.
            let _ = self.events.try_send(progress);
        }
    }

    fn log(&mut self, line: &str) {
        let Some(left_out) = self.lines.admit(self.clock.now().mono) else { return };
        if left_out > 0 {
            let _ = self.events.try_send(EngineEvent::Log(format!("({left_out} lines left out)")));
        }
        let line = clipped(&self.without_our_paths(line.trim_end()));
        if self.events.try_send(EngineEvent::Log(line)).is_err() {
            self.lines.drop_one();
        }
    }

    fn without_our_paths(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, (path, by)| text.replace(path, by))
    }

    /// The frame that is done by word and whose output was read to its end, once.
    pub fn take_done(&mut self) -> Option<Done> {
        let done = self.in_hand.as_ref().is_some_and(|in_hand| in_hand.rendered && in_hand.marked);
        if done { self.in_hand.take().map(Done) } else { None }
    }

    /// Looks whether the file is there and whole: Blender's word is not enough.
    ///
    /// # Errors
    /// It is not.
    pub async fn judge(&self, Done(done): Done) -> Result<EngineEvent, EngineFailure> {
        if let Some(failure) = self.of_wanted_script() {
            return Err(failure.in_frame(done.frame));
        }
        let render_ms = self.clock.now().elapsed(done.began).0;
        let (path, format) = (done.path.clone(), self.request.render.format);
        let checked = tokio::task::spawn_blocking(move || check_picture(&path, format)).await;
        let disk_was_full = self.seen == Some(FailureClass::DiskFull);
        let (fault, class) = match checked {
            // Some formats say "saved" after a part was not.
            Ok(Ok(_)) if disk_was_full => {
                ("the disk ran full as it was saved".to_owned(), FailureClass::DiskFull)
            }
            Ok(Ok(_)) if done.finished => {
                let memory_peak_bytes = done.memory_peak_bytes.or(done.peak_in_output);
                let (frame, path) = (done.frame, done.path);
                return Ok(EngineEvent::FrameWritten { frame, path, render_ms, memory_peak_bytes });
            }
            Ok(Ok(_)) => ("Blender stopped before the end".to_owned(), FailureClass::NoOutputWritten),
            // A small picture meets a full disk only when its file is closed, and Blender does not look then.
            Ok(Err(fault @ (PictureFault::Empty | PictureFault::CutOff))) => {
                (format!("{fault}, as on a full disk"), FailureClass::DiskFull)
            }
            Ok(Err(fault)) => (fault.to_string(), FailureClass::NoOutputWritten),
            Err(error) => (error.to_string(), FailureClass::WorkerError),
        };
        let class = self.seen.unwrap_or(class);
        let text = format!("frame {} was rendered, but {fault}", done.frame);
        Err(EngineFailure::new(class, in_words(class, &text)).in_frame(done.frame))
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(LOG_LINE_CHARS_MAX).collect()
}
