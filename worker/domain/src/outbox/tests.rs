//! What an outbox does with each input, and what must hold after any history.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const NOW: Mono = Mono(1_000);

fn entry(lease: u128, frame: i32, job: u128) -> Entry {
    Entry {
        lease: LeaseRef { lease: LeaseId::from_u128(lease), fence: 1 },
        frame,
        job: JobId::from_u128(job),
        size: 10,
    }
}

fn key(lease: u128, frame: i32) -> Key {
    Key { lease: LeaseId::from_u128(lease), frame }
}

fn drained(outbox: &mut Outbox, now: Mono) -> Vec<Effect> {
    std::iter::from_fn(|| outbox.next_effect(now)).collect()
}

fn with(entries: &[Entry]) -> Outbox {
    let mut outbox = Outbox::default();
    entries.iter().for_each(|entry| outbox.on_spooled(entry.clone(), NOW));
    outbox.on_up(NOW);
    outbox
}

#[test]
fn every_end_has_its_consequence() {
    let ends = [
        Ended::Delivered,
        Ended::Superseded,
        Ended::Unavailable { retry_after: None, random: 0 },
        Ended::Unavailable { retry_after: Some(Millis(30_000)), random: 0 },
        Ended::Refused { text: "too large".into() },
        Ended::Unreadable { text: "checksum".into() },
    ];
    let mut table = String::new();
    for end in ends {
        let mut outbox = with(&[entry(1, 1, 1)]);
        assert_eq!(drained(&mut outbox, NOW), [Effect::Upload(key(1, 1))]);
        outbox.on_ended(key(1, 1), end.clone(), NOW);
        let effects = drained(&mut outbox, NOW);
        table.push_str(&format!(
            "{end:?} | {effects:?} | next {:?} | {:?}\n",
            outbox.next_deadline(),
            outbox.depth()
        ));
    }
    insta::assert_snapshot!(table.replace("_000000000000000000000000000000", "_"));
}

/// What is known of one frame, before the event.
fn situations() -> Vec<(&'static str, Outbox)> {
    let on_its_way = || {
        let mut outbox = with(&[entry(1, 1, 1)]);
        drained(&mut outbox, NOW);
        outbox
    };
    let mut waits = on_its_way();
    waits.on_ended(key(1, 1), Ended::Unavailable { retry_after: None, random: 0 }, NOW);
    let mut parked = on_its_way();
    parked.on_ended(key(1, 1), Ended::Refused { text: "too large".into() }, NOW);
    let mut cut = on_its_way();
    cut.on_down();
    let mut spooled_while_down = Outbox::default();
    spooled_while_down.on_spooled(entry(1, 1, 1), NOW);
    vec![
        ("empty, up", with(&[])),
        ("spooled, down", spooled_while_down),
        ("spooled, up", with(&[entry(1, 1, 1)])),
        ("on its way, up", on_its_way()),
        ("on its way, down", cut),
        ("waits to be tried again", waits),
        ("parked", parked),
    ]
}

#[test]
fn every_state_meets_every_event() {
    type Event = fn(&mut Outbox);
    let events: [(&str, Event); 10] = [
        ("up", |outbox| outbox.on_up(NOW)),
        ("down", Outbox::on_down),
        ("spooled again", |outbox| outbox.on_spooled(entry(1, 1, 1), NOW)),
        ("another spooled", |outbox| outbox.on_spooled(entry(1, 2, 1), NOW)),
        ("delivered", |outbox| outbox.on_ended(key(1, 1), Ended::Delivered, NOW)),
        ("superseded", |outbox| outbox.on_ended(key(1, 1), Ended::Superseded, NOW)),
        ("unavailable", |outbox| {
            outbox.on_ended(key(1, 1), Ended::Unavailable { retry_after: None, random: 0 }, NOW);
        }),
        ("refused", |outbox| outbox.on_ended(key(1, 1), Ended::Refused { text: "no".into() }, NOW)),
        ("unreadable", |outbox| outbox.on_ended(key(1, 1), Ended::Unreadable { text: "no".into() }, NOW)),
        ("lease dropped", |outbox| outbox.on_lease_dropped(LeaseId::from_u128(1))),
    ];
    let mut table = String::new();
    for (state, outbox) in situations() {
        for (name, event) in &events {
            let mut outbox = outbox.clone();
            event(&mut outbox);
            let effects = drained(&mut outbox, NOW);
            let (next, depth) = (outbox.next_deadline(), outbox.depth());
            table.push_str(&format!("{state} | {name} | {effects:?} | next {next:?} | {depth:?}\n"));
        }
    }
    insta::assert_snapshot!(table.replace("_000000000000000000000000000000", "_"));
}

#[test]
fn oldest_first_within_a_job_and_jobs_take_turns() {
    let mut outbox = with(&[entry(1, 1, 1), entry(1, 2, 1), entry(1, 3, 1), entry(2, 1, 2)]);
    assert_eq!(
        drained(&mut outbox, NOW),
        [Effect::Upload(key(1, 1)), Effect::Upload(key(2, 1)), Effect::Upload(key(1, 2))]
    );
}

#[test]
fn nothing_is_sent_while_the_cloud_is_away_and_all_at_once_when_it_is_back() {
    let mut outbox = with(&[entry(1, 1, 1)]);
    drained(&mut outbox, NOW);
    outbox.on_ended(key(1, 1), Ended::Unavailable { retry_after: Some(Millis(90_000)), random: 0 }, NOW);
    outbox.on_down();
    assert_eq!((drained(&mut outbox, Mono(500_000)), outbox.next_deadline()), (vec![], None));
    outbox.on_up(Mono(2_000));
    assert_eq!(drained(&mut outbox, Mono(2_000)), [Effect::Upload(key(1, 1))]);
}

#[test]
fn a_dropped_lease_takes_its_frames_along() {
    let mut outbox = with(&[entry(1, 1, 1), entry(2, 1, 1)]);
    drained(&mut outbox, NOW);
    outbox.on_lease_dropped(LeaseId::from_u128(1));
    let lease = entry(1, 1, 1).lease;
    assert_eq!(
        drained(&mut outbox, NOW),
        [Effect::Abort(key(1, 1)), Effect::Discard(key(1, 1)), Effect::LeaseEmptied(lease)]
    );
    outbox.on_ended(key(1, 1), Ended::Delivered, NOW);
    assert_eq!(drained(&mut outbox, NOW), []);
    assert_eq!(outbox.depth().frames, 1);
}

proptest! {
    /// Nothing is lost: each frame is in the set until its one Delete or Discard; the bound on uploads holds;
    /// whatever is in the set and not being sent has a deadline while the cloud is there.
    #[test]
    fn a_frame_leaves_once_and_never_waits_for_nothing(
        history in proptest::collection::vec((0u8..8, 1u128..4, 1i32..4, 0u64..5_000), 0..200),
    ) {
        let mut outbox = Outbox::default();
        let (mut now, mut present, mut sending) = (Mono(0), BTreeSet::new(), BTreeSet::new());
        let mut is_up = false;
        for (what, lease, frame, wait) in history {
            now = now.plus(Millis(wait));
            let key = key(lease, frame);
            let may_end = sending.contains(&key);
            match what {
                0 | 1 => { outbox.on_spooled(entry(lease, frame, lease % 2), now); present.insert(key); }
                2 => { outbox.on_up(now); is_up = true; }
                3 => { outbox.on_down(); is_up = false; }
                4 if may_end => { outbox.on_ended(key, Ended::Delivered, now); sending.remove(&key); }
                5 if may_end => {
                    let ended = Ended::Unavailable { retry_after: None, random: wait };
                    outbox.on_ended(key, ended, now);
                    sending.remove(&key);
                }
                6 if may_end => {
                    outbox.on_ended(key, Ended::Refused { text: "no".into() }, now);
                    sending.remove(&key);
                }
                7 => outbox.on_lease_dropped(key.lease),
                _ => {}
            }
            while let Some(effect) = outbox.next_effect(now) {
                match effect {
                    Effect::Upload(key) => prop_assert!(present.contains(&key) && sending.insert(key)),
                    Effect::Abort(key) => prop_assert!(sending.remove(&key)),
                    Effect::Delete(key) | Effect::Discard(key) => prop_assert!(present.remove(&key)),
                    Effect::LeaseEmptied(lease) => {
                        prop_assert!(present.iter().all(|key| key.lease != lease.lease));
                    }
                }
            }
            prop_assert!(sending.len() <= UPLOADS_MAX);
            prop_assert_eq!(outbox.depth().frames as usize, present.len());
            if is_up && present.len() > sending.len() {
                prop_assert!(outbox.next_deadline().is_some());
            }
        }
    }
}
