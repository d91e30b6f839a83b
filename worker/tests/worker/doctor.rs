//! `doctor` against a cloud that speaks the real protocol, with and without a worker that runs.

use std::path::Path;

use pictor_actors::ids::WorkerId;
use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::protocol::{FromWorker, Refusal, RefusalCode, Retry};
use pictor_actors::units::Millis;
use pictor_worker::config::identity::store;
use pictor_worker::config::{DataDir, Identity, Key};
use serde_json::Value;
use tokio::process::Command;

use crate::cloud::FakeCloud;
use crate::support::Worker;

/// A machine that is enrolled with this cloud and looks for no Blender.
fn enrolled(cloud: &FakeCloud, folder: &Path) -> DataDir {
    let data = DataDir::open(Some(folder.to_owned())).unwrap();
    let identity = Identity { cloud: cloud.url.clone(), worker: WorkerId::from_u128(1), name: "rig".into() };
    store(&data, &identity, &Key::generate().unwrap()).unwrap();
    std::fs::write(data.settings(), "find_blender = false\n").unwrap();
    data
}

/// Each check's verdict and advice, by its name.
async fn doctor(data: &DataDir) -> Vec<(String, String, Option<String>)> {
    let mut verb = Command::new(env!("CARGO_BIN_EXE_pictor-worker"));
    let output = verb.args(["doctor", "--json", "--data"]).arg(data.root()).output().await.unwrap();
    let checks: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = |check: &Value, field: &str| check[field].as_str().unwrap().to_owned();
    let checks: Vec<_> = checks
        .iter()
        .map(|check| {
            let fix = check["fix"].as_str().map(str::to_owned);
            assert_eq!(fix.is_some(), check["verdict"] != "good", "{check}");
            assert!(fix.as_ref().is_none_or(|fix| !fix.trim().is_empty()), "an empty advice: {check}");
            (text(check, "name"), text(check, "verdict"), fix)
        })
        .collect();
    checks
}

fn verdict<'a>(checks: &'a [(String, String, Option<String>)], name: &str) -> Option<&'a str> {
    checks.iter().find(|(of, _, _)| of == name).map(|(_, verdict, _)| verdict.as_str())
}

fn in_time(cloud: &FakeCloud) {
    cloud.change(|seen| seen.wall = SystemClock.now().wall);
}

#[actix_web::test]
async fn the_cloud_itself_is_asked_and_a_removed_worker_is_told() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let data = enrolled(&cloud, folder.path());
    in_time(&cloud);
    let checks = doctor(&data).await;
    assert_eq!((verdict(&checks, "cloud"), verdict(&checks, "clock")), (Some("good"), Some("good")));
    let asked = |said: &FromWorker| matches!(said, FromWorker::Hello(hello) if hello.only_asks);
    assert!(cloud.seen.lock().unwrap().heard.iter().all(asked), "it never comes as the worker itself");

    cloud.change(|seen| {
        seen.refusal = Some(Refusal {
            code: RefusalCode::UnknownWorker,
            message: "this cloud has no such worker".into(),
            retry: Retry::Never,
        });
        seen.wall = SystemClock.now().wall.plus(Millis::from_secs(90));
    });
    let checks = doctor(&data).await;
    assert_eq!((verdict(&checks, "cloud"), verdict(&checks, "clock")), (Some("bad"), Some("lacking")));
    let advice = checks.iter().find(|(name, _, _)| name == "cloud").and_then(|(_, _, fix)| fix.clone());
    assert!(advice.is_some_and(|advice| advice.contains("import --replace")), "{checks:?}");

    cloud.change(|seen| seen.is_away = true);
    let checks = doctor(&data).await;
    assert_eq!((verdict(&checks, "cloud"), verdict(&checks, "clock")), (Some("bad"), None));
}

#[actix_web::test]
async fn a_worker_that_runs_is_asked_and_not_disturbed() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    in_time(&cloud);
    let data = enrolled(&cloud, folder.path());
    let worker = Worker::start(&cloud, folder.path(), Millis(10));
    cloud.connected().await;
    let checks = doctor(&data).await;
    assert_eq!((verdict(&checks, "cloud"), verdict(&checks, "clock")), (Some("good"), Some("good")));
    let hellos = |said: &&FromWorker| matches!(said, FromWorker::Hello(_));
    assert_eq!(cloud.seen.lock().unwrap().heard.iter().filter(hellos).count(), 1, "only the worker's own");
    worker.stop().await;
}
