//! What programs read in a worker's log.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use pictor_actors::protocol::{AttemptOutcome, FromWorker};
use pictor_actors::units::Millis;
use pictor_worker::cli::logs;
use pictor_worker::config::DataDir;
use serde_json::Value;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cloud::FakeCloud;
use crate::support::Worker;

fn printed(folder: &Path, arguments: &[&str]) -> String {
    let mut verb = Command::new(env!("CARGO_BIN_EXE_pictor-worker"));
    let output = verb.arg("logs").args(arguments).arg("--data").arg(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[actix_web::test]
async fn begin_and_end_of_each_frame_are_in_the_log_with_their_names() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    // So small that the file is begun anew several times.
    let bytes_max = 3_000;
    let data = DataDir::open(Some(folder.path().to_owned())).unwrap();
    let _logging = logs::subscriber(&data.logs(), bytes_max, "info").unwrap().set_default();
    let worker = Worker::start(&cloud, folder.path(), Millis(30));
    cloud.connected().await;
    let lease = cloud.offer(1, &[7, 8, 9]);
    cloud
        .wait("the end", |seen| {
            seen.frames.len() == 3
                && seen.heard.iter().any(|said| {
                    matches!(said, FromWorker::AttemptEnded(end) if end.outcome == AttemptOutcome::Rendered)
                })
        })
        .await;
    worker.stop().await;

    let text = printed(folder.path(), &["--json", "--lines", "all"]);
    assert!(folder.path().join("logs/worker.log.1").exists(), "the lines lie in more than one file");
    let mut moments: BTreeMap<(i64, String), jiff::Timestamp> = BTreeMap::new();
    for line in text.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let fields = &entry["fields"];
        let at: jiff::Timestamp = entry["timestamp"].as_str().unwrap().parse().unwrap();
        let Some(frame) = fields["frame"].as_i64() else { continue };
        let message = fields["message"].as_str().unwrap();
        if !message.starts_with("frame ") {
            continue;
        }
        assert_eq!((&entry["level"], &fields["lease.id"]), (&"INFO".into(), &lease.lease.to_string().into()));
        assert!(fields["job.id"].as_str().unwrap().starts_with("job_"), "{line}");
        assert!(fields["task.id"].as_str().unwrap().starts_with("tsk_"), "{line}");
        assert_eq!(moments.insert((frame, message.to_owned()), at), None, "once each: {line}");
    }
    for frame in [7, 8, 9] {
        let moment = |what: &str| moments[&(frame, what.to_owned())].as_microsecond();
        let took = moment("frame rendered") - moment("frame started");
        assert!((30_000..5_000_000).contains(&took), "frame {frame} took {took} us");
    }
    assert_eq!(moments.len(), 6);
    let last = printed(folder.path(), &["--lines", "1"]);
    assert!(last.lines().count() == 1 && !last.starts_with('{'), "{last}");
}
