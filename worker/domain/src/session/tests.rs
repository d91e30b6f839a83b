//! The whole table, and what must hold after any history.

use proptest::prelude::*;

use super::*;

const NOW: Mono = Mono(100_000);

fn pulse() -> Pulse {
    Pulse {
        seq: 3,
        interval: Millis(5_000),
        last_at: Mono(95_000),
        next_at: NOW,
        unanswered_since: Some(Mono(95_000)),
    }
}

fn at(phase: Phase) -> Session {
    Session { phase, backoff: Backoff::new(RECONNECT_FIRST, RECONNECT_MAX) }
}

fn states() -> Vec<(&'static str, Session)> {
    let silent = Pulse { unanswered_since: Some(Mono(80_000)), ..pulse() };
    vec![
        ("disconnected, due", at(Phase::Disconnected { retry_at: NOW })),
        ("disconnected, waiting", at(Phase::Disconnected { retry_at: Mono(160_000) })),
        ("greeting", at(Phase::Greeting { deadline: Mono(110_000) })),
        ("greeting, too long", at(Phase::Greeting { deadline: NOW })),
        ("ready", at(Phase::Ready(pulse()))),
        ("ready, cloud silent", at(Phase::Ready(silent))),
        ("draining", at(Phase::Draining { pulse: pulse(), deadline: Mono(104_000) })),
        ("draining, time over", at(Phase::Draining { pulse: pulse(), deadline: NOW })),
        ("barred", at(Phase::Barred)),
        ("ended", at(Phase::Ended)),
    ]
}

fn events() -> Vec<Event> {
    vec![
        Event::Challenged,
        Event::Welcomed { heartbeat_after: Millis(5_000) },
        Event::RefusedBy { retry: Retry::Never, random: 0 },
        Event::RefusedBy { retry: Retry::After { ms: 10_000 }, random: 0 },
        Event::ByeSaid { retry_after: Millis(2_000) },
        Event::SocketLost { random: 0 },
        Event::Acked { seq: 3, next_after: Millis(7_000) },
        Event::Acked { seq: 9, next_after: Millis(7_000) },
        Event::NewsCame,
        Event::DrainAsked,
        Event::Drained,
        Event::DeadlineDue { random: 0 },
    ]
}

#[test]
fn every_state_meets_every_event() {
    let mut table = String::new();
    for (name, state) in states() {
        for event in events() {
            let cell = match state.clone().step(event.clone(), NOW) {
                Ok((next, effects)) => format!("{:?} {effects:?}", next.phase),
                Err(refused) => format!("refused: {refused}"),
            };
            table.push_str(&format!("{name} | {event:?} | {cell}\n"));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_silent_cloud_is_left_and_found_again() {
    let mut session = Session::new(Mono(0));
    let mut sent = Vec::new();
    let mut now = Mono(0);
    let feed = |session: &mut Session, event, now| {
        let (next, effects) = session.clone().step(event, now).unwrap();
        *session = next;
        effects
    };
    assert_eq!(feed(&mut session, Event::DeadlineDue { random: 7 }, now), [Effect::OpenSocket]);
    assert_eq!(feed(&mut session, Event::Challenged, now), [Effect::SendHello]);
    feed(&mut session, Event::Welcomed { heartbeat_after: Millis(1_000) }, now);
    while session.is_up() {
        now = session.next_deadline().unwrap().0;
        sent.extend(feed(&mut session, Event::DeadlineDue { random: 7 }, now));
    }
    assert_eq!(now, Mono(16_000), "first heartbeat at 1 s, then 15 s of silence");
    assert_eq!(sent[sent.len() - 2..], [Effect::CloseSocket, Effect::AnnounceDown]);
    let retry_at = session.next_deadline().unwrap().0;
    assert_eq!(feed(&mut session, Event::DeadlineDue { random: 7 }, retry_at), [Effect::OpenSocket]);
}

fn any_event() -> impl Strategy<Value = Event> {
    (0usize..12, any::<u64>(), 0u64..100_000).prop_map(|(which, random, ms)| {
        match events().swap_remove(which) {
            Event::Welcomed { .. } => Event::Welcomed { heartbeat_after: Millis(ms) },
            Event::ByeSaid { .. } => Event::ByeSaid { retry_after: Millis(ms) },
            Event::SocketLost { .. } => Event::SocketLost { random },
            Event::DeadlineDue { .. } => Event::DeadlineDue { random },
            other @ (Event::Challenged
            | Event::RefusedBy { .. }
            | Event::Acked { .. }
            | Event::NewsCame
            | Event::DrainAsked
            | Event::Drained) => other,
        }
    })
}

proptest! {
    /// Up is announced before down and never twice; a living session always waits for something; seq strictly
    /// rises.
    #[test]
    fn announcements_alternate_and_nothing_waits_without_a_deadline(
        history in proptest::collection::vec((any_event(), 0u64..30_000), 0..200),
    ) {
        let mut session = Session::new(Mono(0));
        let (mut now, mut up, mut last_seq) = (Mono(0), false, 0);
        for (event, after) in history {
            now = now.plus(Millis(after));
            let Ok((next, effects)) = session.clone().step(event, now) else { continue };
            for effect in effects {
                match effect {
                    Effect::AnnounceUp => { prop_assert!(!up); up = true; last_seq = 0; }
                    Effect::AnnounceDown => { prop_assert!(up); up = false; }
                    Effect::SendHeartbeat { seq } => {
                        prop_assert!(up && seq == last_seq + 1);
                        last_seq = seq;
                    }
                    Effect::OpenSocket | Effect::SendHello | Effect::SendGoodbye
                    | Effect::CloseSocket | Effect::Finish => {}
                }
            }
            session = next;
            prop_assert_eq!(session.is_up(), up);
            let is_over = matches!(session.phase, Phase::Barred | Phase::Ended);
            prop_assert_eq!(session.next_deadline().is_none(), is_over);
        }
    }
}
