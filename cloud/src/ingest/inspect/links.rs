//! Files that a `.blend` file needs, as the reader's dependency walk finds them.

use std::collections::BTreeSet;
use std::path::Path;

use oxblend::trace::{PointerMode, TraceMode, TraceOptions, TraceReport, Usage, trace};

use super::{Inspected, Link, child};

/// Links that are reported; a scene with more has its missing ones seen by the worker.
const LINKS_MAX: usize = 20_000;

/// Adds the links. Each file of an upload is walked by itself, so libraries are not entered here.
pub(super) fn read(path: &Path, inspected: &mut Inspected) {
    let mut options = TraceOptions::new(TraceMode::PerFile, PointerMode::NonStrict);
    options.low_memory = true;
    match trace(path, options) {
        Ok(report) => add(&report, inspected),
        Err(error) => {
            inspected
                .notes
                .push(format!("which files it needs could not be read: {}", child::in_words(&error)));
        }
    }
}

fn add(report: &TraceReport, inspected: &mut Inspected) {
    let mut seen = BTreeSet::new();
    // The chain of an own need is the file itself.
    let own = |usage: &&Usage| usage.library_chain.len() <= 1 && usage.optional != Some(true);
    for usage in report.usages.iter().filter(own) {
        let link = link(usage);
        // `<builtin>` is Blender's own font.
        let is_file = !link.path.is_empty() && !link.path.starts_with('<');
        if is_file && seen.insert(link.path.clone()) {
            inspected.links.push(link);
        }
        if inspected.links.len() == LINKS_MAX {
            inspected.notes.push(format!("only the first {LINKS_MAX} linked files were looked at"));
            return;
        }
    }
}

fn link(usage: &Usage) -> Link {
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
    Link {
        path: words(&usage.asset_path),
        kind: kind_in_words(&usage.block_code).to_owned(),
        name: words(usage.block_name.get(2..).unwrap_or_default()),
        is_pattern: usage.is_sequence || usage.is_udim,
    }
}

fn kind_in_words(code: &[u8]) -> &'static str {
    match code.split(|&byte| byte == 0).next().unwrap_or_default() {
        b"IM" => "image",
        b"LI" => "library",
        b"VF" => "font",
        b"MC" => "movie clip",
        b"SO" => "sound",
        b"CF" => "cache file",
        b"VO" => "volume",
        b"TX" => "text",
        _ => "file",
    }
}
