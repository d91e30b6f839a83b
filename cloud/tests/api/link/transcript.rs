//! Conversations that real workers of every released version had with a cloud, kept for ever in
//! `actors/tests/wire/v1/transcripts` and held with today's cloud again.
//!
//! A line is what one side said, or a frame that was put with its answer. What the cloud says now must have
//! every field that it had then, of the same kind; ids, bearers and nonces are other ones now, and what the
//! worker said then is said with those.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pictor_actors::protocol::ToWorker;
use pictor_cloud_domain::job::JobState;
use serde_json::{Value, json};

use super::fake::{FakeWorker, Wire, eventually};
use crate::harness::TestApp;

/// Shorter texts (states, names) are no identities.
const IDENTITY_CHARS_MIN: usize = 20;

fn transcripts() -> Vec<(String, Vec<Value>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../actors/tests/wire/v1/transcripts");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            (path.file_name().unwrap().to_string_lossy().into_owned(), lines)
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(!found.is_empty());
    found
}

/// What texts of then are called now.
#[derive(Default)]
struct Now(BTreeMap<String, String>);

impl Now {
    /// Everything that was there is there, of the same kind.
    fn compare(&mut self, then: &Value, now: &Value, place: &str) {
        match (then, now) {
            (Value::Null, _) => {}
            // What the job of then asked for, and that of now does not.
            (_, Value::Null) if place.starts_with("offer.task.render.") => {}
            (Value::Object(then), Value::Object(now)) => {
                for (name, value) in then.iter().filter(|(_, value)| !value.is_null()) {
                    let place = format!("{place}.{name}");
                    self.compare(value, now.get(name).unwrap_or_else(|| panic!("{place} is gone")), &place);
                }
            }
            (Value::Array(then), Value::Array(now)) => {
                then.iter().zip(now).for_each(|(then, now)| self.compare(then, now, place));
            }
            (Value::String(then), Value::String(now)) => {
                if then != now && then.len() >= IDENTITY_CHARS_MIN {
                    self.0.insert(then.clone(), now.clone());
                }
            }
            (Value::Number(_), Value::Number(_)) | (Value::Bool(_), Value::Bool(_)) => {}
            (_, now) => panic!("{place} is {now} and was {then}"),
        }
    }

    fn text(&self, then: &str) -> String {
        self.0.iter().fold(then.to_owned(), |text, (then, now)| text.replace(then, now))
    }

    fn value(&self, then: &Value) -> Value {
        serde_json::from_str(&self.text(&then.to_string())).unwrap()
    }
}

struct Replay {
    worker: FakeWorker,
    wire: Wire,
    nonce: String,
    now: Now,
    /// Heard, and not yet expected.
    early: VecDeque<Value>,
}

impl Replay {
    async fn line(&mut self, app: &TestApp, line: &Value) {
        match (line["by"].as_str(), line.get("says"), line.get("puts")) {
            (Some("cloud"), Some(then), _) => self.expect(then).await,
            (Some("worker"), Some(then), _) => self.say(then).await,
            (Some("worker"), None, Some(put)) => self.put(app, put, &line["answered"]).await,
            _ => panic!("not a line of a transcript: {line}"),
        }
    }

    async fn expect(&mut self, then: &Value) {
        let kind = then["type"].as_str().unwrap();
        let at = loop {
            if let Some(at) = self.early.iter().position(|said| said["type"] == kind) {
                break at;
            }
            let heard = self.wire.hear().await.unwrap_or_else(|end| panic!("no {kind} but {end:?}"));
            if let ToWorker::Challenge(challenge) = &heard {
                self.nonce.clone_from(&challenge.nonce);
            }
            self.early.push_back(serde_json::to_value(heard).unwrap());
        };
        let now = self.early.remove(at).unwrap();
        self.now.compare(then, &now, kind);
        if kind == "offer" {
            assert_eq!(now["task"]["frames"], then["task"]["frames"], "the same task");
        }
    }

    async fn say(&mut self, then: &Value) {
        let mut says = self.now.value(then);
        if says["type"] == "hello" {
            self.now.0.insert(says["worker"].as_str().unwrap().to_owned(), self.worker.id.to_string());
            says["worker"] = json!(self.worker.id);
            says["signature"] = json!(self.worker.hello(&self.nonce, &[]).signature);
        }
        self.wire.say_text(says.to_string()).await;
    }

    async fn put(&mut self, app: &TestApp, put: &Value, answered: &Value) {
        let url = format!("{}{}", app.base, self.now.text(put["path"].as_str().unwrap()));
        let mut request = reqwest::Client::new().put(url);
        for (name, value) in put["headers"].as_object().unwrap() {
            request = request.header(name, self.now.text(value.as_str().unwrap()));
        }
        let body = STANDARD.decode(put["body_base64"].as_str().unwrap()).unwrap();
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(u64::from(answer.status().as_u16()), answered["status"].as_u64().unwrap());
        let now: Value = answer.json().await.unwrap();
        self.now.compare(&answered["body"], &now, "receipt");
    }
}

#[tokio::test]
async fn todays_cloud_holds_every_kept_conversation() {
    for (_, lines) in transcripts() {
        let app = TestApp::start().await;
        let worker = FakeWorker::enrolled(&app).await;
        let job = app.job("1-3").await;
        app.farm.job_changed(job.id);
        let wire = Wire::open(&app.base).await;
        let (now, nonce, early) = (Now::default(), String::new(), VecDeque::new());
        let mut replay = Replay { worker, wire, nonce, now, early };
        for line in &lines {
            replay.line(&app, line).await;
        }
        let look = || async {
            let row = app.store.job(job.id).await.unwrap();
            (row.state == JobState::Completed && row.frames_done == 3).then_some(())
        };
        eventually("the job of the conversation is completed", look).await;
    }
}

#[test]
fn a_field_that_is_gone_or_of_another_kind_is_noticed() {
    let compare = |then: Value, now: Value| {
        std::panic::catch_unwind(move || Now::default().compare(&then, &now, "message")).is_ok()
    };
    assert!(compare(json!({"a": 1, "b": null}), json!({"a": 2, "c": "new"})));
    assert!(!compare(json!({"a": 1}), json!({})));
    assert!(!compare(json!({"a": {"b": "x"}}), json!({"a": {"b": 1}})));
}
