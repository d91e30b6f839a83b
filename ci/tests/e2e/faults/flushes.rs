//! What is on disk when a worker is told that its frame is safe: the cloud runs with a library before the
//! system's own that notes what is flushed, renamed and answered, in that order. A killed process cannot show
//! a flush that was left out; this can.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::trial::{CALM, Trial};

/// One line of the notes: what, and its one or two names.
struct Note {
    what: String,
    first: String,
    second: String,
}

struct Notes(Vec<Note>);

impl Notes {
    fn read(path: &Path) -> Self {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let parts = |line: &str| -> Option<Note> {
            let mut parts = line.split('\t').map(str::to_owned);
            Some(Note { what: parts.next()?, first: parts.next()?, second: parts.next()? })
        };
        Self(text.lines().filter_map(parts).collect())
    }

    fn find(&self, rule: &str, fits: impl Fn(&Note) -> bool) -> usize {
        self.after(0, rule, fits)
    }

    /// The first that fits from there on.
    fn after(&self, from: usize, rule: &str, fits: impl Fn(&Note) -> bool) -> usize {
        let found = self.0[from..].iter().position(fits);
        from + found.unwrap_or_else(|| panic!("{rule}; noted was\n{}", self.shown()))
    }

    fn shown(&self) -> String {
        let line = |note: &Note| format!("{} {} {}", note.what, note.first, note.second);
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn is_flush(note: &Note, path: &Path) -> bool {
    note.what == "flushed" && Path::new(&note.first) == path
}

fn built(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/faults/flushes.c");
    let library = folder.join("flushes.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
    assert!(compiler.status().unwrap().success(), "the C compiler is there: SQLite needs it too");
    library
}

/// What the answer says of itself.
fn value_of<'a>(answer: &'a str, name: &str) -> &'a str {
    let (_, rest) = answer.split_once(&format!("\"{name}\":\"")).unwrap();
    rest.split_once('"').unwrap().0
}

#[test]
pub fn a_receipt_is_given_only_after_bytes_name_and_row_are_flushed() {
    let mut trial = Trial::begin(1, CALM);
    let folder = fs::canonicalize(trial.stage.folder.path()).unwrap();
    let (library, log) = (built(&folder), folder.join("flushes"));
    trial.stage.farm.kill_cloud().unwrap();
    let settings = [("LD_PRELOAD", &*library.to_string_lossy()), ("PICTOR_FLUSHES", &*log.to_string_lossy())];
    trial.stage.farm.start_cloud_with(&settings).unwrap();
    let job = trial.submit(1).expect("the cloud takes work");
    trial.stage.farm.wait_job(&job, "completed").unwrap();

    let notes = Notes::read(&log);
    let told = notes.find("a receipt is given", |note| {
        note.what == "answered" && note.first.contains("\"stored_at\"") && note.first.contains("\"lease\"")
    });
    let hash = value_of(&notes.0[told].first, "hash").to_owned();
    let named =
        notes.find("the bytes get their name", |note| note.what == "renamed" && note.second.ends_with(&hash));
    let (bytes, name) = (PathBuf::from(&notes.0[named].first), PathBuf::from(&notes.0[named].second));
    let flushed = notes.find("the bytes are flushed", |note| is_flush(note, &bytes));
    assert!(flushed < named, "bytes are flushed before they get their name\n{}", notes.shown());
    let shard = name.parent().unwrap();
    let is_there = notes.after(named, "the name is flushed", |note| is_flush(note, shard));
    let above = notes.find("the folder's name is flushed", |note| is_flush(note, shard.parent().unwrap()));
    let log_of_rows = folder.join("cloud/pictor.db-wal");
    let row = notes.after(is_there, "the row is flushed after the name", |note| is_flush(note, &log_of_rows));
    assert!(above < told && row < told, "the receipt comes last\n{}", notes.shown());
    trial.all_ends_well();
}
