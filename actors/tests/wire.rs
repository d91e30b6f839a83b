//! The wire is frozen: every stored sample of every message is read by today's code and written again equal.
//! A sample is never changed; a new field or variant gets a new sample beside the old ones.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::PathBuf;

use pictor_actors::limits::WIRE_FRAME_BYTES_MAX;
use pictor_actors::protocol::assignment::{InputManifest, OutputFormat, RenderEngine};
use pictor_actors::protocol::codec::{CodecError, decode, encode};
use pictor_actors::protocol::enrolment::{ConfigurationFile, EnrolAnswer, EnrolRequest};
use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::protocol::outcome::{FrameState, WarningClass};
use pictor_actors::protocol::upload::{FrameAnnounced, FramePlace, FrameReceipt};
use pictor_actors::protocol::{
    AttemptOutcome, CancelReason, DeclineReason, FailureClass, FromWorker, PauseReason, RefusalCode, Retry,
    SearchPhase, ToWorker, WorkerActivity,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The samples of one folder of `wire/v1`, by file.
fn samples(folder: &str) -> BTreeMap<String, Vec<Value>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wire/v1").join(folder);
    let mut samples = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        samples.insert(name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
    }
    samples
}

/// Reads each sample as `M`: as stored, with fields that this version does not know, and without its nulls;
/// writes it again.
fn check<M: DeserializeOwned + Serialize + PartialEq + Debug>(file: &str, samples: &[Value]) -> Vec<M> {
    assert!(!samples.is_empty(), "{file} is empty");
    let read =
        |sample: &Value| decode::<M>(&sample.to_string()).unwrap_or_else(|error| panic!("{file}: {error:?}"));
    let check_one = |sample: &Value| {
        let message = read(sample);
        let written: Value = serde_json::from_str(&encode(&message).unwrap()).unwrap();
        assert_eq!(&written, sample, "{file} is written as it is stored");
        assert_eq!(read(&changed(sample, &add_unknown)), message, "{file}: unknown fields are tolerated");
        assert_eq!(read(&changed(sample, &drop_nulls)), message, "{file}: absent is the same as null");
        message
    };
    samples.iter().map(check_one).collect()
}

type Fields = serde_json::Map<String, Value>;

fn changed(value: &Value, change: &dyn Fn(&mut Fields)) -> Value {
    match value {
        Value::Array(values) => Value::Array(values.iter().map(|inner| changed(inner, change)).collect()),
        Value::Object(fields) => {
            let mut fields: Fields =
                fields.iter().map(|(name, inner)| (name.clone(), changed(inner, change))).collect();
            change(&mut fields);
            Value::Object(fields)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn add_unknown(fields: &mut Fields) {
    fields.insert("zz_added_later".to_owned(), json!({ "kind": "new", "values": [1, null] }));
}

fn drop_nulls(fields: &mut Fields) {
    fields.retain(|_, value| !value.is_null());
}

/// Names the variant of a value; the match has no catch-all, so a new variant does not compile until it is
/// named here, and the test fails until it has a sample.
macro_rules! variants {
    ($($name:ident: $kind:ident { $($variant:ident),* $(,)? })*) => {$(
        fn $name(value: &$kind) -> String {
            let name = match value { $($kind::$variant { .. } => stringify!($variant),)* };
            format!("{}::{name}", stringify!($kind))
        }
    )*
        fn all_variants() -> BTreeSet<String> {
            [$($(concat!(stringify!($kind), "::", stringify!($variant)),)*)*].map(str::to_owned).into()
        }
    };
}

variants! {
    from_worker: FromWorker {
        Hello, MachineChanged, Heartbeat, Accept, Decline, AttemptStarted, FrameProgress, LogLines, Warning,
        AttemptEnded, Goodbye,
    }
    to_worker: ToWorker { Challenge, Welcome, Refused, HeartbeatAck, Offer, Cancel, SetPause, Bye }
    activity: WorkerActivity { Idle, Preparing, Working, Finishing, Paused, Updating, Error }
    pause_reason: PauseReason { User, Dashboard, LowDisk, NoBlender, Other }
    search_phase: SearchPhase { Running, Done }
    slot_phase: SlotPhase { Idle, Fetching, Loading, Rendering, Stopping }
    output_format: OutputFormat { Png, Jpeg, OpenExr, OpenExrMultilayer }
    render_engine: RenderEngine { Cycles, Eevee, Workbench, Simulated }
    decline_reason: DeclineReason { SlotBusy, NotAccepting, DiskFull, CannotRun }
    cancel_reason: CancelReason { JobCancelled, JobPaused, Superseded, NotAnswered }
    frame_state: FrameState { Started, Rendering, Rendered }
    warning_class: WarningClass { MissingFile, CpuFallback, SettingChanged }
    outcome: AttemptOutcome { Rendered, Failed, Stopped }
    failure_class: FailureClass {
        NeedsScripts, MissingFile, NoCamera, EngineNotAvailable, OutOfMemory, OutOfGpuMemory, Crash,
        TimeLimit, NoOutputWritten, DiskFull, BadScene, InputsUnavailable, WorkerError,
    }
    refusal_code: RefusalCode {
        EnrolmentUsed, EnrolmentExpired, EnrolmentUnknown, KeyMismatch, BadSignature, UnknownWorker,
        VersionUnsupported, Malformed, TooMany, Unavailable, Replaced,
    }
    retry: Retry { Never, After }
}

fn named_in_from_worker(message: &FromWorker) -> Vec<String> {
    let mut names = vec![from_worker(message)];
    match message {
        FromWorker::Hello(hello) => {
            names.extend(hello.pause.iter().map(|pause| pause_reason(&pause.reason)));
            names.extend(hello.machine.software.iter().flat_map(|found| &found.engines).map(render_engine));
        }
        FromWorker::MachineChanged(changed) => {
            names.extend(changed.machine.software_search.iter().map(search_phase));
            names.extend(changed.machine.software.iter().flat_map(|found| &found.engines).map(render_engine));
        }
        FromWorker::Heartbeat(heartbeat) => {
            names.push(activity(&heartbeat.activity));
            names.extend(heartbeat.slots.iter().map(|slot| slot_phase(&slot.phase)));
            if let WorkerActivity::Paused(pause) = &heartbeat.activity {
                names.push(pause_reason(&pause.reason));
            }
        }
        FromWorker::Decline(decline) => names.push(decline_reason(&decline.reason)),
        FromWorker::FrameProgress(progress) => names.push(frame_state(&progress.state)),
        FromWorker::Warning(warning) => names.push(warning_class(&warning.class)),
        FromWorker::AttemptEnded(ended) => {
            names.push(outcome(&ended.outcome));
            if let AttemptOutcome::Failed { class, .. } = &ended.outcome {
                names.push(failure_class(class));
            }
        }
        FromWorker::Accept(_)
        | FromWorker::AttemptStarted(_)
        | FromWorker::LogLines(_)
        | FromWorker::Goodbye { .. } => {}
    }
    names
}

fn named_in_to_worker(message: &ToWorker) -> Vec<String> {
    let mut names = vec![to_worker(message)];
    match message {
        ToWorker::Refused(refusal) => names.extend([refusal_code(&refusal.code), retry(&refusal.retry)]),
        ToWorker::Offer(offer) => {
            names.push(output_format(&offer.task.render.format));
            names.extend(offer.task.render.engine.iter().map(render_engine));
        }
        ToWorker::Cancel(cancel) => names.push(cancel_reason(&cancel.reason)),
        ToWorker::SetPause { pause } => names.extend(pause.iter().map(|pause| pause_reason(&pause.reason))),
        ToWorker::Challenge(_) | ToWorker::Welcome(_) | ToWorker::HeartbeatAck(_) | ToWorker::Bye { .. } => {}
    }
    names
}

#[test]
fn every_stored_sample_reads_and_writes_and_every_variant_has_one() {
    let mut seen = BTreeSet::new();
    for (file, stored) in samples("from_worker") {
        let messages = check::<FromWorker>(&file, &stored);
        assert!(stored.iter().all(|sample| sample["type"] == file), "{file} holds only its own type");
        seen.extend(messages.iter().flat_map(named_in_from_worker));
    }
    for (file, stored) in samples("to_worker") {
        let messages = check::<ToWorker>(&file, &stored);
        assert!(stored.iter().all(|sample| sample["type"] == file), "{file} holds only its own type");
        seen.extend(messages.iter().flat_map(named_in_to_worker));
    }
    let missing: Vec<_> = all_variants().difference(&seen).cloned().collect();
    assert!(missing.is_empty(), "variants without a stored sample: {missing:?}");
}

#[test]
fn every_message_of_every_kept_conversation_reads() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wire/v1/transcripts");
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let Some(says) = line.get("says").map(Value::to_string) else { continue };
            match line["by"].as_str() {
                Some("worker") => drop(decode::<FromWorker>(&says).unwrap()),
                Some("cloud") => drop(decode::<ToWorker>(&says).unwrap()),
                other => panic!("said by {other:?}: {line}"),
            }
        }
    }
}

#[test]
fn what_goes_over_http_reads_and_writes() {
    let mut stored = samples("http");
    let mut take = |file: &str| stored.remove(file).unwrap_or_default();
    for sample in take("enrol_request") {
        let request: EnrolRequest = decode(&changed(&sample, &add_unknown).to_string()).unwrap();
        assert_eq!(serde_json::to_value(&request).unwrap(), sample);
    }
    check::<EnrolAnswer>("enrol_answer", &take("enrol_answer"));
    check::<FrameReceipt>("frame_receipt", &take("frame_receipt"));
    check::<FrameAnnounced>("frame_announced", &take("frame_announced"));
    check::<FramePlace>("frame_place", &take("frame_place"));
    check::<InputManifest>("input_manifest", &take("input_manifest"));
    for sample in take("configuration_file") {
        let file: ConfigurationFile = serde_json::from_value(sample.clone()).unwrap();
        assert_eq!(serde_json::to_value(&file).unwrap(), sample);
        let unknown = changed(&sample, &add_unknown);
        assert!(
            serde_json::from_value::<ConfigurationFile>(unknown).is_err(),
            "a file by hand is read strictly"
        );
    }
    assert!(stored.is_empty(), "no test reads {stored:?}");
}

#[test]
fn a_type_of_the_future_is_told_apart_from_garbage() {
    let future = json!({ "type": "dance", "steps": 3 }).to_string();
    assert!(matches!(decode::<FromWorker>(&future), Err(CodecError::UnknownType(name)) if name == "dance"));
    assert!(matches!(decode::<ToWorker>(&future), Err(CodecError::UnknownType(name)) if name == "dance"));
    let bad_inner = json!({ "type": "set_pause", "pause": { "reason": { "kind": "dance" } } }).to_string();
    for garbage in ["", "{", "null", "[]", "{}", r#"{"type":7}"#, r#"{"type":"bye"}"#, &bad_inner] {
        assert!(matches!(decode::<ToWorker>(garbage), Err(CodecError::Malformed(_))), "{garbage}");
    }
}

#[test]
fn a_frame_above_the_limit_is_neither_read_nor_written() {
    let goodbye = |reason: String| FromWorker::Goodbye { reason };
    let around = encode(&goodbye(String::new())).unwrap().len();
    let largest = encode(&goodbye("x".repeat(WIRE_FRAME_BYTES_MAX - around))).unwrap();
    assert_eq!(largest.len(), WIRE_FRAME_BYTES_MAX);
    assert!(decode::<FromWorker>(&largest).is_ok());
    assert!(matches!(decode::<FromWorker>(&format!("{largest} ")), Err(CodecError::TooLarge(_))));
    let above = goodbye("x".repeat(WIRE_FRAME_BYTES_MAX - around + 1));
    assert!(matches!(encode(&above), Err(CodecError::TooLarge(_))));
}
