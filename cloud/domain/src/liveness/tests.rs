use pictor_actors::now::Mono;
use proptest::prelude::*;

use super::*;
use crate::table::table;

const LIMITS: LivenessLimits =
    LivenessLimits { stale_after: Millis::from_secs(15), offline_after: Millis::from_secs(60) };
const EVERY: Millis = Millis::from_secs(5);

#[test]
fn silence_leads_from_online_over_stale_to_offline_and_a_sign_leads_back() {
    let mut worker = Liveness::never(LIMITS);
    assert_eq!((worker.connection(), worker.next_deadline()), (Connection::Never, None));
    assert!(worker.on_sign(Mono(1_000), EVERY));
    let stale = worker.next_deadline().unwrap();
    assert_eq!(stale, Deadline { at: Mono(16_000), reason: DeadlineReason::BecomesStale });
    assert!(!worker.on_deadline(Mono(15_999)));
    assert!(worker.on_deadline(stale.at));
    assert_eq!(worker.connection(), Connection::Stale);
    let offline = worker.next_deadline().unwrap();
    assert_eq!(offline, Deadline { at: Mono(61_000), reason: DeadlineReason::BecomesOffline });
    assert!(worker.on_deadline(offline.at));
    assert_eq!((worker.connection(), worker.next_deadline()), (Connection::Offline, None));
    assert!(worker.on_sign(Mono(99_000), EVERY));
    assert_eq!(worker.connection(), Connection::Online);
}

#[test]
fn a_goodbye_is_offline_at_once_until_the_next_sign() {
    let mut worker = Liveness::never(LIMITS);
    worker.on_sign(Mono(0), EVERY);
    assert!(worker.on_goodbye(Mono(1)));
    assert_eq!((worker.connection(), worker.next_deadline()), (Connection::Offline, None));
    assert!(worker.on_sign(Mono(2), EVERY));
    assert_eq!(worker.connection(), Connection::Online);
}

#[test]
fn without_a_socket_a_worker_is_at_best_stale() {
    let now = UnixMillis(1_000_000);
    assert_eq!(stored_connection(None, LIMITS, now), Connection::Never);
    assert_eq!(stored_connection(Some(now), LIMITS, now), Connection::Stale);
    assert_eq!(stored_connection(Some(UnixMillis(0)), LIMITS, now), Connection::Offline);
}

#[test]
fn a_lease_is_lost_after_half_a_frame_within_bounds() {
    let least = Millis::from_secs(60);
    for (frame, expected) in
        [(None, 60), (Some(1), 60), (Some(121), 60), (Some(600), 300), (Some(2_400), 600)]
    {
        let after = lost_after(frame.map(Millis::from_secs), least);
        assert_eq!(after.0 / 1_000, expected, "{frame:?} s");
    }
    assert_eq!(lost_after(Some(Millis::from_secs(9_000)), Millis::from_secs(900)), Millis::from_secs(900));
}

fn census(online: usize, silent: &[u64]) -> Census {
    Census { online, silent: silent.iter().copied().map(Millis::from_secs).collect() }
}

#[test]
fn the_brake_of_each_moment() {
    let brake = Brake::new(Millis::from_secs(120), Mono(0));
    let mut away = brake.clone();
    away.was_away("the database was away", Mono(500_000));
    let states = [
        ("just started", (brake.clone(), Mono(119_999))),
        ("started a while ago", (brake.clone(), Mono(120_000))),
        ("was away", (away.clone(), Mono(619_999))),
        ("was away a while ago", (away, Mono(620_000))),
    ];
    let together: Vec<u64> = (20..75).collect();
    let events = [
        ("nobody there", census(0, &[])),
        ("all there", census(100, &[])),
        ("56 of 100 silent within a minute", census(44, &[&together[..], &[20]].concat())),
        ("55 of 100 silent within a minute", census(45, &together)),
        ("56 of 100 silent within longer", census(44, &[&together[..], &[80]].concat())),
        ("the only one silent", census(0, &[20])),
        ("1 of 2 silent", census(1, &[20])),
        ("the only one silent for 10 minutes", census(0, &[600])),
        ("all silent, most of them for hours", census(0, &[20, 7_000, 7_000, 7_000])),
    ];
    insta::assert_snapshot!(table(&states, &events, |(brake, now), census| {
        brake.holds(census, *now).map_or_else(|| "leases may be taken".to_owned(), |hold| hold.to_string())
    }));
}

#[test]
fn the_whole_table() {
    let after = |silence: u64| {
        let mut worker = Liveness::never(LIMITS);
        worker.on_sign(Mono(100_000 - silence), EVERY);
        worker.on_deadline(Mono(100_000));
        worker
    };
    let mut left = after(1_000);
    left.on_goodbye(Mono(100_000));
    let states = [
        ("never", Liveness::never(LIMITS)),
        ("online", after(1_000)),
        ("stale", after(20_000)),
        ("offline", after(60_000)),
        ("offline, said goodbye", left),
    ];
    type Event = fn(&mut Liveness) -> bool;
    let events: [(&str, Event); 6] = [
        ("sign of life", |worker| worker.on_sign(Mono(100_000), EVERY)),
        ("sign of life, next in a minute", |worker| worker.on_sign(Mono(100_000), Millis(60_000))),
        ("goodbye", |worker| worker.on_goodbye(Mono(100_000))),
        ("deadline, at once", |worker| worker.on_deadline(Mono(100_000))),
        ("deadline, 15 s later", |worker| worker.on_deadline(Mono(115_000))),
        ("deadline, 60 s later", |worker| worker.on_deadline(Mono(160_000))),
    ];
    insta::assert_snapshot!(table(&states, &events, |worker, event| {
        let mut worker = worker.clone();
        let changed = if event(&mut worker) { "changed" } else { "as before" };
        format!("{} ({changed}), next {:?}", worker.connection(), worker.next_deadline())
    }));
}

proptest! {
    #[test]
    fn the_rate_of_all_workers_is_bounded_and_stale_means_three_missed(
        workers in 1usize..2_000_000,
        random: u64,
    ) {
        let policy = HeartbeatPolicy::new(EVERY);
        let next = policy.next_after(workers, random);
        prop_assert!(workers as u64 * 1_000 <= RATE_MAX_PER_SECOND * next.0, "{workers} every {next:?}");
        prop_assert!(next >= EVERY && next.0 <= policy.interval(workers).0 * 6 / 5);
        let limits = LIMITS.for_interval(next);
        prop_assert!(limits.stale_after.0 >= 3 * next.0 && limits.offline_after > limits.stale_after);
    }

    #[test]
    fn a_deadline_always_lies_ahead_and_each_change_is_told_once(
        steps in prop::collection::vec((0u64..40_000, 0u8..3), 1..40),
    ) {
        let mut worker = Liveness::never(LIMITS);
        let mut now = Mono(0);
        for (wait, what) in steps {
            now = now.plus(Millis(wait));
            let before = worker.connection();
            let changed = match what {
                0 => worker.on_sign(now, EVERY),
                1 => worker.on_goodbye(now),
                _ => worker.on_deadline(now),
            };
            prop_assert_eq!(changed, before != worker.connection());
            prop_assert!(worker.next_deadline().is_none_or(|deadline| deadline.at > now));
        }
    }

    #[test]
    fn a_storm_is_one_whatever_the_order_and_more_workers_that_are_there_never_make_one(
        online in 0usize..40,
        silent in prop::collection::vec(15u64..900, 0..40),
        more in 1usize..20,
    ) {
        let here = census(online, &silent);
        let mut turned = here.clone();
        turned.silent.reverse();
        prop_assert_eq!(here.storm(), turned.storm());
        if here.storm().is_none() {
            prop_assert_eq!(census(online + more, &silent).storm(), None);
        }
        if let Some(Hold::Storm { silent, of }) = here.storm() {
            prop_assert!(silent * 100 > of * STORM_PERCENT && silent <= of);
        }
    }
}
