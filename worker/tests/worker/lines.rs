//! What an engine says is said for the lease it serves, and for no other.

use std::path::Path;
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

/// Begins each frame and never ends one; has a last word when it is killed.
struct Talker;

struct Talk(mpsc::Sender<EngineEvent>);

impl Engine for Talker {
    fn start(
        &self,
        _: EngineRequest,
        events: mpsc::Sender<EngineEvent>,
    ) -> BoxFuture<'static, Result<Box<dyn EngineSession>, EngineFailure>> {
        let ready = EngineEvent::Ready { engine: "Talker".into(), device: "none".into() };
        events.try_send(ready).unwrap();
        async { Ok(Box::new(Talk(events)) as Box<dyn EngineSession>) }.boxed()
    }
}

impl EngineSession for Talk {
    fn render(&mut self, frame: i32) -> Result<(), EngineFailure> {
        self.0.try_send(EngineEvent::Log(format!("about frame {frame}"))).unwrap();
        self.0.try_send(EngineEvent::FrameStarted { frame }).unwrap();
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

async fn cancelled(cloud: &FakeCloud, lease: LeaseRef) {
    cloud.say(ToWorker::Cancel(Cancel { lease, reason: CancelReason::JobCancelled }));
    let ended = |said: &FromWorker| {
        matches!(said, FromWorker::AttemptEnded(end)
            if end.lease == lease && end.outcome == AttemptOutcome::Stopped)
    };
    cloud.wait("the end", |seen| seen.heard.iter().any(ended)).await;
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
    worker.stop().await;
    let said = lines(&cloud.seen.lock().unwrap());
    assert_eq!(said, [(one, "about frame 1".to_owned()), (next, "about frame 3".to_owned())]);
}
