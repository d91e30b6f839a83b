//! A worker finds out what its programs can do while it is already connected.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use pictor_actors::protocol::assignment::RenderEngine::{self, Cycles, Eevee, Workbench};
use pictor_actors::protocol::{
    AttemptOutcome, DeclineReason, FromWorker, MachineFacts, MetricSample, SearchPhase, SlotFacts,
    WorkerActivity,
};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_worker::control::{Answer, Request, WorkerStatus, ask};
use pictor_worker::machine::fake::FakeMachine;
use pictor_worker::machine::{Machine, SlotPolicy};

use crate::cloud::{FakeCloud, Seen};
use crate::support::Worker;

/// A program that answers as Blender's driver does. Each engine's answer waits for its gate.
struct Program {
    folder: tempfile::TempDir,
}

impl Program {
    fn with_closed_gates() -> Self {
        let program = Self { folder: tempfile::tempdir().unwrap() };
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        for engine in ["cycles", "eevee", "workbench"] {
            nix::unistd::mkfifo(&program.gate(engine), mode).unwrap();
        }
        let at = program.folder.path().display();
        let text = format!(
            r#"#!/bin/sh
read -r order
engine=$(echo "$order" | sed 's/.*"engine":"\([a-z]*\)".*/\1/')
echo "$engine" >> {at}/asked
echo '{{"say":"hello","version":"4.5.0","denoiser":true}}'
cat {at}/gate-$engine &
echo $! > {at}/child-$engine
wait
echo '{{"say":"tried","why_not":null}}'
"#
        );
        fs::write(program.path(), text).unwrap();
        fs::set_permissions(program.path(), PermissionsExt::from_mode(0o700)).unwrap();
        program
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("blender")
    }

    fn gate(&self, engine: &str) -> PathBuf {
        self.folder.path().join(format!("gate-{engine}"))
    }

    /// Waits until the engine is being tried, and lets it answer.
    async fn open(&self, engine: &str) {
        let gate = self.gate(engine);
        let opening = tokio::task::spawn_blocking(move || fs::File::options().write(true).open(gate));
        drop(tokio::time::timeout(Duration::from_secs(20), opening).await.unwrap().unwrap().unwrap());
    }

    /// From now on every engine answers at once.
    fn open_all(&self) {
        for engine in ["cycles", "eevee", "workbench"] {
            let _ = fs::remove_file(self.gate(engine));
            fs::write(self.gate(engine), "").unwrap();
        }
    }

    /// The engines that were tried, in their order.
    fn asked(&self) -> String {
        fs::read_to_string(self.folder.path().join("asked")).unwrap_or_default().replace('\n', " ")
    }

    /// A process that the program started and that waits at the gate.
    async fn child(&self, engine: &str) -> u32 {
        let path = self.folder.path().join(format!("child-{engine}"));
        let told = async {
            loop {
                let text = fs::read_to_string(&path).unwrap_or_default();
                if let Ok(child) = text.trim().parse() {
                    return child;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), told).await.unwrap()
    }
}

fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with(['Z', 'X']))
}

/// What the cloud was told last of the machine.
fn machine(seen: &Seen) -> (&MachineFacts, &[SlotFacts]) {
    let told = seen.heard.iter().rev().find_map(|said| match said {
        FromWorker::Hello(hello) => Some((&hello.machine, &hello.slots[..])),
        FromWorker::MachineChanged(changed) => Some((&changed.machine, &changed.slots[..])),
        _ => None,
    });
    told.unwrap()
}

fn stands(seen: &Seen, phase: SearchPhase, engines: &[RenderEngine]) -> bool {
    let (machine, slots) = machine(seen);
    let is_listed = machine.software.iter().all(|software| software.engines == engines);
    machine.software_search == Some(phase) && slots[0].engines == engines && is_listed
}

fn hellos(seen: &Seen) -> usize {
    seen.heard.iter().filter(|said| matches!(said, FromWorker::Hello(_))).count()
}

async fn status(worker: &Worker) -> WorkerStatus {
    match ask(&worker.data, &Request::Status).await.unwrap() {
        Answer::Status(status) => *status,
        other => panic!("{other:?}"),
    }
}

#[actix_web::test]
async fn a_worker_is_connected_and_works_while_it_still_looks_for_software() {
    let (cloud, folder, program) =
        (FakeCloud::start(), tempfile::tempdir().unwrap(), Program::with_closed_gates());
    let worker = Worker::start_looking(&cloud, folder.path(), &program.path(), Millis(10));
    cloud.connected().await;
    assert!(stands(&cloud.seen.lock().unwrap(), SearchPhase::Running, &[]));
    assert_eq!(status(&worker).await.software_search, SearchPhase::Running);
    let too_early = cloud.offer(1, &[1]);
    cloud
        .wait("a decline", |seen| {
            seen.heard.iter().any(|said| {
                matches!(said, FromWorker::Decline(decline) if decline.lease == too_early
                    && matches!(decline.reason, DeclineReason::CannotRun { .. }))
            })
        })
        .await;
    cloud
        .wait("a heartbeat that is neither idle nor paused", |seen| {
            matches!(seen.heard.last(), Some(FromWorker::Heartbeat(beat))
                if beat.activity == WorkerActivity::Preparing)
        })
        .await;

    program.open("cycles").await;
    cloud.wait("Cycles", |seen| stands(seen, SearchPhase::Running, &[Cycles])).await;
    let lease = cloud.offer(2, &[1, 2]);
    cloud
        .wait("frames rendered meanwhile", |seen| {
            seen.frames.len() == 2
                && seen.heard.iter().any(|said| {
                    matches!(said, FromWorker::AttemptEnded(end) if end.lease == lease
                        && end.outcome == AttemptOutcome::Rendered)
                })
        })
        .await;

    program.open("eevee").await;
    cloud.wait("EEVEE", |seen| stands(seen, SearchPhase::Running, &[Cycles, Eevee])).await;
    program.open("workbench").await;
    let all = [Cycles, Eevee, Workbench];
    cloud.wait("everything", |seen| stands(seen, SearchPhase::Done, &all)).await;
    let now = status(&worker).await;
    assert_eq!((now.software_search, &now.software[0].engines[..]), (SearchPhase::Done, &all[..]));
    assert_eq!(hellos(&cloud.seen.lock().unwrap()), 1, "the line was never dropped for it");
    worker.stop().await;
}

/// A machine whose driver does not answer when it is asked for values.
struct Hanging {
    known: FakeMachine,
    driver: mpsc::Receiver<()>,
}

impl Machine for Hanging {
    fn facts(&mut self) -> MachineFacts {
        self.known.facts()
    }

    fn slot_policy(&self) -> SlotPolicy {
        self.known.slot_policy()
    }

    fn sample(&mut self, now: UnixMillis) -> MetricSample {
        let _ = self.driver.recv(); // until the test is over
        self.known.sample(now)
    }

    fn disk_free_bytes(&mut self) -> Option<u64> {
        None
    }
}

#[actix_web::test]
async fn a_driver_that_hangs_holds_up_nothing_else() {
    let (cloud, folder, program) =
        (FakeCloud::start(), tempfile::tempdir().unwrap(), Program::with_closed_gates());
    let (answer, driver) = mpsc::sync_channel(1);
    let machine = Box::new(Hanging { known: FakeMachine::with_gpus("rig", 1), driver });
    let frame = Millis(10);
    let worker = Worker::start_looking_on(machine, &cloud, folder.path(), &program.path(), frame);
    cloud.connected().await;
    program.open("cycles").await;
    cloud.wait("Cycles", |seen| stands(seen, SearchPhase::Running, &[Cycles])).await;
    cloud.offer(1, &[1]);
    cloud.wait("the frame", |seen| seen.frames.len() == 1).await;
    drop(answer);
    worker.stop().await;
}

#[actix_web::test]
async fn probes_give_way_to_tasks() {
    let (cloud, folder, program) =
        (FakeCloud::start(), tempfile::tempdir().unwrap(), Program::with_closed_gates());
    // Longer than a probe waits for work to come.
    let worker = Worker::start_looking(&cloud, folder.path(), &program.path(), Millis(3_000));
    cloud.connected().await;
    program.open("cycles").await;
    cloud.wait("Cycles", |seen| stands(seen, SearchPhase::Running, &[Cycles])).await;
    cloud.offer(1, &[1]);
    cloud.wait("the frame", |seen| seen.frames.len() == 1).await;
    assert_eq!(program.asked(), "cycles ");
    program.open("eevee").await;
    cloud.wait("EEVEE", |seen| stands(seen, SearchPhase::Running, &[Cycles, Eevee])).await;
    worker.stop().await;
}

#[actix_web::test]
async fn a_stop_ends_the_probe_and_only_what_was_answered_is_remembered() {
    let (cloud, folder, program) =
        (FakeCloud::start(), tempfile::tempdir().unwrap(), Program::with_closed_gates());
    let worker = Worker::start_looking(&cloud, folder.path(), &program.path(), Millis(10));
    cloud.connected().await;
    program.open("cycles").await;
    cloud.wait("Cycles", |seen| stands(seen, SearchPhase::Running, &[Cycles])).await;
    let at_the_gate = program.child("eevee").await;
    worker.stop().await;
    assert!(!is_alive(at_the_gate), "the whole group of the probe is gone with the worker");

    let scratch = folder.path().join("work/probes");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "and so is what it wrote");
    fs::create_dir(scratch.join("of-a-crash")).unwrap();

    program.open_all();
    cloud.change(|seen| seen.heard.clear());
    let worker = Worker::start_looking(&cloud, folder.path(), &program.path(), Millis(10));
    let all = [Cycles, Eevee, Workbench];
    cloud.wait("everything", |seen| hellos(seen) > 0 && stands(seen, SearchPhase::Done, &all)).await;
    worker.stop().await;
    assert_eq!(program.asked(), "cycles eevee eevee workbench ");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);

    cloud.change(|seen| seen.heard.clear());
    let worker = Worker::start_looking(&cloud, folder.path(), &program.path(), Millis(10));
    cloud.wait("everything", |seen| hellos(seen) > 0 && stands(seen, SearchPhase::Done, &all)).await;
    worker.stop().await;
    assert_eq!(program.asked(), "cycles eevee eevee workbench ", "all of it was remembered");
}

#[actix_web::test]
async fn a_machine_without_software_says_so_only_when_it_has_looked() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start_looking(&cloud, folder.path(), Path::new("/nowhere/blender"), Millis(10));
    cloud.wait("nothing found", |seen| hellos(seen) > 0 && stands(seen, SearchPhase::Done, &[])).await;
    let now = status(&worker).await;
    assert!(matches!(now.activity, WorkerActivity::Paused(_)), "{:?}", now.activity);
    worker.stop().await;
}
