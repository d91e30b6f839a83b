//! Every named place where a crash matters (`pictor_actors::faults`).

use std::collections::BTreeSet;
use std::path::Path;

/// Places in the cloud.
const CLOUD: &[&str] = &[
    "action.after",
    "action.before",
    "blob.filled",
    "blob.flushed",
    "blob.kept",
    "blob.named",
    "complete.after",
    "complete.before",
    "complete.joined",
    "completing.after",
    "completing.before",
    "cut.after",
    "cut.before",
    "expire.after",
    "expire.before",
    "frame.after",
    "frame.asked",
    "frame.before",
    "frame.told",
    "give_back.after",
    "give_back.before",
    "grant.after",
    "grant.before",
    "grant.told",
    "heartbeats.after",
    "heartbeats.before",
    "job.after",
    "job.before",
    "job_end.after",
    "job_end.before",
    "judge.after",
    "judge.before",
    "link_close.after",
    "link_close.before",
    "link_open.after",
    "link_open.before",
    "mark.after",
    "mark.before",
    "part.after",
    "part.before",
    "part.filled",
    "part.flushed",
    "part.named",
    "release.after",
    "release.before",
    "rendered.after",
    "rendered.before",
    "store.commit.after",
    "store.commit.before",
    "upload.after",
    "upload.before",
];

/// Places in a worker.
const WORKER: &[&str] = &[
    "durable.renamed",
    "durable.written",
    "inputs.fetched",
    "inputs.settled",
    "spool.begun",
    "spool.described",
    "spool.forgotten",
    "spool.hashed",
    "spool.kept",
    "spool.moved",
    "spool.removed",
    "upload.sending",
    "upload.sent",
];

/// Names in the code below a folder.
fn names_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            names_in(&entry, found);
        } else if entry.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&entry).unwrap();
            for (call, names) in [("faults::pass(", 1), ("faults::reach(", 1), ("between(", 2)] {
                for rest in text.split(call).skip(1) {
                    let mut quoted = rest.split('"').skip(1).step_by(2);
                    if rest.starts_with('"') || rest.trim_start().starts_with('"') {
                        found.extend(quoted.by_ref().take(names).map(str::to_owned));
                    }
                }
            }
        }
    }
}

#[test]
pub fn the_table_names_every_place_in_the_code_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (side, table) in [("cloud", CLOUD), ("worker", WORKER)] {
        let mut found = BTreeSet::new();
        names_in(&root.join(side).join("src"), &mut found);
        let table: BTreeSet<String> = table.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, table, "of the {side}");
    }
    assert!(CLOUD.len() + WORKER.len() >= 60);
}
