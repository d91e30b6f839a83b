//! `status --json`: names that programs rely on.

use pictor_actors::protocol::{AttemptOutcome, FromWorker};
use pictor_actors::units::Millis;
use serde_json::Value;
use tokio::process::Command;

use crate::cloud::FakeCloud;
use crate::support::Worker;

/// What the program prints for a worker that runs in this process.
async fn status(worker: &Worker) -> Value {
    let mut verb = Command::new(env!("CARGO_BIN_EXE_pictor-worker"));
    let output = verb.args(["status", "--json", "--data"]).arg(worker.data.root()).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn status_when(worker: &Worker, holds: impl Fn(&Value) -> bool) -> Value {
    let waiting = async {
        loop {
            let now = status(worker).await;
            if holds(&now) {
                return now;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await.expect("a status as wanted")
}

/// One line a name: where it is and what kind of value it has. Words of a fixed choice stand as they are.
fn names(value: &Value, at: &str, lines: &mut String) {
    let is_word = |text: &str| text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    let kind = match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, inner)| names(inner, &format!("{at}.{name}"), lines));
            return;
        }
        Value::Array(entries) => {
            entries.iter().for_each(|inner| names(inner, &format!("{at}[]"), lines));
            return;
        }
        Value::Null => "null".to_owned(),
        Value::Bool(is) => is.to_string(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(text) if is_word(text) => format!("{text:?}"),
        Value::String(_) => "a text".to_owned(),
    };
    lines.push_str(&format!("{} = {kind}\n", at.trim_start_matches('.')));
}

#[actix_web::test]
async fn the_names_are_stable() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start(&cloud, folder.path(), Millis::from_secs(600));
    cloud.connected().await;
    cloud.offer(1, &[1, 2]);
    let whole = |now: &Value| {
        now["sample"].is_object()
            && now["slots"][0]["task"]["device"].is_string()
            && now["slots"][0]["phase"] == "rendering"
            && now["activity"]["kind"] == "working"
    };
    let now = status_when(&worker, whole).await;
    let mut lines = String::new();
    names(&now, "", &mut lines);
    insta::assert_snapshot!(lines);
    worker.stop().await;
}

#[actix_web::test]
async fn frames_that_wait_are_counted() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start(&cloud, folder.path(), Millis(10));
    cloud.connected().await;
    assert_eq!(status(&worker).await["outbox"]["frames"], 0);
    cloud.change(|seen| seen.refuse = Some(503));
    cloud.offer(1, &[1, 2, 3]);
    cloud
        .wait("the end", |seen| {
            seen.heard.iter().any(|said| {
                matches!(said, FromWorker::AttemptEnded(end) if end.outcome == AttemptOutcome::Rendered)
            })
        })
        .await;
    let now = status_when(&worker, |now| now["outbox"]["frames"] == 3).await;
    assert!(now["outbox"]["bytes"].as_u64() > Some(0), "{now}");
    cloud.change(|seen| seen.refuse = None);
    cloud.wait("all frames", |seen| seen.frames.len() == 3).await;
    status_when(&worker, |now| now["outbox"]["frames"] == 0).await;
    worker.stop().await;
}
