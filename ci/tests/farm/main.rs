//! A farm in one thread: the machines of both sides, a model of the database, faults drawn from a seed.
//!
//! `cargo ci test` runs 500 seeds, `cargo ci soak` 10,000 (`PICTOR_SEEDS`). Each runs twice and must come out
//! the same. A seed that fails names itself; `PICTOR_SEED=n cargo nextest run -p ci --test farm` plays it
//! again, event by event the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod checks;
mod cloud;
mod endings;
mod machine;
mod plan;
mod probes;
mod silence;
mod store;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use world::Farm;

/// Seeds of one run unless said.
const SEEDS: u64 = 500;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Runs a seed twice: what went wrong, if something did.
fn play(seed: u64) -> Result<(), String> {
    let replay = format!("seed {seed}; again with PICTOR_SEED={seed} cargo nextest run -p ci --test farm");
    let first = Farm::new(seed).run().map_err(|broken| format!("{replay}\n{broken}"))?;
    let second = Farm::new(seed).run().map_err(|broken| format!("{replay}\n{broken}"))?;
    if first != second {
        return Err(format!("{replay}\nthe same seed went {first:x} and then {second:x}"));
    }
    Ok(())
}

#[test]
fn whatever_breaks_nothing_is_lost_and_every_job_ends() {
    if let Some(seed) = number("PICTOR_SEED") {
        return play(seed).unwrap_or_else(|broken| panic!("{broken}"));
    }
    let seeds = number("PICTOR_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let broken: Vec<String> = std::thread::scope(|scope| {
        let run = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds {
                    return None;
                }
                if let Err(broken) = play(seed) {
                    next.store(seeds, Ordering::Relaxed);
                    return Some(broken);
                }
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("a farm does not panic")).collect()
    });
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
    println!("{seeds} seeds hold");
}
