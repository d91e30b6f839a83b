//! Kept actors: panic, stop, stuck, a spent budget, factories that fail, and the ordered stop.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix::prelude::{Actor, ActorContext, AsyncContext, Context, Handler, Message, WrapFuture};
use pictor_actors::supervise::{
    BuildError, Door, DoorError, Gone, Keeping, LastEnd, Phase, RestartBudget, Shutdown, StopReason, keep,
};
use pictor_actors::testing::virtual_time;
use pictor_actors::units::Millis;

const SECOND: Millis = Millis::from_secs(1);

/// Counts; the truth is outside, in `stored`.
struct Counter {
    count: u32,
    lives: Rc<RefCell<Vec<&'static str>>>,
    block_on: Option<mpsc::Receiver<()>>,
}

impl Actor for Counter {
    type Context = Context<Self>;

    fn stopped(&mut self, _context: &mut Context<Self>) {
        self.lives.borrow_mut().push("stopped");
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.lives.borrow_mut().push("dropped");
    }
}

#[derive(Clone, Copy)]
enum Do {
    Add,
    Panic,
    Stop,
    Hang,
    Block,
}

impl Message for Do {
    type Result = u32;
}

impl Handler<Do> for Counter {
    type Result = u32;

    fn handle(&mut self, what: Do, context: &mut Context<Self>) -> u32 {
        match what {
            Do::Add => self.count += 1,
            Do::Panic => panic!("a fault in a handler, on purpose"),
            Do::Stop => context.stop(),
            Do::Hang => context.wait(std::future::pending::<()>().into_actor(self)),
            Do::Block => drop(self.block_on.as_ref().map(mpsc::Receiver::recv)),
        }
        self.count
    }
}

/// A world with a stored count, a shutdown and a door to a kept counter.
struct World {
    stored: Rc<Cell<u32>>,
    built: Rc<Cell<u32>>,
    lives: Rc<RefCell<Vec<&'static str>>>,
    shutdown: Shutdown,
    door: Door<Counter>,
}

fn keeping(restarts: u32) -> Keeping {
    let budget = RestartBudget { restarts, within: Millis::from_secs(60) };
    Keeping { name: "counter", budget, mailbox: 4, stuck_after: Some(Millis::from_secs(10)) }
}

/// `refusals`: what the factory answers at its first calls.
fn world(keeping: Keeping, refusals: Vec<BuildError>) -> World {
    let (stored, built, lives) = (Rc::new(Cell::new(100)), Rc::new(Cell::new(0)), Rc::default());
    let shutdown = Shutdown::new();
    let refusals = Rc::new(RefCell::new(refusals));
    let door = {
        let (stored, built, lives) = (Rc::clone(&stored), Rc::clone(&built), Rc::clone(&lives));
        keep(keeping, &shutdown, move || {
            let (stored, built, lives) = (Rc::clone(&stored), Rc::clone(&built), Rc::clone(&lives));
            let refusals = Rc::clone(&refusals);
            async move {
                tokio::task::yield_now().await;
                built.set(built.get() + 1);
                if refusals.borrow().is_empty() {
                    return Ok(Counter { count: stored.get(), lives, block_on: None });
                }
                Err(refusals.borrow_mut().remove(0))
            }
        })
    };
    World { stored, built, lives, shutdown, door }
}

fn assert_send_and_sync<T: Send + Sync + Clone>(_: &T) {}

#[test]
fn a_panic_rebuilds_from_what_is_stored_behind_the_same_door() {
    virtual_time(async {
        let world = world(keeping(5), vec![]);
        assert_send_and_sync(&world.door);
        assert_send_and_sync(&world.shutdown);
        assert_eq!(world.door.try_send(Do::Add), Err(DoorError::Restarting), "not built yet");
        assert_eq!(world.door.ask(Do::Add, SECOND).await, Ok(101));
        world.stored.set(200);
        assert_eq!(world.door.ask(Do::Panic, SECOND).await, Err(DoorError::Restarting));
        assert_eq!(world.door.ask(Do::Add, SECOND).await, Ok(201));
        let state = world.door.state();
        assert_eq!((state.restarts.panicked, state.restarts.stopped, state.is_open), (1, 0, true));
        assert_eq!(state.last_end, Some(LastEnd::Panicked));
        assert!(!world.shutdown.is_stopping());
    });
}

#[test]
fn a_stop_rebuilds_too_and_counts_apart() {
    virtual_time(async {
        let world = world(keeping(5), vec![]);
        world.stored.set(7);
        assert_eq!(world.door.ask(Do::Stop, SECOND).await, Ok(7));
        // The answer comes before the end: wait for the second life.
        while world.built.get() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.door.ask(Do::Add, SECOND).await, Ok(8));
        assert_eq!(world.door.state().restarts.stopped, 1);
        assert_eq!(*world.lives.borrow(), ["stopped", "dropped"]);
    });
}

#[test]
fn an_actor_that_no_longer_answers_is_dropped_and_rebuilt() {
    virtual_time(async {
        let world = world(keeping(5), vec![]);
        world.door.ask(Do::Hang, SECOND).await.unwrap();
        assert_eq!(world.door.ask(Do::Add, SECOND).await, Err(DoorError::TimedOut));
        let sent: Vec<_> = (0..9).map(|_| world.door.clone().try_send(Do::Add)).collect();
        assert_eq!(sent[3..], [Err(DoorError::Full); 6], "the question that timed out has its place still");
        let mut asked =
            futures_util::future::join_all((0..20).map(|_| world.door.ask(Do::Add, SECOND))).await;
        asked.dedup();
        assert_eq!(asked, [Err(DoorError::TimedOut)]);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(world.door.ask(Do::Add, SECOND).await, Ok(101));
        assert_eq!(world.door.state().restarts.stuck, 1);
        assert_eq!(*world.lives.borrow(), ["stopped", "dropped"]);
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(world.door.state().restarts.stuck, 1, "an idle actor answers");
    });
}

#[test]
fn a_spent_budget_stops_the_process_with_a_reason() {
    virtual_time(async {
        let world = world(keeping(2), vec![]);
        for _ in 0..3 {
            world.door.opened(SECOND).await.unwrap();
            assert_eq!(world.door.ask(Do::Panic, SECOND).await, Err(DoorError::Restarting));
        }
        world.shutdown.cancelled().await;
        let reason = world.shutdown.reason().unwrap();
        assert!(reason.is_failure());
        let words = "actor counter was given up: a handler panicked; more than 2 restarts within 60000 ms";
        assert_eq!(reason.to_string(), words);
        world.door.closed().await;
        assert_eq!(world.door.ask(Do::Add, SECOND).await, Err(DoorError::Closed));
        assert_eq!(world.built.get(), 3);
    });
}

#[test]
fn the_budget_of_a_part_that_is_spent_stops_the_whole() {
    virtual_time(async {
        let root = Shutdown::new();
        let part = root.child().child();
        let door: Door<Counter> = keep(keeping(0), &part, || async { Err("no such table".into()) });
        root.cancelled().await;
        assert!(root.reason().unwrap().to_string().contains("could not be built: no such table"));
        door.closed().await;
    });
}

#[test]
fn a_factory_that_fails_is_tried_again_later_and_later() {
    virtual_time(async {
        let world = world(keeping(5), vec!["the database is away".into(), "still away".into()]);
        let before = tokio::time::Instant::now();
        assert_eq!(
            world.door.ask(Do::Add, Millis::from_secs(5)).await,
            Ok(101),
            "asking waits for the build"
        );
        assert!(before.elapsed() >= Duration::from_millis(50 + 100), "half of 100 and of 200 ms at least");
        let state = world.door.state();
        assert_eq!(state.restarts.not_built, 2);
        assert_eq!(state.last_end, Some(LastEnd::NotBuilt("still away".to_owned())));
    });
}

#[test]
fn what_has_gone_closes_its_door_without_a_fault() {
    virtual_time(async {
        let world = world(keeping(0), vec![Box::new(Gone)]);
        world.door.closed().await;
        assert_eq!(world.door.opened(SECOND).await, Err(DoorError::Closed));
        assert_eq!(world.door.try_send(Do::Add), Err(DoorError::Closed));
        assert!(!world.shutdown.is_stopping());
    });
}

#[test]
fn a_closed_door_lets_its_actor_end_for_good() {
    virtual_time(async {
        let world = world(keeping(5), vec![]);
        world.door.opened(SECOND).await.unwrap();
        world.door.close();
        world.door.closed().await;
        assert_eq!(*world.lives.borrow(), ["stopped", "dropped"]);
        assert_eq!(world.built.get(), 1);
        assert!(!world.shutdown.is_stopping());
    });
}

#[test]
fn a_stop_goes_through_its_phases_in_order() {
    virtual_time(async {
        let world = world(keeping(5), vec![]);
        world.door.opened(SECOND).await.unwrap();
        let (root, order) = (world.shutdown.clone(), Rc::new(RefCell::new(Vec::new())));
        let request = root.hold(Phase::Draining, "request");
        let draining = {
            let (root, order, door) = (root.clone(), Rc::clone(&order), world.door.clone());
            async move {
                root.reached(Phase::Draining).await;
                assert_eq!(door.ask(Do::Add, SECOND).await, Ok(101), "actors work while others drain");
                order.borrow_mut().push("drained");
                drop(request);
            }
        };
        let closing = {
            let (root, order) = (root.clone(), Rc::clone(&order));
            async move {
                root.reached(Phase::Closing).await;
                order.borrow_mut().push("closing");
            }
        };
        root.begin(StopReason::Asked("a signal".to_owned()));
        assert!(!root.begin(StopReason::Failed("later".to_owned())), "the first reason stays");
        let (report, (), ()) = tokio::join!(root.conduct(SECOND, SECOND), draining, closing);
        assert_eq!(report.overdue, []);
        assert_eq!(*order.borrow(), ["drained", "closing"]);
        assert_eq!(*world.lives.borrow(), ["stopped", "dropped"], "the actor was stopped, not cut");
        assert_eq!(root.reason().unwrap().to_string(), "stopped by a signal");
    });
}

#[test]
fn what_does_not_let_go_is_named_and_not_waited_for() {
    virtual_time(async {
        let root = Shutdown::new();
        let _slow = root.child().hold(Phase::Draining, "upload");
        let _stays = root.hold(Phase::Closing, "store");
        root.begin(StopReason::Asked("a test".to_owned()));
        let before = tokio::time::Instant::now();
        let report = root.conduct(SECOND, SECOND).await;
        assert_eq!(report.overdue, [(Phase::Draining, "upload"), (Phase::Closing, "store")]);
        assert!(before.elapsed() < Duration::from_millis(2_100));
    });
}

#[test]
fn a_child_stops_with_its_parent_and_not_the_other_way() {
    let root = Shutdown::new();
    let (first, second) = (root.child(), root.child());
    let grandchild = first.child();
    first.cut(StopReason::Asked("its own end".to_owned()));
    assert_eq!(grandchild.phase(), Phase::Closing);
    assert!(!root.is_stopping() && !second.is_stopping());
    root.begin(StopReason::Asked("all".to_owned()));
    assert_eq!(second.phase(), Phase::Refusing);
    assert_eq!(root.child().phase(), Phase::Refusing, "born into a stop");
    assert_eq!(grandchild.reason(), Some(StopReason::Asked("its own end".to_owned())));
}

/// The only test by the real clock: the watching thread must see what a blocked runtime cannot.
#[test]
fn a_handler_that_holds_its_thread_is_named_and_spends_the_budget() {
    let shutdown = Shutdown::new();
    let (release, block_on) = mpsc::sync_channel(1);
    let (theirs, doors) = (shutdown.clone(), mpsc::sync_channel(1));
    let arbiter = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async move {
            let mut block_on = Some(block_on);
            let keeping = Keeping { stuck_after: Some(Millis(50)), ..keeping(1) };
            let door = keep(keeping, &theirs, move || {
                let counter = Counter { count: 0, lives: Rc::default(), block_on: block_on.take() };
                async move { Ok(counter) }
            });
            doors.0.send(door.clone()).unwrap();
            door.opened(SECOND).await.unwrap();
            door.try_send(Do::Block).unwrap();
            theirs.reached(Phase::Closing).await;
            door.closed().await;
        });
    });
    let door = Arc::new(doors.1.recv().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stopped =
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), shutdown.cancelled()).await });
    stopped.expect("the watching thread ends the process");
    assert!(shutdown.reason().unwrap().to_string().contains("it no longer answers"));
    assert!(door.state().restarts.stuck >= 2);
    release.send(()).unwrap();
    shutdown.cut(StopReason::Asked("the test".to_owned()));
    arbiter.join().unwrap();
}
