//! Periodic activation and the debounce glue, in virtual time.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::RefCell;
use std::rc::Rc;

use actix::prelude::{Actor, Context, Handler, Message};
use pictor_actors::debounce::{Debounce, debounced};
use pictor_actors::now::Clock;
use pictor_actors::periodic::{Activation, Periodic};
use pictor_actors::supervise::{Shutdown, StopReason};
use pictor_actors::testing::{FaultPlan, ManualClock, Probe, VirtualClock, virtual_time};
use pictor_actors::units::{Millis, UnixMillis};

#[test]
fn a_periodic_runs_by_timer_and_at_once_when_nudged() {
    virtual_time(async {
        let clock = VirtualClock::starting_at(UnixMillis(0));
        let (periodic, nudge) = Periodic::new(Millis::from_secs(10));
        let (shutdown, seen) = (Shutdown::new(), Rc::new(RefCell::new(Vec::new())));
        let act = {
            let (shutdown, seen, nudge) = (shutdown.clone(), Rc::clone(&seen), nudge.clone());
            move |activation| {
                seen.borrow_mut().push((activation, clock.passed().0));
                if seen.borrow().len() == 2 {
                    nudge.nudge();
                    nudge.nudge();
                }
                if seen.borrow().len() == 4 {
                    shutdown.begin(StopReason::Asked("the test".to_owned()));
                }
                std::future::ready(())
            }
        };
        periodic.run("ticks", shutdown, || Millis(500), act).await;
        let (timer, nudged) = (Activation::Timer, Activation::Nudged);
        let expected = [(timer, 10_500), (timer, 21_000), (nudged, 21_000), (timer, 31_500)];
        assert_eq!(*seen.borrow(), expected, "two nudges are one");
    });
}

/// Acts at most once a second.
struct Calm {
    debounce: Debounce,
    clock: VirtualClock,
    acted_at: Rc<RefCell<Vec<u64>>>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Wake;

impl Actor for Calm {
    type Context = Context<Self>;
}

impl Handler<Wake> for Calm {
    type Result = ();

    fn handle(&mut self, _: Wake, context: &mut Context<Self>) {
        let now = self.clock.now().mono;
        let act =
            |calm: &mut Self, _: &mut Context<Self>| calm.acted_at.borrow_mut().push(calm.clock.passed().0);
        debounced(self, context, now, |calm| &mut calm.debounce, act);
    }
}

#[test]
fn a_burst_acts_at_its_begin_and_once_after_the_cool_down() {
    virtual_time(async {
        let (clock, acted_at) = (VirtualClock::starting_at(UnixMillis(0)), Rc::default());
        let debounce = Debounce::new(Millis::from_secs(1));
        let calm = Calm { debounce, clock, acted_at: Rc::clone(&acted_at) }.start();
        for _ in 0..50 {
            calm.send(Wake).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        calm.send(Wake).await.unwrap();
        assert_eq!(acted_at.borrow().len(), 3, "{acted_at:?}");
        assert!(acted_at.borrow().windows(2).all(|two| two[1] - two[0] >= 1_000), "{acted_at:?}");
    });
}

#[test]
fn the_helpers_do_what_tests_trust_them_with() {
    let clock = ManualClock::at(UnixMillis(1_000));
    let before = clock.now();
    clock.advance(Millis(50));
    clock.set_wall(UnixMillis(0));
    assert_eq!((clock.now().elapsed(before.mono), clock.now().wall), (Millis(50), UnixMillis(0)));

    let faults = FaultPlan::none();
    faults.fail("commit", 2, "disk full");
    let answers = [faults.at("commit"), faults.at("read"), faults.at("commit"), faults.at("commit")];
    assert_eq!(answers, [None, None, Some("disk full"), None]);
    assert!(faults.unused().is_empty() && faults.calls("commit") == 3);

    virtual_time(async {
        #[derive(Message)]
        #[rtype(result = "()")]
        struct Said(u8);
        let (probe, address) = Probe::<Said>::start();
        for number in 0..3 {
            address.try_send(Said(number)).unwrap();
        }
        let heard: Vec<u8> =
            probe.wait_for(3, Millis::from_secs(1)).await.into_iter().map(|said| said.0).collect();
        assert_eq!(heard, [0, 1, 2]);
        assert!(probe.take().is_empty());
    });
}
