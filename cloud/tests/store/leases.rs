//! Leases: fences, races, ends.

use futures_util::future::join_all;
use pictor_actors::ids::{LeaseId, WorkerId};
use pictor_actors::protocol::FailureClass;
use pictor_cloud::store::{AttemptEnd, Failure, Grant, GrantOutcome, NewJobRow, Store, StoreError, TaskGoes};
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::lease::{LeaseState, Outcome};
use pictor_cloud_domain::task::TaskState;

use crate::farm::{T0, a_grant, account, at, frame, granted, job, job_of, new_job, scene, worker};

pub async fn a_grant_raises_the_fence_and_a_stale_one_is_refused(store: Store) {
    let scene = scene(&store, 2, 1).await;
    let grants = [
        a_grant(&scene.tasks[0], scene.worker.id),
        a_grant(&scene.tasks[0], scene.worker.id),
        Grant { expected_fence: 7, ..a_grant(&scene.tasks[1], scene.worker.id) },
    ];
    let outcomes = store.grant_leases(&grants, T0).await.unwrap();
    let GrantOutcome::Granted(lease) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(outcomes[1..], [GrantOutcome::Refused, GrantOutcome::Refused]);
    assert_eq!((lease.fence, lease.state, lease.job_id), (1, LeaseState::Offered, scene.job.id));
    let task = store.task(scene.tasks[0].id).await.unwrap();
    assert_eq!((task.fence, task.lease_id, task.attempts), (1, Some(lease.id), 1));
    assert_eq!(task.state, TaskState::Pending, "assigned and not begun");
    assert_eq!(store.live_leases_of_worker(scene.worker.id).await.unwrap(), vec![lease.clone()]);
}

pub async fn of_many_grants_of_a_task_one_wins(store: Store) {
    let scene = scene(&store, 4, 1).await;
    for task in &scene.tasks {
        let tries = (0..8).map(|_| {
            let (store, grant) = (store.clone(), a_grant(task, scene.worker.id));
            tokio::spawn(async move { store.grant_leases(&[grant], T0).await.unwrap().remove(0) })
        });
        let outcomes = join_all(tries).await;
        let won = outcomes.iter().filter(|one| *one.as_ref().unwrap() != GrantOutcome::Refused).count();
        assert_eq!(won, 1);
    }
    assert_eq!(store.live_leases_of_job(scene.job.id).await.unwrap().len(), 4);
}

pub async fn a_lease_moves_forward_only(store: Store) {
    let scene = scene(&store, 1, 1).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let mark = |fence, state| {
        let (store, id) = (store.clone(), lease.id);
        async move { store.mark_lease(id, fence, state, Some("Blender 3.4.1"), Some("CPU"), at(2)).await }
    };
    assert!(matches!(mark(lease.fence + 1, LeaseState::Accepted).await, Err(StoreError::StaleFence)));
    assert_eq!(mark(lease.fence, LeaseState::Accepted).await.unwrap().state, LeaseState::Accepted);
    assert_eq!(store.job(scene.job.id).await.unwrap().state, JobState::Ready);
    let row = mark(lease.fence, LeaseState::Running).await.unwrap();
    assert_eq!((row.started_at, row.device.as_deref()), (Some(at(2)), Some("CPU")));
    assert_eq!(mark(lease.fence, LeaseState::Accepted).await.unwrap().state, LeaseState::Running);
    let job = store.job(scene.job.id).await.unwrap();
    assert_eq!((job.state, job.started_at), (JobState::Running, Some(at(2))));
    assert_eq!(store.task(scene.tasks[0].id).await.unwrap().state, TaskState::Running);
    store.release_leases(&[lease.id], Outcome::Expired, at(120)).await.unwrap();
    assert!(matches!(mark(lease.fence, LeaseState::Running).await, Err(StoreError::StaleFence)));
    let unknown = store.mark_lease(LeaseId::generate(), 1, LeaseState::Running, None, None, T0).await;
    assert!(matches!(unknown, Err(StoreError::StaleFence)));
}

/// As the lease's machine has it: who accepted an offer elsewhere meanwhile keeps it.
pub async fn only_an_offer_ends_unanswered_and_only_what_is_overdue_expires(store: Store) {
    let scene = scene(&store, 1, 1).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let ended = |outcome, now| {
        let (store, id) = (store.clone(), lease.id);
        async move { store.release_leases(&[id], outcome, now).await.unwrap().len() }
    };
    assert_eq!(ended(Outcome::Expired, at(119)).await, 0, "its time is not over");
    store.mark_lease(lease.id, lease.fence, LeaseState::Accepted, None, None, at(1)).await.unwrap();
    assert_eq!(ended(Outcome::NotAnswered, at(2)).await, 0, "it was answered");
    store.mark_lease(lease.id, lease.fence, LeaseState::Running, None, None, at(3)).await.unwrap();
    assert_eq!(ended(Outcome::Declined, at(4)).await, 0, "it has begun");
    let task = store.task(scene.tasks[0].id).await.unwrap();
    assert_eq!((task.lease_id, task.fence), (Some(lease.id), lease.fence));
    assert_eq!(ended(Outcome::Expired, at(120)).await, 1);
}

pub async fn what_is_said_together_moves_each_lease_as_far_as_it_goes(store: Store) {
    let scene = scene(&store, 3, 1).await;
    let mut leases = Vec::new();
    for task in &scene.tasks {
        leases.push(granted(&store, task, scene.worker.id).await);
    }
    let mark = |at_: usize, fence, state| {
        let (store, lease) = (&store, &leases[at_]);
        store.mark_lease(lease.id, lease.fence + fence, state, Some("Blender"), None, at(2))
    };
    let (taken, begun) = (LeaseState::Accepted, LeaseState::Running);
    let told = join_all([
        mark(0, 0, taken),
        mark(1, 0, taken),
        mark(0, 0, begun),
        mark(2, 1, begun),
        mark(1, 0, taken),
    ])
    .await;
    store.lease_rendered(leases[0].id, leases[0].fence, at(3)).await.unwrap();
    assert_eq!(told.iter().filter(|told| matches!(told, Err(StoreError::StaleFence))).count(), 1);
    let mut stored = Vec::new();
    for lease in &leases {
        let row = store.lease(lease.id).await.unwrap();
        stored.push((row.state, row.outcome, row.started_at));
    }
    let rendered = (begun, Some(Outcome::Rendered), Some(at(2)));
    assert_eq!(stored, [rendered, (taken, None, None), (LeaseState::Offered, None, None)]);
    let task = store.task(scene.tasks[0].id).await.unwrap();
    assert_eq!((task.state, task.started_at), (TaskState::Running, Some(at(2))));
    assert_eq!(store.task(scene.tasks[1].id).await.unwrap().state, TaskState::Pending);
    assert_eq!(store.job(scene.job.id).await.unwrap().state, JobState::Running);
}

pub async fn of_grants_made_together_each_is_judged_alone(store: Store) {
    let scene = scene(&store, 4, 1).await;
    granted(&store, &scene.tasks[0], scene.worker.id).await;
    let again = a_grant(&scene.tasks[1], scene.worker.id);
    let wrong_fence = Grant { expected_fence: 7, ..a_grant(&scene.tasks[2], scene.worker.id) };
    let nobodys = Grant { worker: WorkerId::generate(), ..a_grant(&scene.tasks[2], scene.worker.id) };
    let grants = [
        a_grant(&scene.tasks[0], scene.worker.id),
        a_grant(&scene.tasks[1], scene.worker.id),
        wrong_fence,
        again,
        a_grant(&scene.tasks[3], scene.worker.id),
    ];
    let outcomes = store.grant_leases(&grants, T0).await.unwrap();
    let was_granted: Vec<_> = outcomes.iter().map(|one| *one != GrantOutcome::Refused).collect();
    assert_eq!(was_granted, [false, true, false, false, true]);
    assert_eq!(store.grant_leases(&[nobodys], T0).await.unwrap(), [GrantOutcome::Refused]);
    for (grant, outcome) in grants.iter().zip(outcomes) {
        let GrantOutcome::Granted(lease) = outcome else { continue };
        assert_eq!(store.lease(grant.lease).await.unwrap(), lease, "as it was told, so it is stored");
    }
    assert_eq!(store.task(scene.tasks[1].id).await.unwrap().lease_id, Some(grants[1].lease));
}

fn crashed(task_goes: TaskGoes) -> AttemptEnd {
    let failure = Failure { class: FailureClass::Crash, message: "boom".to_owned() };
    AttemptEnd { outcome: Outcome::Failed, failure: Some(failure), task_goes, worker_fault: Some(true) }
}

pub async fn a_failed_attempt_goes_back_or_ends_the_task(store: Store) {
    let scene = scene(&store, 2, 2).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let end = crashed(TaskGoes::Pending { not_before: at(30) });
    assert!(matches!(store.end_attempt(lease.id, 9, &end, at(1)).await, Err(StoreError::StaleFence)));
    let ended = store.end_attempt(lease.id, lease.fence, &end, at(1)).await.unwrap();
    assert_eq!((ended.task.state, ended.task.attempts, ended.task.lease_id), (TaskState::Pending, 1, None));
    assert_eq!(ended.task.failure_class, Some(FailureClass::Crash));
    assert_eq!((ended.lease.outcome, ended.worker_failures_in_row), (Some(Outcome::Failed), 1));
    assert!(matches!(
        store.end_attempt(lease.id, lease.fence, &end, at(1)).await,
        Err(StoreError::StaleFence)
    ));
    assert!(store.ready_tasks(at(29), 5, 5).await.unwrap().is_empty(), "not before");
    let ready = store.ready_tasks(at(30), 5, 5).await.unwrap();
    assert_eq!((ready[0].failed_on.clone(), ready[0].attempts), (vec![scene.worker.id], 1));
    let again = Grant { expected_fence: ready[0].fence, ..a_grant(&scene.tasks[0], scene.worker.id) };
    assert_eq!(
        store.grant_leases(std::slice::from_ref(&again), at(29)).await.unwrap(),
        [GrantOutcome::Refused]
    );
    store.grant_leases(std::slice::from_ref(&again), at(30)).await.unwrap();
    let over = crashed(TaskGoes::Failed { class: FailureClass::Crash, message: "given up".to_owned() });
    let ended = store.end_attempt(again.lease, ready[0].fence + 1, &over, at(31)).await.unwrap();
    assert_eq!((ended.task.state, ended.task.ended_at), (TaskState::Failed, Some(at(31))));
    assert_eq!(ended.task.failure_message.as_deref(), Some("given up"));
    assert_eq!((ended.job.frames_failed, ended.worker_failures_in_row), (2, 2));
    assert_eq!(store.attempts_of(scene.tasks[0].id).await.unwrap().len(), 2);
    let rested = store.rest_worker(scene.worker.id, Some((at(600), "3 failures")), at(31)).await.unwrap();
    assert_eq!((rested.failures_in_row, rested.rested_until), (0, Some(at(600))));
}

pub async fn what_never_began_is_no_attempt(store: Store) {
    let scene = scene(&store, 2, 1).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let declined = AttemptEnd {
        outcome: Outcome::Declined,
        failure: None,
        task_goes: TaskGoes::Pending { not_before: T0 },
        worker_fault: None,
    };
    let ended = store.end_attempt(lease.id, lease.fence, &declined, at(1)).await.unwrap();
    assert_eq!((ended.task.attempts, ended.worker_failures_in_row), (0, 0));
    let lease = granted(&store, &scene.tasks[1], scene.worker.id).await;
    store.mark_lease(lease.id, lease.fence, LeaseState::Running, None, None, T0).await.unwrap();
    store.release_leases(&[lease.id], Outcome::Expired, at(120)).await.unwrap();
    assert_eq!(store.task(scene.tasks[1].id).await.unwrap().attempts, 1, "one that began is");
}

pub async fn silent_leases_expire_and_are_released_once(store: Store) {
    let scene = scene(&store, 3, 1).await;
    let mut leases = vec![];
    for task in &scene.tasks {
        leases.push(granted(&store, task, scene.worker.id).await.id);
    }
    store.save_heartbeats(&[], &[(leases[2], at(300))]).await.unwrap();
    assert!(store.expired_leases(at(119), 10).await.unwrap().is_empty());
    let silent: Vec<_> = store.expired_leases(at(120), 10).await.unwrap().iter().map(|row| row.id).collect();
    assert_eq!(silent.len(), 2);
    assert_eq!(store.expired_leases(at(120), 1).await.unwrap().len(), 1);
    let releases = (0..4).map(|_| {
        let (store, silent) = (store.clone(), silent.clone());
        tokio::spawn(async move { store.release_leases(&silent, Outcome::Expired, at(120)).await.unwrap() })
    });
    let released: usize = join_all(releases).await.into_iter().map(|one| one.unwrap().len()).sum();
    assert_eq!(released, 2);
    let task = store.task(scene.tasks[0].id).await.unwrap();
    assert_eq!((task.state, task.fence, task.lease_id), (TaskState::Pending, 2, None));
    let row = store.lease(silent[0]).await.unwrap();
    assert_eq!(
        (row.state, row.outcome, row.ended_at),
        (LeaseState::Ended, Some(Outcome::Expired), Some(at(120)))
    );
}

pub async fn a_lease_renewed_after_it_was_looked_for_is_not_taken(store: Store) {
    let scene = scene(&store, 2, 1).await;
    let renewed = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let silent = granted(&store, &scene.tasks[1], scene.worker.id).await;
    assert_eq!(store.expired_leases(at(120), 10).await.unwrap().len(), 2);
    store.save_heartbeats(&[], &[(renewed.id, at(240))]).await.unwrap();
    let released = store.release_expired(&[silent.id, renewed.id], at(120)).await.unwrap();
    assert_eq!(released.iter().map(|lease| lease.id).collect::<Vec<_>>(), [silent.id]);
    let end = AttemptEnd {
        outcome: Outcome::Expired,
        worker_fault: None,
        ..crashed(TaskGoes::Failed { class: FailureClass::WorkerError, message: "silent".to_owned() })
    };
    let early = store.end_expired_attempt(renewed.id, renewed.fence, &end, at(120)).await;
    assert!(matches!(early, Err(StoreError::StaleFence)), "{early:?}");
    assert_eq!(store.lease(renewed.id).await.unwrap().ended_at, None);
    let ended = store.end_expired_attempt(renewed.id, renewed.fence, &end, at(240)).await.unwrap();
    assert_eq!((ended.task.state, ended.lease.outcome), (TaskState::Failed, Some(Outcome::Expired)));
}

pub async fn ready_tasks_come_by_priority_within_their_bounds(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let rig = worker(&store, one, "rig").await.id;
    let (low, low_tasks) = job(&store, one, 6, 1).await;
    let urgent = NewJobRow { priority: 90, ..new_job(one, "urgent", 4) };
    let (high, high_tasks) = job_of(&store, &urgent, 2).await;
    granted(&store, &high_tasks[0], rig).await;
    let ready = store.ready_tasks(T0, 3, 100).await.unwrap();
    assert_eq!(ready.iter().map(|task| task.job).collect::<Vec<_>>(), [high.id, low.id, low.id, low.id]);
    assert_eq!(ready[0].task, high_tasks[1].id);
    assert_eq!(ready[1].task, low_tasks[0].id);
    assert!(ready.iter().all(|task| task.running_of_account == 1));
    assert_eq!(store.ready_tasks(T0, 10, 3).await.unwrap().len(), 3);
    store.pause_job(high.id, T0).await.unwrap();
    assert!(store.ready_tasks(T0, 10, 100).await.unwrap().iter().all(|task| task.job == low.id));
}

pub async fn grants_and_cancels_race_without_a_live_lease_left(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let rig = worker(&store, one, "rig").await.id;
    for _ in 0..5 {
        let (job, tasks) = job(&store, one, 8, 1).await;
        let grants = tasks.iter().map(|task| {
            let (store, grant) = (store.clone(), a_grant(task, rig));
            tokio::spawn(async move { store.grant_leases(&[grant], T0).await.map(|_| ()) })
        });
        let (canceller, id) = (store.clone(), job.id);
        let cancel = tokio::spawn(async move { canceller.cancel_job(id, T0).await.map(|_| ()) });
        for one in join_all(grants.chain([cancel])).await {
            one.unwrap().unwrap();
        }
        assert!(store.live_leases_of_job(job.id).await.unwrap().is_empty());
        assert!(store.open_tasks_of(job.id).await.unwrap().is_empty());
    }
    let (job, tasks) = job(&store, one, 1, 1).await;
    let lease = granted(&store, &tasks[0], rig).await;
    store.store_frame(&frame(&lease, 1), T0).await.unwrap();
    assert_eq!(store.job(job.id).await.unwrap().state, JobState::Completed);
}
