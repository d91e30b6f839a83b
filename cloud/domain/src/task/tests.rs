use std::collections::BTreeSet;

use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::FailureClass;
use pictor_actors::units::{Millis, UnixMillis};
use proptest::prelude::*;

use super::machine::holds;
use super::retry::LOST_MAX;
use super::*;
use crate::lease::Outcome;
use crate::table::table;

const NOW: UnixMillis = UnixMillis(9);

fn task(state: TaskState, is_leased: bool) -> Task {
    let frames_done = if state == TaskState::Completed { 2 } else { 0 };
    let failure = (state == TaskState::Failed).then(|| "why".to_owned());
    Task { state, fence: 3, is_leased, frames_total: 2, frames_done, not_before: UnixMillis(0), failure }
}

fn events(fence: u64) -> Vec<(&'static str, TaskEvent)> {
    let failed = |verdict| TaskEvent::AttemptFailed { fence, verdict };
    vec![
        ("granted", TaskEvent::Granted { fence }),
        ("attempt started", TaskEvent::AttemptStarted { fence }),
        ("frame stored", TaskEvent::FrameStored { fence, ended: None }),
        ("attempt failed, again", failed(Verdict::Again { after: Millis(5) })),
        ("attempt failed, job's fault", failed(Verdict::JobFault { message: "no camera".to_owned() })),
        ("attempt failed, given up", failed(Verdict::GivenUp { message: "5 times".to_owned() })),
        ("lease expired", TaskEvent::LeaseEnded { fence, outcome: Outcome::Expired }),
        ("lease ended by its worker", TaskEvent::LeaseEnded { fence, outcome: Outcome::Stopped }),
        ("pause asked", TaskEvent::PauseAsked),
        ("resume asked", TaskEvent::ResumeAsked),
        ("cancel asked", TaskEvent::CancelAsked),
        ("retry asked", TaskEvent::RetryAsked),
        ("frame stored, lease expired", TaskEvent::FrameStored { fence, ended: Some(Outcome::Expired) }),
        (
            "frame stored, older lease",
            TaskEvent::FrameStored { fence: fence - 1, ended: Some(Outcome::Failed) },
        ),
        ("frame stored, lease cancelled", TaskEvent::FrameStored { fence, ended: Some(Outcome::Cancelled) }),
        ("frame stored, never granted", TaskEvent::FrameStored { fence: fence + 1, ended: None }),
    ]
}

#[test]
fn the_whole_table() {
    let late = Task { not_before: UnixMillis(10), ..task(TaskState::Pending, false) };
    let one_left = Task { frames_done: 1, ..task(TaskState::Running, true) };
    let states = [
        ("pending", task(TaskState::Pending, false)),
        ("pending, not yet", late),
        ("pending, leased", task(TaskState::Pending, true)),
        ("running", task(TaskState::Running, true)),
        ("running, one frame left", one_left),
        ("paused", task(TaskState::Paused, false)),
        ("completed", task(TaskState::Completed, false)),
        ("failed", task(TaskState::Failed, false)),
        ("cancelled", task(TaskState::Cancelled, false)),
    ];
    insta::assert_snapshot!(table(&states, &events(3), |task, event| match step(task, event, NOW) {
        Ok((next, effects)) => {
            let lease = if next.is_leased { "leased" } else { "free" };
            format!("{} {lease} fence {} {effects:?}", next.state, next.fence)
        }
        Err(refusal) => format!("refused: {refusal}"),
    }));
}

#[test]
fn a_finished_frame_counts_however_late_it_comes_until_the_task_has_ended() {
    let take = |task: &Task, event| step(task, &event, NOW);
    for outcome in [Outcome::Stopped, Outcome::Released, Outcome::Expired, Outcome::NotAnswered] {
        let ended = TaskEvent::LeaseEnded { fence: 3, outcome };
        let late = || TaskEvent::FrameStored { fence: 3, ended: Some(outcome) };
        let (freed, _) = take(&task(TaskState::Running, true), ended).unwrap();
        let (one, _) = take(&freed, late()).unwrap();
        assert_eq!((one.state, one.frames_done), (TaskState::Pending, 1));
        let (again, _) = take(&one, TaskEvent::Granted { fence: one.fence }).unwrap();
        // Somebody else is at it by now: he is not needed any more.
        let (all, effects) = take(&again, late()).unwrap();
        assert_eq!((all.state, all.frames_done), (TaskState::Completed, 2));
        assert_eq!(effects, [TaskEffect::EndLease(Outcome::NotNeeded), TaskEffect::CheckJob]);
        assert_eq!(take(&all, late()).unwrap_err(), TaskRefusal::NoLease);
    }
    let late = TaskEvent::FrameStored { fence: 3, ended: Some(Outcome::Cancelled) };
    let refused = take(&task(TaskState::Pending, false), late);
    assert_eq!(refused.unwrap_err(), TaskRefusal::NotWanted(Outcome::Cancelled));
}

proptest! {
    #[test]
    fn whatever_happens_the_rules_hold_and_the_fence_rises_with_each_change_of_hands(
        steps in prop::collection::vec((0usize..16, 0u64..3), 0..60),
    ) {
        let mut now = task(TaskState::Pending, false);
        for (index, behind) in steps {
            let before = now.clone();
            let said = before.fence.saturating_sub(behind);
            let result = step(&now, &events(said)[index].1, NOW);
            // A finished frame is the exception.
            if behind > 0 && index < 8 && index != 2 {
                let is_stale = matches!(result, Err(TaskRefusal::StaleFence { .. }));
                prop_assert!(is_stale, "{:?} at {:?}", events(said)[index].0, before);
            }
            if let Ok((next, _)) = result {
                now = next;
            }
            prop_assert_eq!(holds(&now), Ok(()));
            prop_assert!(now.fence >= before.fence);
            // A right that is given, or taken back by the cloud (an expiry, a pause, a cancel), never comes
            // back under the same number; one that its worker gave up counts until it is given again.
            let was_given = now.is_leased && !before.is_leased;
            let was_lost = before.is_leased && !now.is_leased && [6, 8, 10].contains(&index);
            prop_assert!(!(was_given || was_lost) || now.fence > before.fence);
        }
    }

    #[test]
    fn every_task_ends(
        classes in prop::collection::vec((0usize..13, 1u128..4, any::<bool>()), 30),
        able in 1u128..4,
    ) {
        let able: BTreeSet<_> = (1..=able).map(WorkerId::from_u128).collect();
        let mut now = task(TaskState::Pending, false);
        let mut failures = Vec::new();
        for (class, worker, in_good_standing) in classes {
            let class = FailureClass::ALL[class];
            failures.push(FailedAttempt { worker: WorkerId::from_u128(worker), class, in_good_standing });
            let record = Record {
                failures: &failures,
                message: "m",
                able: &able,
                job_has_frames: false,
                worker_failed_job_before: false,
            };
            let later = now.not_before.plus(Millis(1));
            let (leased, _) = step(&now, &TaskEvent::Granted { fence: now.fence }, later).unwrap();
            let failed = TaskEvent::AttemptFailed { fence: leased.fence, verdict: judge(&record).0 };
            now = step(&leased, &failed, later).unwrap().0;
            if now.state.is_ended() {
                break;
            }
        }
        prop_assert_eq!(now.state, TaskState::Failed);
        prop_assert!(failures.len() <= 5, "{failures:?}");
        prop_assert_eq!(judge_loss(LOST_MAX - 1), Verdict::Again { after: Millis(0) });
        let is_given_up = matches!(judge_loss(LOST_MAX), Verdict::GivenUp { .. });
        prop_assert!(is_given_up);
    }
}
