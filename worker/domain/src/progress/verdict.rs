//! Names the failure behind a message of Blender or behind the end of its process.

use pictor_actors::protocol::FailureClass;

use super::line::symptom_of;

/// How the process ended, where nobody asked it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It ended by itself with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// Nobody can tell.
    Unknown,
}

/// What Blender returns when Python failed (`--python-exit-code`): our driver catches all, so only a broken
/// one does.
pub const PYTHON_FAILED: i32 = 66;

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGXFSZ: i32 = 25;

/// The class behind the text of an error that Blender raised.
#[must_use]
pub fn class_of_text(text: &str) -> Option<FailureClass> {
    symptom_of(text).map(|symptom| symptom.class)
}

/// Class and words for a process that is gone; `seen` is the last symptom in its output.
#[must_use]
pub fn verdict_of_ending(ending: Ending, seen: Option<FailureClass>) -> (FailureClass, String) {
    let how = match ending {
        Ending::Code(code) => format!("Blender ended by itself with code {code}"),
        Ending::Signal(signal) => format!("Blender was ended by signal {signal} ({})", signal_words(signal)),
        Ending::Unknown => "Blender ended".to_owned(),
    };
    if let Some(class) = seen {
        return (class, format!("{how}; its output says: {}", class.words()));
    }
    match ending {
        Ending::Signal(SIGKILL) => (
            FailureClass::OutOfMemory,
            format!("{how}, as the system does when memory runs out: try a worker with more memory"),
        ),
        Ending::Signal(SIGXFSZ) => {
            (FailureClass::DiskFull, format!("{how}: a file grew beyond the allowed size"))
        }
        Ending::Code(PYTHON_FAILED) => {
            (FailureClass::WorkerError, format!("{how}: the worker's own driver failed, see the log"))
        }
        Ending::Code(_) | Ending::Signal(_) | Ending::Unknown => {
            (FailureClass::Crash, format!("{how} before the frame was done: see the log"))
        }
    }
}

/// `detail` with what it means and what to do, for the creator or the worker's owner.
#[must_use]
pub fn in_words(class: FailureClass, detail: &str) -> String {
    let advice = match class {
        FailureClass::NeedsScripts => {
            "workers never run scripts of a scene, and without them it would look wrong: bake drivers into \
             keyframes, remove registered text blocks, and submit again"
        }
        FailureClass::MissingFile => "upload the scene together with all files it links, as a zip",
        FailureClass::NoCamera => "add a camera or choose one, and submit again",
        FailureClass::EngineNotAvailable => "choose another render engine, or wait for a worker that has it",
        FailureClass::OutOfMemory => "the scene needs more memory than this worker gives it",
        FailureClass::OutOfGpuMemory => "the scene needs more memory than this GPU has",
        FailureClass::TimeLimit => "raise the job's time limit for a frame, or make the scene lighter",
        FailureClass::NoOutputWritten => "see the log for Blender's reason",
        FailureClass::DiskFull => "the worker has no room for the frame",
        FailureClass::Crash
        | FailureClass::BadScene
        | FailureClass::InputsUnavailable
        | FailureClass::WorkerError => return detail.to_owned(),
    };
    format!("{detail}: {advice}")
}

fn signal_words(signal: i32) -> &'static str {
    match signal {
        4 => "illegal instruction",
        SIGABRT => "aborted",
        7 => "bus error",
        8 => "arithmetic error",
        SIGKILL => "killed",
        11 => "segmentation fault",
        15 => "terminated",
        SIGXFSZ => "file too large",
        _ => "signal",
    }
}
