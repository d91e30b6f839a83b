//! Frames: delivered once, counted once.

use futures_util::future::join_all;
use pictor_actors::protocol::FailureClass;
use pictor_cloud::store::{
    AttemptEnd, Failure, FrameRow, NewFrame, Store, StoreError, TaskGoes, UploadVerdict,
};
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::task::TaskState;

use crate::farm::{T0, at, frame, granted, hash, scene, worker};

pub async fn the_last_frame_completes_task_lease_and_job(store: Store) {
    let scene = scene(&store, 2, 2).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let verdict = store.lease_for_upload(lease.id, lease.fence, 1).await.unwrap();
    let UploadVerdict::Wanted { job, task, account, worker } = verdict else { panic!("{verdict:?}") };
    assert_eq!(
        (job, task, account, worker),
        (scene.job.id, scene.tasks[0].id, scene.account.id, scene.worker.id)
    );
    let first = store.store_frame(&frame(&lease, 2), at(1)).await.unwrap();
    assert!(!first.already && !first.task_completed && !first.job_completed);
    assert_eq!(first.receipt.hash, hash(2));
    let last = store.store_frame(&frame(&lease, 1), at(2)).await.unwrap();
    assert!(last.task_completed && last.job_completed);
    let task = store.task(scene.tasks[0].id).await.unwrap();
    assert_eq!((task.state, task.frames_done, task.lease_id), (TaskState::Completed, 2, None));
    assert_eq!(store.lease(lease.id).await.unwrap().outcome, Some(Outcome::Completed));
    let job = store.job(scene.job.id).await.unwrap();
    assert_eq!((job.state, job.frames_done, job.ended_at), (JobState::Completed, 2, Some(at(2))));
    assert_eq!(store.frames_of(job.id).await.unwrap().iter().map(|f| f.frame).collect::<Vec<_>>(), [1, 2]);
    assert!(store.account_owns_blob(scene.account.id, hash(2)).await.unwrap());
    assert_eq!(store.frame(job.id, 3).await.unwrap(), None);
}

pub async fn a_few_frames_are_read_of_many(store: Store) {
    let scene = scene(&store, 9, 3).await;
    for (of, frames) in [("1-3", &[1, 3][..]), ("4-6", &[4, 6]), ("7-9", &[8])] {
        let task = scene.tasks.iter().find(|task| task.frames == of).unwrap();
        let lease = granted(&store, task, scene.worker.id).await;
        for number in frames {
            store.store_frame(&frame(&lease, *number), at(i64::from(20 - number))).await.unwrap();
        }
        if of == "4-6" {
            let class = FailureClass::Crash;
            let end = AttemptEnd {
                outcome: Outcome::Failed,
                failure: None,
                task_goes: TaskGoes::Failed { class, message: "given up".to_owned() },
                worker_fault: None,
            };
            store.end_attempt(lease.id, lease.fence, &end, at(30)).await.unwrap();
        }
    }
    let job = scene.job.id;
    let numbers = |rows: Vec<FrameRow>| rows.iter().map(|row| row.frame).collect::<Vec<_>>();
    assert_eq!(numbers(store.frames_between(job, 3, 6).await.unwrap()), [3, 4, 6]);
    assert_eq!(numbers(store.frames_between(job, 9, 20).await.unwrap()), [0; 0]);
    assert_eq!(numbers(store.frames_of_failed_tasks(job).await.unwrap()), [4, 6]);
    assert_eq!(store.frames_beside(job, 4).await.unwrap(), (Some(3), Some(6)));
    assert_eq!(store.frames_beside(job, 1).await.unwrap(), (None, Some(3)));
    assert_eq!(store.frames_beside(job, 8).await.unwrap(), (Some(6), None));
    let newest = store.newest_frames(&[job]).await.unwrap();
    assert_eq!(newest.get(&job), Some(&1), "stored last");
}

pub async fn the_first_delivery_wins(store: Store) {
    let scene = scene(&store, 2, 2).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let tries = (0..6_u8).map(|n| {
        let (store, new) = (store.clone(), NewFrame { hash: hash(100 + n), ..frame(&lease, 1) });
        tokio::spawn(async move { store.store_frame(&new, at(1)).await.unwrap() })
    });
    let stored: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(stored.iter().filter(|one| !one.already).count(), 1);
    assert!(stored.iter().all(|one| one.receipt == stored[0].receipt), "all get the first's receipt");
    assert_eq!(store.task(scene.tasks[0].id).await.unwrap().frames_done, 1);
    let verdict = store.lease_for_upload(lease.id, lease.fence, 1).await.unwrap();
    assert!(matches!(verdict, UploadVerdict::Already(row) if row.hash == stored[0].receipt.hash));
}

pub async fn what_comes_together_counts_as_if_each_had_come_alone(store: Store) {
    let scene = scene(&store, 8, 2).await;
    let (other, tasks) = crate::farm::job(&store, scene.account.id, 2, 1).await;
    let mut leases = Vec::new();
    for task in scene.tasks[..3].iter().chain(&tasks) {
        leases.push(granted(&store, task, scene.worker.id).await);
    }
    let wrong_fence = NewFrame { fence: leases[0].fence + 1, ..frame(&leases[0], 1) };
    let all = [
        frame(&leases[0], 1),
        frame(&leases[1], 3),
        frame(&leases[3], 1), // the same number in another job
        wrong_fence,
        frame(&leases[0], 2), // ends its task
        frame(&leases[0], 2), // again
        frame(&leases[2], 1), // of another task
        frame(&leases[4], 2), // ends its job
        frame(&leases[1], 3), // again
    ];
    let told = join_all(all.iter().map(|new| store.store_frame(new, at(1)))).await;
    let told: Vec<_> = told
        .iter()
        .map(|told| match told {
            Ok(stored) if stored.already => "already",
            Ok(stored) if stored.job_completed => "job",
            Ok(stored) if stored.task_completed => "task",
            Ok(_) => "frame",
            Err(StoreError::StaleFence) => "stale",
            Err(error) => panic!("{error}"),
        })
        .collect();
    let expected = ["frame", "frame", "task", "stale", "task", "already", "stale", "job", "already"];
    assert_eq!(told, expected);
    let job = store.job(scene.job.id).await.unwrap();
    assert_eq!((job.frames_done, job.render_ms_total, job.state), (3, 3_000, JobState::Ready));
    let other = store.job(other.id).await.unwrap();
    assert_eq!((other.frames_done, other.state), (2, JobState::Completed));
    let done = store.task(scene.tasks[1].id).await.unwrap();
    assert_eq!((done.frames_done, done.ended_at), (1, None));
    assert_eq!(store.live_leases_of_job(job.id).await.unwrap().len(), 2);
}

pub async fn late_but_first_wins_and_the_other_is_not_needed(store: Store) {
    let scene = scene(&store, 2, 2).await;
    let old = granted(&store, &scene.tasks[0], scene.worker.id).await;
    store.store_frame(&frame(&old, 1), T0).await.unwrap();
    store.release_leases(&[old.id], Outcome::Expired, at(120)).await.unwrap();
    assert!(store.store_frame(&frame(&old, 1), at(2)).await.unwrap().already, "what is safe stays safe");
    let other = worker(&store, scene.account.id, "other").await;
    let new = granted(&store, &store.task(scene.tasks[0].id).await.unwrap(), other.id).await;
    assert_eq!(new.fence, old.fence + 2);
    let verdict = store.lease_for_upload(old.id, old.fence, 2).await.unwrap();
    assert!(matches!(verdict, UploadVerdict::Wanted { .. }), "{verdict:?}");
    let done = store.store_frame(&frame(&old, 2), at(3)).await.unwrap();
    assert!(done.job_completed && done.task_completed && !done.already);
    assert_eq!(done.worker, scene.worker.id);
    assert_eq!(done.not_needed.iter().map(|lease| lease.id).collect::<Vec<_>>(), [new.id]);
    let ended = store.lease(new.id).await.unwrap();
    assert_eq!((ended.outcome, ended.ended_at), (Some(Outcome::NotNeeded), Some(at(3))));
    assert_eq!(store.lease(old.id).await.unwrap().outcome, Some(Outcome::Expired), "as it was");
    // The loser of the race: his frame is there already, from somebody else.
    let verdict = store.lease_for_upload(new.id, new.fence, 2).await.unwrap();
    assert!(matches!(verdict, UploadVerdict::Already(row) if row.worker_id == scene.worker.id));
}

pub async fn of_many_uploads_at_once_each_gets_its_own_verdict(store: Store) {
    let scene = scene(&store, 4, 2).await;
    let other = worker(&store, scene.account.id, "other").await;
    let one = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let two = granted(&store, &scene.tasks[1], other.id).await;
    store.store_frame(&frame(&one, 1), T0).await.unwrap();
    let asked = [
        (&one, one.fence, 1, "already"),
        (&two, two.fence, 3, "other"),
        (&one, one.fence + 1, 2, "superseded"),
        (&one, one.fence, 2, "first"),
        (&two, two.fence, 1, "superseded"),
        (&two, two.fence, 3, "other"),
    ];
    let asked = || (0..20).flat_map(|_| asked);
    let asking = asked().map(|(lease, fence, number, _)| store.lease_for_upload(lease.id, fence, number));
    for (told, (.., wanted)) in join_all(asking).await.into_iter().zip(asked()) {
        let said = match told.unwrap() {
            UploadVerdict::Already(row) if row.frame == 1 && row.lease_id == one.id => "already",
            UploadVerdict::Wanted { worker, task, .. } if worker == other.id && task == two.task_id => {
                "other"
            }
            UploadVerdict::Wanted { worker, .. } if worker == scene.worker.id => "first",
            UploadVerdict::Superseded => "superseded",
            told => panic!("{told:?} instead of {wanted}"),
        };
        assert_eq!(said, wanted);
    }
}

pub async fn what_stays_refused(store: Store) {
    let scene = scene(&store, 4, 2).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let is_refused = async |new: &NewFrame| {
        let verdict = store.lease_for_upload(new.lease, new.fence, new.frame).await.unwrap();
        let stored = store.store_frame(new, at(2)).await;
        assert!(matches!(stored, Err(StoreError::StaleFence)), "{stored:?}");
        verdict == UploadVerdict::Superseded
    };
    assert!(is_refused(&frame(&lease, 3)).await, "not its frame");
    let never = NewFrame { fence: lease.fence + 1, ..frame(&lease, 1) };
    assert!(is_refused(&never).await, "never granted");
    // An offer that its creator's pause took back: nobody may go on under it.
    let other = granted(&store, &scene.tasks[1], scene.worker.id).await;
    store.release_leases(&[other.id], Outcome::Cancelled, at(1)).await.unwrap();
    assert!(is_refused(&frame(&other, 3)).await, "taken back by its creator's wish");
    store.cancel_job(scene.job.id, at(1)).await.unwrap();
    assert!(is_refused(&frame(&lease, 1)).await, "its job is cancelled");
}

pub async fn frames_rendered_before_a_failure_count(store: Store) {
    let scene = scene(&store, 3, 3).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let end = AttemptEnd {
        outcome: Outcome::Failed,
        failure: Some(Failure { class: FailureClass::Crash, message: "boom".to_owned() }),
        task_goes: TaskGoes::Pending { not_before: T0 },
        worker_fault: Some(true),
    };
    store.end_attempt(lease.id, lease.fence, &end, at(1)).await.unwrap();
    assert!(!store.store_frame(&frame(&lease, 1), at(2)).await.unwrap().already);
    let ready = store.ready_tasks(at(2), 5, 5).await.unwrap();
    assert_eq!(ready[0].frames_left, [2, 3]);
    let task = store.task(scene.tasks[0].id).await.unwrap();
    let next = granted(&store, &task, scene.worker.id).await;
    store.store_frame(&frame(&next, 2), at(3)).await.unwrap();
    assert!(store.store_frame(&frame(&lease, 2), at(3)).await.unwrap().already, "second best");
    assert!(store.store_frame(&frame(&next, 3), at(4)).await.unwrap().job_completed);
    assert_eq!(store.worker(scene.worker.id).await.unwrap().failures_in_row, 0, "a good task clears it");
}

pub async fn frames_of_a_lease_that_ended_count_also_beside_another_attempt(store: Store) {
    let ends =
        [(1, Outcome::Stopped), (4, Outcome::Released), (7, Outcome::Expired), (10, Outcome::NotAnswered)];
    let scene = scene(&store, 12, 3).await;
    for (index, (first, outcome)) in ends.into_iter().enumerate() {
        let task = scene.tasks[index].id;
        let lease = granted(&store, &scene.tasks[index], scene.worker.id).await;
        store.release_leases(&[lease.id], outcome, at(120)).await.unwrap();
        let verdict = store.lease_for_upload(lease.id, lease.fence, first).await.unwrap();
        assert!(matches!(verdict, UploadVerdict::Wanted { .. }), "{outcome}: {verdict:?}");
        assert!(!store.store_frame(&frame(&lease, first), at(2)).await.unwrap().already);
        let ready = store.ready_tasks(at(2), 5, 5).await.unwrap();
        let left = ready.iter().find(|ready| ready.task == task).unwrap();
        assert_eq!(left.frames_left, [first + 1, first + 2]);
        let next = granted(&store, &store.task(task).await.unwrap(), scene.worker.id).await;
        let late = store.store_frame(&frame(&lease, first + 1), at(3)).await.unwrap();
        assert!(!late.already && late.not_needed.is_empty(), "{outcome}: the other has a frame left to do");
        assert!(store.store_frame(&frame(&next, first + 1), at(3)).await.unwrap().already);
        assert!(store.store_frame(&frame(&next, first + 2), at(4)).await.unwrap().task_completed);
    }
    assert_eq!(store.job(scene.job.id).await.unwrap().state, JobState::Completed);
    let job = store.job(scene.job.id).await.unwrap();
    assert_eq!(job.frame_mean().unwrap().0, 1_000, "twelve frames of a second each");
}

pub async fn eight_writers_lose_nothing(store: Store) {
    let scene = scene(&store, 80, 10).await;
    let mut writers = vec![];
    for task in &scene.tasks {
        let lease = granted(&store, task, scene.worker.id).await;
        let (store, first) = (store.clone(), task.frames.split('-').next().unwrap().parse::<i32>().unwrap());
        writers.push(tokio::spawn(async move {
            for n in first..first + 10 {
                store.store_frame(&frame(&lease, n), at(1)).await.unwrap();
            }
        }));
    }
    for one in join_all(writers).await {
        one.unwrap();
    }
    let job = store.job(scene.job.id).await.unwrap();
    assert_eq!((job.frames_done, job.state), (80, JobState::Completed));
    assert_eq!(store.frames_of(job.id).await.unwrap().len(), 80);
    assert!(store.open_tasks_of(job.id).await.unwrap().is_empty());
}
