//! The whole table, histories that matter, and what must hold after any history.

use proptest::prelude::*;

use pictor_actors::ids::LeaseId;

use super::*;

const NOW: Mono = Mono(100_000);

fn lease(number: u128) -> LeaseRef {
    LeaseRef { lease: LeaseId::from_u128(number), fence: 1 }
}

fn job(number: u128) -> JobId {
    JobId::from_u128(number)
}

fn offer(number: u128, of_job: u128, frames: &[i32]) -> Event {
    Event::Offered { lease: lease(number), job: job(of_job), frames: frames.to_vec() }
}

fn after(history: &[Event]) -> Slot {
    history.iter().fold(Slot::default(), |slot, event| {
        let (slot, _) = slot.step(event.clone(), NOW).unwrap();
        slot.holds().unwrap();
        slot
    })
}

fn spooled(number: u128, frame: i32) -> Event {
    Event::FrameSpooled { lease: lease(number), frame }
}

fn states() -> Vec<(&'static str, Slot)> {
    let ready = Event::InputsReady { lease: lease(1) };
    let begun = [offer(1, 1, &[1, 2]), ready.clone(), Event::EngineReady];
    let last = [offer(1, 1, &[1]), ready.clone(), Event::EngineReady, Event::FrameWritten { frame: 1 }];
    let with = |history: &[Event], more: &[Event]| after(&[history, more].concat());
    let cancel = Event::Cancelled { lease: lease(1), reason: CancelReason::JobCancelled };
    let broken = Event::EngineFailed { class: FailureClass::Crash, message: "gone".into(), frame: None };
    vec![
        ("idle", Slot::default()),
        ("idle, warm", with(&last, &[spooled(1, 1)])),
        ("fetching", after(&[offer(1, 1, &[1, 2])])),
        ("fetching, warm", with(&last, &[spooled(1, 1), offer(2, 2, &[1])])),
        ("loading", after(&[offer(1, 1, &[1, 2]), ready.clone()])),
        ("loading, one ahead", after(&[offer(1, 1, &[1, 2]), ready, offer(2, 1, &[3])])),
        ("rendering", after(&begun)),
        ("rendering, one ahead", with(&begun, &[offer(2, 1, &[3]), Event::InputsReady { lease: lease(2) }])),
        ("keeping the last frame", after(&last)),
        ("stopping", with(&begun, std::slice::from_ref(&cancel))),
        ("stopping, one ahead", with(&begun, &[offer(2, 1, &[3]), cancel])),
        ("stopping, fetching", with(&last, &[spooled(1, 1), offer(1, 2, &[1]), broken])),
        ("closing", with(&begun, &[Event::StopAsked])),
        ("closed", after(&[Event::StopAsked])),
    ]
}

fn events() -> Vec<Event> {
    let failed = (FailureClass::InputsUnavailable, "gone".to_owned());
    vec![
        offer(1, 1, &[1, 2]),
        offer(3, 2, &[9]),
        offer(4, 2, &[]),
        Event::InputsReady { lease: lease(1) },
        Event::InputsReady { lease: lease(2) },
        Event::InputsFailed { lease: lease(1), class: failed.0, message: failed.1 },
        Event::EngineReady,
        Event::EngineWorn,
        Event::FrameWritten { frame: 1 },
        spooled(1, 1),
        Event::FrameNotSpooled {
            lease: lease(1),
            frame: 1,
            class: FailureClass::DiskFull,
            message: "full".into(),
        },
        Event::EngineFailed { class: FailureClass::NoCamera, message: "none".into(), frame: None },
        Event::EngineExited,
        Event::Cancelled { lease: lease(1), reason: CancelReason::JobCancelled },
        Event::Cancelled { lease: lease(1), reason: CancelReason::JobPaused },
        Event::Cancelled { lease: lease(2), reason: CancelReason::Superseded },
        Event::StopAsked,
        Event::DeadlineDue,
    ]
}

#[test]
fn every_state_meets_every_event() {
    let mut table = String::new();
    for (name, state) in states() {
        for event in events() {
            let cell = match state.clone().step(event.clone(), NOW) {
                Ok((next, effects)) => {
                    next.holds().unwrap();
                    format!("{} {:?} {effects:?}", next.phase.word(), next.engine)
                }
                Err(refused) => format!("refused: {refused}"),
            };
            table.push_str(&format!("{name} | {event:?} | {cell}\n"));
        }
    }
    insta::assert_snapshot!(short_ids(&table));
}

/// Only the end of an id differs here; the zeroes before it make the table unreadable.
fn short_ids(table: &str) -> String {
    table.replace("_000000000000000000000000000000", "_")
}

#[test]
fn the_next_task_of_the_same_job_starts_without_a_new_engine() {
    let slot = after(&[
        offer(1, 1, &[1]),
        Event::InputsReady { lease: lease(1) },
        Event::EngineReady,
        offer(2, 1, &[2]),
        Event::InputsReady { lease: lease(2) },
        Event::FrameWritten { frame: 1 },
    ]);
    let (_, effects) = slot.step(spooled(1, 1), NOW).unwrap();
    assert_eq!(
        effects,
        [
            Effect::ReportEnded(lease(1), AttemptOutcome::Rendered),
            Effect::ReleaseInputs(lease(1)),
            Effect::ReportStarted(lease(2)),
            Effect::RenderFrame { lease: lease(2), frame: 2 },
        ]
    );
}

#[test]
fn another_job_gets_an_engine_of_its_own() {
    let mut slot = after(&[
        offer(1, 1, &[1]),
        Event::InputsReady { lease: lease(1) },
        Event::EngineReady,
        offer(2, 2, &[2]),
        Event::InputsReady { lease: lease(2) },
        Event::FrameWritten { frame: 1 },
    ]);
    let mut effects;
    (slot, effects) = slot.step(spooled(1, 1), NOW).unwrap();
    assert_eq!(effects.last(), Some(&Effect::KillEngine));
    (slot, effects) = slot.step(Event::EngineExited, NOW).unwrap();
    assert_eq!(effects, [Effect::StartEngine(lease(2))]);
    assert_eq!(slot.wire_phase(), SlotPhase::Loading);
}

#[test]
fn a_long_task_changes_its_process_between_frames() {
    let count = i32::try_from(FRAMES_PER_PROCESS_MAX).unwrap() + 1;
    let frames: Vec<i32> = (1..=count).collect();
    let mut slot = after(&[offer(1, 1, &frames), Event::InputsReady { lease: lease(1) }, Event::EngineReady]);
    let mut starts = 0;
    for frame in frames {
        if slot.wire_phase() == SlotPhase::Stopping {
            let (loading, effects) = slot.step(Event::EngineExited, NOW).unwrap();
            assert_eq!(effects, [Effect::StartEngine(lease(1))]);
            starts += 1;
            slot = loading.step(Event::EngineReady, NOW).unwrap().0;
        }
        assert_eq!(slot.work().unwrap().in_hand, Some(frame));
        slot = slot.step(Event::FrameWritten { frame }, NOW).unwrap().0;
        slot = slot.step(spooled(1, frame), NOW).unwrap().0;
    }
    assert_eq!((starts, slot.wire_phase()), (1, SlotPhase::Idle));
}

#[test]
fn a_worn_process_is_changed_before_the_next_frame_and_no_frame_is_lost() {
    let slot = after(&[
        offer(1, 1, &[1, 2]),
        Event::InputsReady { lease: lease(1) },
        Event::EngineReady,
        Event::EngineWorn,
    ]);
    assert_eq!(slot.work().unwrap().in_hand, Some(1), "its frame is finished first");
    let (slot, effects) = slot.step(Event::FrameWritten { frame: 1 }, NOW).unwrap();
    assert_eq!(effects, [Effect::SpoolFrame { lease: lease(1), frame: 1 }, Effect::KillEngine]);
    let (slot, _) = slot.step(spooled(1, 1), NOW).unwrap();
    let (slot, effects) = slot.step(Event::EngineExited, NOW).unwrap();
    assert_eq!(effects, [Effect::StartEngine(lease(1))]);
    let (slot, effects) = slot.step(Event::EngineReady, NOW).unwrap();
    assert_eq!(effects, [Effect::RenderFrame { lease: lease(1), frame: 2 }], "the attempt began long ago");
    let (slot, _) = slot.step(Event::FrameWritten { frame: 2 }, NOW).unwrap();
    let (_, effects) = slot.step(spooled(1, 2), NOW).unwrap();
    assert_eq!(effects[0], Effect::ReportEnded(lease(1), AttemptOutcome::Rendered));
}

#[test]
fn a_paused_job_keeps_its_frame_in_hand() {
    let slot = after(&[
        offer(1, 1, &[1, 2]),
        Event::InputsReady { lease: lease(1) },
        Event::EngineReady,
        Event::Cancelled { lease: lease(1), reason: CancelReason::JobPaused },
        Event::FrameWritten { frame: 1 },
    ]);
    let (slot, effects) = slot.step(spooled(1, 1), NOW).unwrap();
    assert_eq!(effects[0], Effect::ReportEnded(lease(1), AttemptOutcome::Stopped));
    assert!(
        matches!(slot.phase, Phase::Idle { warm_until: Some(_) }),
        "the engine stays for what comes next"
    );
}

#[test]
fn a_warm_engine_is_let_go_in_time() {
    let mut slot = states().swap_remove(1).1;
    let (deadline, why) = slot.next_deadline().unwrap();
    assert_eq!((deadline, why), (NOW.plus(WARM_FOR), "let the warm engine go"));
    let mut effects;
    (slot, effects) = slot.step(Event::DeadlineDue, deadline).unwrap();
    assert_eq!(effects, [Effect::KillEngine]);
    let gone_at = slot.next_deadline().unwrap().0;
    (slot, effects) = slot.step(Event::DeadlineDue, gone_at).unwrap();
    assert!(
        effects.is_empty() && slot.engine == Engine::Absent,
        "a process that hides its end holds up nothing"
    );
}

#[test]
fn a_fetch_that_fails_while_an_engine_goes_ends_its_lease() {
    let warm = states().swap_remove(1).1;
    let lost = Event::InputsFailed {
        lease: lease(2),
        class: FailureClass::InputsUnavailable,
        message: "gone".into(),
    };
    let failed = Event::EngineFailed { class: FailureClass::Crash, message: "gone".into(), frame: None };
    let (slot, _) = warm.step(offer(2, 2, &[1]), NOW).unwrap();
    let (slot, _) = slot.step(failed, NOW).unwrap();
    let (slot, effects) = slot.step(lost, NOW).unwrap();
    assert!(
        matches!(effects[..], [Effect::ReportEnded(..), Effect::ReleaseInputs(_)]) && slot.work().is_none()
    );
    let (slot, _) = slot.step(Event::EngineExited, NOW).unwrap();
    assert_eq!(slot, Slot::default());
}

/// What goes on around a slot: it does what the slot wants, and every bit of it ends in one way or another.
#[derive(Default)]
struct Around {
    slot: Slot,
    now: Mono,
    fetching: BTreeSet<LeaseRef>,
    spooling: BTreeSet<(LeaseRef, i32)>,
    rendering: Option<i32>,
}

impl Around {
    /// What may happen next; what goes well stands there more often.
    fn possible(&self) -> Vec<Event> {
        let message = || "gone".to_owned();
        let class = FailureClass::InputsUnavailable;
        let mut events = Vec::new();
        for &lease in &self.fetching {
            events.push(Event::InputsReady { lease });
            events.push(Event::InputsFailed { lease, class, message: message() });
        }
        for &(lease, frame) in &self.spooling {
            events.extend([(); 4].map(|()| Event::FrameSpooled { lease, frame }));
            events.push(Event::FrameNotSpooled { lease, frame, class, message: message() });
        }
        if self.slot.engine != Engine::Absent {
            events.push(Event::EngineFailed { class, message: message(), frame: None });
            events.push(Event::EngineExited);
        }
        if self.slot.engine == Engine::Starting && !matches!(self.slot.phase, Phase::Stopping { .. }) {
            events.extend([(); 4].map(|()| Event::EngineReady));
        }
        if let Some(frame) = self.rendering {
            events.extend([(); 6].map(|()| Event::FrameWritten { frame }));
        }
        events.extend(self.slot.next_deadline().map(|_| Event::DeadlineDue));
        events
    }

    fn happens(&mut self, event: Event) {
        match &event {
            Event::InputsReady { lease } | Event::InputsFailed { lease, .. } => {
                self.fetching.remove(lease);
            }
            Event::FrameSpooled { lease, frame } | Event::FrameNotSpooled { lease, frame, .. } => {
                self.spooling.remove(&(*lease, *frame));
            }
            Event::DeadlineDue => self.now = self.slot.next_deadline().map_or(self.now, |(at, _)| at),
            Event::Offered { .. }
            | Event::EngineReady
            | Event::FrameWritten { .. }
            | Event::EngineWorn
            | Event::EngineFailed { .. }
            | Event::EngineExited
            | Event::Cancelled { .. }
            | Event::StopAsked => {}
        }
        let Ok((slot, effects)) = self.slot.clone().step(event, self.now) else { return };
        self.slot = slot;
        self.rendering = self.slot.work().and_then(|work| work.in_hand);
        for effect in effects {
            match effect {
                Effect::FetchInputs(lease) => drop(self.fetching.insert(lease)),
                Effect::ReleaseInputs(lease) => drop(self.fetching.remove(&lease)),
                Effect::SpoolFrame { lease, frame } => drop(self.spooling.insert((lease, frame))),
                Effect::Accept(_)
                | Effect::Decline(..)
                | Effect::StartEngine(_)
                | Effect::KillEngine
                | Effect::RenderFrame { .. }
                | Effect::ReportStarted(_)
                | Effect::ReportEnded(..)
                | Effect::Closed => {}
            }
        }
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let small = 1u128..5;
    prop_oneof![
        (small.clone(), 1u128..3, proptest::collection::vec(1i32..6, 0..4))
            .prop_map(|(number, of_job, frames)| offer(number, of_job, &frames)),
        small.clone().prop_map(|number| Event::InputsReady { lease: lease(number) }),
        small.clone().prop_map(|number| Event::InputsReady { lease: lease(number) }),
        Just(Event::EngineReady),
        Just(Event::EngineReady),
        (1i32..6).prop_map(|frame| Event::FrameWritten { frame }),
        (small.clone(), 1i32..6).prop_map(|(number, frame)| spooled(number, frame)),
        Just(Event::EngineExited),
        (0usize..18).prop_map(|which| events().swap_remove(which)),
        small.prop_map(|number| Event::Cancelled { lease: lease(number), reason: CancelReason::Superseded }),
        Just(Event::DeadlineDue),
    ]
}

proptest! {
    /// Whatever the order in which fetches, engines and the spool come to their ends, no lease stays.
    #[test]
    fn no_lease_stays_when_nothing_goes_on_any_more(
        history in proptest::collection::vec((0u128..60, 0usize..64), 0..300),
        ends in proptest::collection::vec(0usize..64, 400),
    ) {
        let mut around = Around::default();
        for (number, which) in history {
            let events = around.possible();
            if number < 20 || events.is_empty() {
                around.happens(offer(number, number % 2, &[1]));
            } else {
                around.happens(events[which % events.len()].clone());
            }
        }
        for which in ends {
            let events = around.possible();
            if !events.is_empty() {
                around.happens(events[which % events.len()].clone());
            }
        }
        prop_assert_eq!(around.slot.leases(), Vec::new(), "{:?}", around.slot);
    }

    /// A lease that was accepted is ended exactly once before it may be accepted anew, and a stopped slot
    /// holds none.
    #[test]
    fn every_accepted_lease_ends_once(
        history in proptest::collection::vec((any_event(), 0u64..20_000), 0..300),
    ) {
        let (mut slot, mut now) = (Slot::default(), Mono(0));
        let mut open = BTreeSet::new();
        let mut play = |slot: &mut Slot, event: Event, now: Mono| -> Result<(), TestCaseError> {
            let Ok((next, effects)) = slot.clone().step(event, now) else { return Ok(()) };
            for effect in effects {
                match effect {
                    Effect::Accept(lease) => { open.insert(lease); }
                    Effect::ReportEnded(lease, _) => {
                        prop_assert!(open.remove(&lease), "ended twice: {lease:?}")
                    }
                    Effect::RenderFrame { lease, .. } | Effect::StartEngine(lease)
                    | Effect::SpoolFrame { lease, .. } | Effect::FetchInputs(lease)
                    | Effect::ReportStarted(lease) => prop_assert!(open.contains(&lease)),
                    Effect::Decline(..) | Effect::ReleaseInputs(_) | Effect::KillEngine | Effect::Closed => {}
                }
            }
            prop_assert_eq!(next.holds(), Ok(()));
            prop_assert_eq!(next.leases().into_iter().collect::<BTreeSet<_>>(), open.clone());
            *slot = next;
            Ok(())
        };
        for (event, wait) in history {
            now = now.plus(Millis(wait));
            play(&mut slot, event, now)?;
        }
        play(&mut slot, Event::StopAsked, now)?;
        play(&mut slot, Event::EngineExited, now)?;
        prop_assert!(matches!(slot.phase, Phase::Closed), "{slot:?}");
    }
}
