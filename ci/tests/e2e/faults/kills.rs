//! `kill -9`, again and again, at the cloud and at workers, with work under way.

use std::time::Duration;

use ci::farm::Fleet;

use super::times;
use super::trial::{CALM, Trial};
use crate::harness::use_postgres;

/// Processes with simulated workers, each with its own folder.
const FLEETS: usize = 4;
/// Workers of each.
const WORKERS: usize = 2;

struct Kills {
    clouds: u32,
    fleets: u32,
    /// Jobs of 100 tasks each.
    jobs: u32,
}

fn fleet(trial: &Trial, number: usize) -> Fleet {
    let folder = trial.stage.folder.path().join(format!("fleet-{number}"));
    let prefix = format!("rig{number}");
    let options = [CALM, &["--prefix", &prefix]].concat();
    trial.stage.farm.simulate(WORKERS, Some(&folder), &options).unwrap()
}

/// Kills until all kills are done, each at a moment of its own; the audit after each start of the cloud.
fn kill_all_the_time(kills: &Kills) {
    let mut trial = Trial::begin(1, CALM);
    let mut fleets: Vec<Option<Fleet>> = (0..FLEETS).map(|number| Some(fleet(&trial, number))).collect();
    let mut rng = fastrand::Rng::with_seed(20_261_123);
    for _ in 0..kills.jobs {
        trial.submit(200).expect("the cloud takes work");
    }
    let (mut clouds, mut of_fleets) = (0, 0);
    while clouds < kills.clouds || of_fleets < kills.fleets {
        std::thread::park_timeout(Duration::from_millis(rng.u64(50..500)));
        let drawn = rng.u32(0..kills.clouds + kills.fleets) < kills.clouds;
        if clouds < kills.clouds && (drawn || of_fleets == kills.fleets) {
            clouds += 1;
            assert!(trial.cloud_with(""), "kill {clouds}: the cloud starts again");
            trial.audit();
        } else {
            of_fleets += 1;
            let number = rng.usize(0..FLEETS);
            if let Some(killed) = fleets[number].take() {
                killed.kill().unwrap();
            }
            fleets[number] = Some(fleet(&trial, number));
        }
    }
    trial.all_ends_well();
    for (job, state) in trial.states() {
        assert_eq!(state, "completed", "nobody but killers failed: {job}");
    }
}

#[test]
pub fn killed_all_the_time_the_farm_loses_nothing() {
    kill_all_the_time(&Kills { clouds: times(12, 200), fleets: times(24, 400), jobs: times(2, 200) });
}

#[test]
pub fn killed_all_the_time_on_postgres_the_farm_loses_nothing() {
    use_postgres();
    kill_all_the_time(&Kills { clouds: times(8, 100), fleets: times(16, 200), jobs: times(1, 50) });
}
