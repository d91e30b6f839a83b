//! Printing, the only place for it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write;

use super::Exit;

/// A line of the result. A reader that has gone away is no fault of ours.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// What a person should know while waiting; no part of the result.
pub(super) fn aside(text: &str) {
    eprintln!("pictor-worker: {text}");
}

/// What went wrong and what to do; gives the code back.
pub(super) fn fault(exit: Exit, text: &str) -> Exit {
    eprintln!("pictor-worker: {text}");
    exit
}
