//! Bad lines between workers and cloud, and between cloud and PostgreSQL.

use std::time::Duration;

use ci::proxy::{Proxy, Silence, Weather};

use super::times;
use super::trial::{CALM, Trial, settings};
use crate::harness::{Stage, database};

const GOOD: Weather =
    Weather { latency_ms: 0, bytes_per_second: None, slice: None, reset_after: None, silence: Silence::None };
/// Weathers, one after the other; the last of each round is good.
const WEATHERS: [Weather; 7] = [
    Weather { latency_ms: 80, ..GOOD },
    Weather { slice: Some(3), ..GOOD },
    Weather { bytes_per_second: Some(60_000), slice: Some(900), ..GOOD },
    Weather { latency_ms: 5, reset_after: Some(20_000), ..GOOD },
    Weather { silence: Silence::ToServer, ..GOOD },
    Weather { silence: Silence::ToClient, ..GOOD },
    GOOD,
];

/// Changes the weather again and again, resets and cuts, while there is work.
fn weather(trial: &mut Trial, line: &Proxy) {
    let mut rng = fastrand::Rng::with_seed(11);
    for round in 0..times(1, 40) {
        for weather in WEATHERS {
            // In good weather: a client waits long for a cloud that waits for its database.
            line.mend();
            trial.stir();
            line.set(weather);
            std::thread::park_timeout(Duration::from_millis(rng.u64(500..4_000)));
            match (round + rng.u32(0..3)) % 3 {
                0 => line.reset(),
                1 => {
                    line.cut();
                    std::thread::park_timeout(Duration::from_millis(rng.u64(100..3_000)));
                    line.mend();
                }
                _ => {}
            }
        }
        line.mend();
    }
}

#[test]
pub fn bad_lines_between_workers_and_cloud_cost_time_and_nothing_else() {
    let mut trial = Trial::begin(1, CALM);
    let line = Proxy::seeded(trial.stage.farm.listen(), 5).unwrap();
    let folder = trial.stage.folder.path().join("far");
    let url = line.url();
    let options = [CALM, &["--prefix", "far", "--cloud", &url]].concat();
    let far = trial.stage.farm.simulate(6, Some(&folder), &options).unwrap();
    far.wait_connected(Duration::from_secs(60)).unwrap();
    trial.fleet = None;
    trial.submit(120).expect("the cloud takes work");
    weather(&mut trial, &line);
    trial.all_ends_well();
}

#[test]
pub fn a_bad_line_between_cloud_and_postgres_costs_time_and_nothing_else() {
    let url = database();
    let (server, name) = url.trim_start_matches("postgres://").split_once('/').unwrap();
    let (user, address) = server.split_once('@').unwrap();
    let line = Proxy::seeded(address, 6).unwrap();
    let mut settings = settings();
    let by_line = format!("postgres://{user}@{}/{name}", line.address());
    settings.push(("PICTOR__DATABASE__URL", by_line));
    let mut trial = Trial::on(Stage::with(settings), 6, CALM);
    trial.submit(120).expect("the cloud takes work");
    weather(&mut trial, &line);
    trial.all_ends_well();
}
