//! The reading process: `pictor-cloud inspect-blend PATH`. It limits itself first, then reads, and writes one
//! JSON document to standard output.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::sys::resource::{Resource, setrlimit};

use super::{BlendReader, Inspected, Unread, links, scenes};

/// Hidden verb of the program.
pub const VERB: &str = "inspect-blend";

/// Exit code for a file that is no `.blend`.
pub(super) const NOT_BLEND: u8 = 3;

/// Memory: a file that needs more is not read here (Blender itself may still render it).
const MEMORY_BYTES_MAX: u64 = 3 * 1024 * 1024 * 1024;
/// Processor time: reading a 5 GiB file takes 10 s.
const CPU_SECONDS_MAX: u64 = 60;
/// A compressed file is unpacked beside while it is read; a bomb ends here.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Open files: the `.blend`, what it is unpacked to, and the standard three.
const FILES_MAX: u64 = 32;

/// The file to read, when the program was started as a reading process. Asked first of all: nothing else of
/// the program should be there when a stranger's file is read.
#[must_use]
pub fn asked_for(mut arguments: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let is_reader = arguments.nth(1).is_some_and(|verb| verb == VERB);
    if is_reader { arguments.next().map(PathBuf::from) } else { None }
}

/// Runs the verb. Exit code 0 with JSON of [`Inspected`], `NOT_BLEND`, or 1 with one line of text, on
/// standard output.
#[must_use]
pub fn run(path: &Path) -> ExitCode {
    let read = limit_self().map_err(Unread::Unreadable).and_then(|()| Oxblend.read(path));
    let answer = read.and_then(|inspected| {
        let cannot = |error| Unread::Unreadable(format!("what was read cannot be written: {error}"));
        serde_json::to_string(&inspected).map_err(cannot)
    });
    let (text, code) = match answer {
        Ok(json) => (json, ExitCode::SUCCESS),
        Err(Unread::NotBlend) => (String::new(), ExitCode::from(NOT_BLEND)),
        Err(Unread::Unreadable(why)) => (why, ExitCode::FAILURE),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn limit_self() -> Result<(), String> {
    let limits = [
        (Resource::RLIMIT_AS, MEMORY_BYTES_MAX),
        (Resource::RLIMIT_CPU, CPU_SECONDS_MAX),
        (Resource::RLIMIT_FSIZE, FILE_BYTES_MAX),
        (Resource::RLIMIT_NOFILE, FILES_MAX),
        (Resource::RLIMIT_CORE, 0),
    ];
    for (resource, limit) in limits {
        setrlimit(resource, limit, limit).map_err(|error| format!("limits cannot be set: {error}"))?;
    }
    Ok(())
}

/// The reader in use.
#[derive(Debug, Clone, Copy)]
pub struct Oxblend;

impl BlendReader for Oxblend {
    fn read(&self, path: &Path) -> Result<Inspected, Unread> {
        let file = oxblend::BlendFile::open(path).map_err(|error| match error.kind {
            NO_HEADER => Unread::NotBlend,
            _ => Unread::Unreadable(in_words(&error)),
        })?;
        let version = file.header().version;
        let mut inspected = Inspected {
            saved_with: Some(format!("{}.{}", version / 100, version % 100)),
            ..Inspected::default()
        };
        scenes::read(&file, &mut inspected);
        drop(file);
        links::read(path, &mut inspected);
        Ok(inspected)
    }
}

/// The reader's word for bytes that do not begin as they must.
const NO_HEADER: &str = "invalid_header";

pub(super) fn in_words(error: &oxblend::Error) -> String {
    match error.kind {
        NO_HEADER => "it does not begin like a .blend file".to_owned(),
        "unsupported_format" => "it is of a format newer than this cloud knows".to_owned(),
        _ => format!("{} ({})", error.message, error.kind),
    }
}
