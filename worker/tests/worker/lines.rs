//! What an engine says is said for the lease it serves, and for no other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use pictor_actors::protocol::outcome::FrameState;
use pictor_actors::protocol::{AttemptOutcome, Cancel, CancelReason, FromWorker, LeaseRef, ToWorker};
use pictor_worker::engines::{Engine, EngineEvent, EngineFailure, EngineRequest, EngineSession};
use pictor_worker::machine::fake::simulated_software;
use tokio::sync::mpsc;

use crate::cloud::{FakeCloud, Seen};
use crate::support::Worker;

/// Begins each frame and ends only the one of this number; has a last word when it is killed.
struct Talker;

const ENDS: i32 = 100;

struct Talk(mpsc::Sender<EngineEvent>, PathBuf);

impl Engine for Talker {
    fn start(
        &self,
        request: EngineRequest,
        events: mpsc::Sender<EngineEvent>,
    ) -> BoxFuture<'static, Result<Box<dyn EngineSession>, EngineFailure>> {
        let ready = EngineEvent::Ready { engine: "Talker".into(), device: "none".into() };
        events.try_send(ready).unwrap();
        async move { Ok(Box::new(Talk(events, request.output_dir)) as Box<dyn EngineSession>) }.boxed()
    }
}

impl EngineSession for Talk {
    fn render(&mut self, frame: i32) -> Result<(), EngineFailure> {
        self.0.try_send(EngineEvent::Log(format!("about frame {frame}"))).unwrap();
        self.0.try_send(EngineEvent::FrameStarted { frame }).unwrap();
        if frame == ENDS {
            let path = self.1.join("frame.png");
            std::fs::write(&path, b"pixels").unwrap();
            let written = EngineEvent::FrameWritten { frame, path, render_ms: 1, memory_peak_bytes: None };
            self.0.try_send(written).unwrap();
        }
        Ok(())
    }

    fn kill(&mut self) {
        self.0.try_send(EngineEvent::Log("late words".into())).unwrap();
        self.0.try_send(EngineEvent::Exited).unwrap();
    }
}

async fn begun(cloud: &FakeCloud, lease: LeaseRef) {
    let started = |said: &FromWorker| match said {
        FromWorker::FrameProgress(step) => step.lease == lease && step.state == FrameState::Started,
        _ => false,
    };
    cloud.wait("a frame begun", |seen| seen.heard.iter().any(started)).await;
}

async fn ended(cloud: &FakeCloud, lease: LeaseRef, outcome: AttemptOutcome) {
    let ended = |said: &FromWorker| match said {
        FromWorker::AttemptEnded(end) => end.lease == lease && end.outcome == outcome,
        _ => false,
    };
    cloud.wait("the end", |seen| seen.heard.iter().any(ended)).await;
}

async fn cancelled(cloud: &FakeCloud, lease: LeaseRef) {
    cloud.say(ToWorker::Cancel(Cancel { lease, reason: CancelReason::JobCancelled }));
    ended(cloud, lease, AttemptOutcome::Stopped).await;
}

fn lines(seen: &Seen) -> Vec<(LeaseRef, String)> {
    let said = seen.heard.iter().filter_map(|said| match said {
        FromWorker::LogLines(lines) => Some(lines),
        _ => None,
    });
    said.flat_map(|said| said.lines.iter().map(|line| (said.lease, line.clone()))).collect()
}

fn worker(cloud: &FakeCloud, folder: &Path) -> Worker {
    Worker::start_with(cloud, folder, Arc::new(Talker), simulated_software(), 1)
}

#[actix_web::test]
async fn lines_of_one_lease_never_go_to_another() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = worker(&cloud, folder.path());
    cloud.connected().await;
    let one = cloud.offer(1, &[1]);
    begun(&cloud, one).await;
    let ahead = cloud.offer(2, &[2]);
    cloud.wait("a second lease", |seen| seen.heard.contains(&FromWorker::Accept(ahead))).await;
    cancelled(&cloud, ahead).await;
    cancelled(&cloud, one).await;
    let next = cloud.offer(3, &[3]);
    begun(&cloud, next).await;
    cancelled(&cloud, next).await;
    let warm = cloud.offer(4, &[ENDS]);
    ended(&cloud, warm, AttemptOutcome::Rendered).await;
    // Of another job: the warm engine is killed while the lease waits for a new one.
    let other = cloud.offer_of(2, 5, &[5]);
    begun(&cloud, other).await;
    cancelled(&cloud, other).await;
    worker.stop().await;
    let said = lines(&cloud.seen.lock().unwrap());
    let own = [(one, 1), (next, 3), (warm, ENDS), (other, 5)];
    assert_eq!(said, own.map(|(lease, frame)| (lease, format!("about frame {frame}"))));
}
