//! Every named place where a crash matters, made to abort, to fail and to stall.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::trial::{RESTLESS, Trial};
use super::{is_soak, times};
use crate::harness::use_postgres;

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
pub const WORKER: &[&str] = &[
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

/// Where the databases differ: these also on PostgreSQL in the short run.
const ON_BOTH: &[&str] = &[
    "cut.after",
    "expire.before",
    "frame.after",
    "grant.after",
    "heartbeats.after",
    "judge.after",
    "store.commit.after",
    "store.commit.before",
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

/// The cloud dies at each of these places and comes back: a life ends at the first that it reaches of those
/// that are left.
fn dies_at_each(places: &[&'static str]) {
    let mut trial = Trial::begin(6, RESTLESS);
    let (always, mut left): (BTreeSet<&str>, BTreeSet<&str>) =
        places.iter().copied().partition(|place| place.starts_with("store."));
    for place in always {
        // Every cloud passes there at once: later there is work.
        assert!(dies(&mut trial, &format!("{place}=abort@40")).iter().any(|seen| seen == place), "{place}");
    }
    while !left.is_empty() {
        let faults: Vec<_> = left.iter().map(|place| format!("{place}=abort")).collect();
        let seen = dies(&mut trial, &faults.join(","));
        let before = left.len();
        left.retain(|place| !seen.iter().any(|name| name == place));
        assert!(left.len() < before, "it died at no place that is left: {left:?}");
    }
    assert!(trial.cloud_with(""), "the cloud starts after all that");
    trial.all_ends_well();
}

/// A life of the cloud that ends by itself: the places that it reached.
fn dies(trial: &mut Trial, faults: &str) -> Vec<String> {
    let before = trial.seen().len();
    if trial.cloud_with(faults) {
        trial.audit();
        assert!(trial.stir_until_dead(Duration::from_secs(60)), "not reached: {faults}");
    }
    trial.seen().split_off(before)
}

/// The same happens once at each place, all in one life of the cloud.
fn each_place_once(act: &str) {
    let mut trial = Trial::begin(6, RESTLESS);
    let faults: Vec<String> = CLOUD.iter().map(|place| format!("{place}={act}")).collect();
    if !trial.cloud_with(&faults.join(",")) {
        // One of them kept it from starting; it is behind it now, as far as the others are concerned.
        let rest: Vec<String> = faults.into_iter().filter(|fault| !fault.starts_with("store.")).collect();
        assert!(trial.cloud_with(&rest.join(",")));
    }
    let begun = ci::shell::started_now();
    let missing = |trial: &Trial| {
        let seen = trial.seen();
        CLOUD.iter().filter(|place| !seen.iter().any(|name| name == *place)).copied().collect::<Vec<_>>()
    };
    while !missing(&trial).is_empty() && begun.elapsed() < Duration::from_secs(150) {
        trial.stir();
        assert!(trial.is_cloud_alive(), "neither an error nor a delay ends the cloud");
    }
    assert_eq!(missing(&trial), Vec::<&str>::new(), "never reached");
    trial.all_ends_well();
}

/// Beyond a lease.
fn delay() -> &'static str {
    if is_soak() { "delay:5000" } else { "delay:3500" }
}

#[test]
pub fn the_cloud_dies_at_every_place_and_loses_nothing() {
    (0..times(1, 5)).for_each(|_| dies_at_each(CLOUD));
}

#[test]
pub fn the_cloud_dies_on_postgres_and_loses_nothing() {
    use_postgres();
    dies_at_each(if is_soak() { CLOUD } else { ON_BOTH });
}

#[test]
pub fn an_error_at_every_place_loses_nothing() {
    (0..times(1, 5)).for_each(|_| each_place_once("error"));
}

#[test]
pub fn an_error_at_every_place_on_postgres_loses_nothing() {
    use_postgres();
    each_place_once("error");
}

#[test]
pub fn a_delay_at_every_place_loses_nothing() {
    (0..times(1, 5)).for_each(|_| each_place_once(delay()));
}

#[test]
#[ignore = "for `cargo ci soak`"]
pub fn a_delay_at_every_place_on_postgres_loses_nothing() {
    use_postgres();
    each_place_once(delay());
}
