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
fn leases_are_safe_for_a_while_after_a_start() {
    let policy = HeartbeatPolicy::new(EVERY, Millis::from_secs(120));
    assert!(!policy.may_expire(Mono(10), Mono(120_009)));
    assert!(policy.may_expire(Mono(10), Mono(120_010)));
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
        let policy = HeartbeatPolicy::new(EVERY, Millis(0));
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
}
