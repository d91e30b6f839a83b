use pictor_actors::ids::{JobId, LeaseId, LinkId, TaskId, WorkerId};
use pictor_actors::now::Mono;
use pictor_actors::protocol::assignment::{RenderEngine, RenderSettings, TaskLimits};
use pictor_actors::protocol::outcome::FrameState;
use pictor_actors::protocol::{
    Cancel, CancelReason, Challenge, FailureClass, HeartbeatAck, Offer, Refusal, RefusalCode, Retry,
    TaskSpec, Welcome,
};
use pictor_actors::units::{Millis, UnixMillis};

use super::*;
use crate::simulate::spool::Spool;

/// A brain with a clock and a spool, whose requests are answered at once.
struct Bench {
    brain: Brain,
    spool: Spool,
    now: Now,
    said: Vec<FromWorker>,
    outputs: Vec<Output>,
    uploads: u32,
}

fn plan() -> Plan {
    Plan { frame: Millis(100), spread: 0.0, load: Millis(50), ..Plan::default() }
}

impl Bench {
    fn new(plan: Plan) -> Self {
        let identity = Identity {
            cloud: "http://127.0.0.1:1".parse().unwrap(),
            worker: WorkerId::from_u128(1),
            name: "sim-1".to_owned(),
        };
        let who = Arc::new(Who { number: 0, identity, key: SigningKey::generate().unwrap() });
        let now = Now { mono: Mono(1_000), wall: UnixMillis(1_000_000) };
        let brain = Brain::new(who, Arc::new(plan), Dice::new(1, 0), now.mono);
        let (said, outputs) = (Vec::new(), Vec::new());
        let mut bench = Self { brain, spool: Spool::default(), now, said, outputs, uploads: 0 };
        bench.take(Input::Born(Vec::new()));
        bench
    }

    fn connected(plan: Plan) -> Self {
        let mut bench = Self::new(plan);
        let nonce = "nonce".to_owned();
        bench.hear(ToWorker::Challenge(Challenge { nonce, versions: vec![1], cloud_time: UnixMillis(0) }));
        let welcome = Welcome {
            link: LinkId::from_u128(1),
            bearer: "wkb_1".to_owned(),
            heartbeat_after_ms: 5_000,
            lease_ttl_ms: 120_000,
            drop: Vec::new(),
            worker_name: "sim-1".to_owned(),
            wallet_address: None,
            puts_directly: true,
        };
        bench.hear(ToWorker::Welcome(Box::new(welcome)));
        bench
    }

    fn hear(&mut self, message: ToWorker) {
        self.take(Input::Heard(Box::new(message)));
    }

    fn offer(&mut self, number: u128, frames: &[i32]) -> LeaseRef {
        let lease = LeaseRef { lease: LeaseId::from_u128(number), fence: 1 };
        let task = TaskSpec {
            task: TaskId::from_u128(number),
            job: JobId::from_u128(1),
            job_name: "shot".to_owned(),
            attempt: 1,
            frames: frames.to_vec(),
            inputs: BlobHash::from_bytes([0; 32]),
            render: RenderSettings { engine: Some(RenderEngine::Simulated), ..RenderSettings::default() },
            limits: TaskLimits { frame_time_ms: 60_000, memory_bytes: None },
        };
        self.hear(ToWorker::Offer(Box::new(Offer { lease, slot: 0, ahead: false, task })));
        lease
    }

    fn take(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for output in self.brain.take(input, self.now) {
                match output {
                    Output::Say(message) => self.said.push(message),
                    Output::Fetch(slot, lease, ..) => {
                        inputs.push_back(Input::InputsBrought(slot, lease, Ok(())))
                    }
                    Output::Keep(slot, picture) => {
                        let kept = self.spool.keep(picture).map_err(|error| error.to_string());
                        inputs.push_back(Input::Kept(slot, picture, kept));
                    }
                    Output::Upload(entry) => {
                        self.uploads += 1;
                        inputs.push_back(Input::Uploaded(entry.key(), Ended::Delivered));
                    }
                    other => self.outputs.push(other),
                }
            }
        }
    }

    /// Lets time pass, from deadline to deadline.
    fn pass(&mut self, length: Millis) {
        let end = self.now.mono.plus(length);
        while let Some(at) = self.brain.next_deadline(self.now.mono).filter(|at| *at <= end) {
            self.at(at.max(self.now.mono));
        }
        self.at(end);
    }

    fn at(&mut self, mono: Mono) {
        self.now.wall = self.now.wall.plus(self.now.mono.until(mono));
        self.now.mono = mono;
        self.take(Input::Time);
    }

    fn ends(&self) -> Vec<AttemptOutcome> {
        let end = |message: &FromWorker| match message {
            FromWorker::AttemptEnded(ended) => Some(ended.outcome.clone()),
            _ => None,
        };
        self.said.iter().filter_map(end).collect()
    }

    fn rendered(&self) -> Vec<(i32, u64)> {
        let frame = |message: &FromWorker| match message {
            FromWorker::FrameProgress(progress) => match progress.state {
                FrameState::Rendered { render_ms, .. } => Some((progress.frame, render_ms)),
                FrameState::Started | FrameState::Rendering { .. } => None,
            },
            _ => None,
        };
        self.said.iter().filter_map(frame).collect()
    }

    fn beats(&self) -> usize {
        self.said.iter().filter(|message| matches!(message, FromWorker::Heartbeat(_))).count()
    }
}

#[test]
fn it_connects_proves_itself_and_offers_the_simulated_engine_alone() {
    let bench = Bench::connected(plan());
    let asked = &bench.outputs[..];
    assert!(matches!(asked, [Output::Open, Output::PutDirectly(true), Output::Bearer(Some(_))]), "{asked:?}");
    let FromWorker::Hello(hello) = &bench.said[0] else { panic!("{:?}", bench.said) };
    assert_eq!(hello.slots.len(), 1);
    assert!(hello.slots.iter().all(|slot| slot.engines == [RenderEngine::Simulated]));
    assert!(bench.brain.is_connected());
}

#[test]
fn a_lease_is_rendered_delivered_and_ended_and_the_one_ahead_follows() {
    let mut bench = Bench::connected(plan());
    bench.offer(1, &[1, 2]);
    bench.offer(2, &[7]);
    assert_eq!(bench.said.iter().filter(|said| matches!(said, FromWorker::Accept(_))).count(), 2);
    bench.pass(Millis(120));
    assert_eq!(bench.brain.rendering(), 1);
    bench.pass(Millis(1_000));
    assert_eq!(bench.rendered(), [(1, 100), (2, 100), (7, 100)]);
    assert_eq!((bench.ends(), bench.uploads), (vec![AttemptOutcome::Rendered; 2], 3));
    assert_eq!((bench.brain.rendering(), bench.spool.entries().len()), (0, 3));
    assert_eq!(bench.outputs.iter().filter(|out| matches!(out, Output::Drop(_, false))).count(), 3);
}

#[test]
fn a_failing_frame_ends_its_attempt_with_the_class_asked_for() {
    let classes = vec![FailureClass::OutOfMemory];
    let mut bench = Bench::connected(Plan { failures: 1.0, failure_classes: classes, ..plan() });
    bench.offer(1, &[1, 2]);
    bench.pass(Millis(1_000));
    let ends = bench.ends();
    let [AttemptOutcome::Failed { class: FailureClass::OutOfMemory, frame: Some(1), .. }] = ends[..] else {
        panic!("{ends:?}")
    };
    assert_eq!(bench.uploads, 0);
}

#[test]
fn heartbeats_go_on_at_the_clouds_interval_and_a_silent_cloud_is_left() {
    let mut bench = Bench::connected(plan());
    for seq in 1..=3 {
        bench.pass(Millis(5_000));
        bench.hear(ToWorker::HeartbeatAck(HeartbeatAck { seq, next_after_ms: 5_000, cancel: Vec::new() }));
    }
    assert_eq!(bench.beats(), 3);
    bench.pass(Millis(30_000));
    assert!(!bench.brain.is_connected());
    assert!(bench.outputs.iter().any(|out| matches!(out, Output::Close)));
    assert!(bench.outputs.iter().filter(|out| matches!(out, Output::Open)).count() > 1, "it comes back");
}

#[test]
fn a_cancelled_lease_is_dropped_with_its_frames() {
    let mut bench = Bench::connected(Plan { frame: Millis(10_000), ..plan() });
    let lease = bench.offer(1, &[1]);
    bench.pass(Millis(100));
    bench.hear(ToWorker::Cancel(Cancel { lease, reason: CancelReason::JobCancelled }));
    assert_eq!((bench.ends(), bench.brain.rendering()), (vec![AttemptOutcome::Stopped], 0));
}

#[test]
fn a_stop_gives_leases_back_says_goodbye_and_is_over() {
    let mut bench = Bench::connected(Plan { frame: Millis(10_000), ..plan() });
    bench.offer(1, &[1]);
    bench.pass(Millis(100));
    bench.take(Input::Stop);
    assert!(bench.brain.is_over());
    assert_eq!(bench.ends(), [AttemptOutcome::Stopped]);
    assert!(matches!(bench.said.last(), Some(FromWorker::Goodbye { .. })));
}

#[test]
fn frames_of_an_earlier_life_are_delivered_and_their_lease_given_back() {
    let mut bench = Bench::connected(plan());
    let lease = LeaseRef { lease: LeaseId::from_u128(9), fence: 4 };
    let entry = Entry { lease, frame: 3, job: JobId::from_u128(1), size: 10 };
    bench.take(Input::Born(vec![entry]));
    assert_eq!((bench.uploads, bench.ends()), (1, vec![AttemptOutcome::Stopped]));
}

#[test]
fn who_is_refused_for_ever_stays_away() {
    let mut bench = Bench::new(plan());
    let (message, retry) = ("no".to_owned(), Retry::Never);
    bench.hear(ToWorker::Refused(Refusal { code: RefusalCode::UnknownWorker, message, retry }));
    assert!(bench.brain.is_over());
    assert!(bench.outputs.iter().any(|out| matches!(out, Output::Barred(_))));
}
