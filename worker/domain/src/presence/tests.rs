//! The whole table, and what must hold after any history.

use proptest::prelude::*;

use super::*;

const NOW: UnixMillis = UnixMillis(1_000_000);
const LATER: UnixMillis = UnixMillis(1_007_000);

fn dashboard() -> Pause {
    Pause { reason: PauseReason::Dashboard, until: None }
}

fn states() -> Vec<(&'static str, Presence)> {
    let with = |events: &[Event]| {
        events
            .iter()
            .fold(Presence::default(), |presence, event| presence.step(event.clone(), UnixMillis(0)).0)
    };
    vec![
        ("present", Presence::default()),
        ("paused", with(&[Event::UserPaused(Span::Open)])),
        ("paused, now over", with(&[Event::UserPaused(Span::Until(NOW))])),
        ("paused from the dashboard", with(&[Event::DashboardSaid(Some(dashboard()))])),
        ("no engine", with(&[Event::EngineMissing])),
        ("disk low", with(&[Event::DiskLow])),
        (
            "everything at once",
            with(&[
                Event::DiskLow,
                Event::EngineMissing,
                Event::DashboardSaid(Some(dashboard())),
                Event::UserPaused(Span::Until(LATER)),
            ]),
        ),
    ]
}

fn events() -> Vec<Event> {
    vec![
        Event::UserPaused(Span::Open),
        Event::UserPaused(Span::Until(LATER)),
        Event::UserResumed,
        Event::DashboardSaid(Some(dashboard())),
        Event::DashboardSaid(None),
        Event::DiskLow,
        Event::DiskFine,
        Event::EngineMissing,
        Event::EngineFound,
        Event::DeadlineDue,
    ]
}

#[test]
fn every_state_meets_every_event() {
    let mut table = String::new();
    for (name, state) in states() {
        for event in events() {
            let (next, effects) = state.clone().step(event.clone(), NOW);
            table.push_str(&format!("{name} | {event:?} | {:?} {effects:?}\n", next.pause()));
        }
    }
    insta::assert_snapshot!(table);
}

proptest! {
    /// What was written down last is what holds, what was announced last is what is shown, and no pause
    /// outlives its end.
    #[test]
    fn saved_and_announced_are_the_truth(
        history in proptest::collection::vec((0usize..10, 0i64..5_000), 0..100),
    ) {
        let (mut presence, mut now) = (Presence::default(), NOW);
        let (mut saved, mut announced) = (None, None);
        for (which, wait) in history {
            now = UnixMillis(now.0 + wait);
            let (next, effects) = presence.step(events().swap_remove(which), now);
            for effect in effects {
                match effect {
                    Effect::Save(span) => saved = span,
                    Effect::Announce(pause) => announced = pause,
                }
            }
            presence = next;
            prop_assert_eq!(saved, presence.user);
            prop_assert_eq!(&announced, &presence.pause());
            prop_assert!(presence.next_deadline().is_none_or(|(until, _)| until > now));
        }
    }
}
