//! Printing, the only place for it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write;

use super::Exit;

/// A line of the result. A reader that has gone away is no fault of ours.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line of the result in the place of the one before.
#[cfg(feature = "simulate")]
pub(super) fn over(text: &str) {
    let mut out = std::io::stdout();
    let _ = write!(out, "\r\x1b[K{text}").and_then(|()| out.flush());
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
