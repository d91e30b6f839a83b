//! Jobs and what happens to them as a whole.

use pictor_actors::ids::{JobId, TaskId};
use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::outcome::WarningClass;
use pictor_cloud::store::{
    AttemptEnd, ConflictKind, Failure, JobPatch, LeaseRow, NewFrame, NewTaskRow, PageRequest, Store,
    StoreError, TaskGoes,
};
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::lease::{LeaseState, Outcome};
use pictor_cloud_domain::task::TaskState;

use crate::farm::{T0, account, at, frame, granted, job, new_job, scene};

fn is_state_conflict<T: std::fmt::Debug>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict(ConflictKind::State)))
}

/// An attempt that fails and takes its task with it.
pub async fn fail(store: &Store, lease: &LeaseRow, class: FailureClass, message: &str) {
    let end = AttemptEnd {
        outcome: Outcome::Failed,
        failure: Some(Failure { class, message: message.to_owned() }),
        task_goes: TaskGoes::Failed { class, message: message.to_owned() },
        worker_fault: Some(true),
    };
    store.end_attempt(lease.id, lease.fence, &end, at(9)).await.unwrap();
}

pub async fn jobs_are_listed_searched_and_paged(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let other = account(&store, "two@example.org").await.id;
    let mut made = vec![];
    for name in ["Alpha", "beta_1", "Gamma"] {
        made.push(store.create_job(&new_job(one, name, 3), T0).await.unwrap());
    }
    store.create_job(&new_job(other, "Alpha", 3), T0).await.unwrap();
    store.pause_job(made[1].id, T0).await.unwrap();
    let names = |states: &'static [JobState], search: Option<&'static str>| {
        let store = store.clone();
        async move {
            let mut page = PageRequest::first(2);
            let mut seen = vec![];
            loop {
                let found = store.list_jobs(one, states, search, &page).await.unwrap();
                seen.extend(found.rows.into_iter().map(|row| row.name));
                let Some(next) = found.next else { break seen.join(" ") };
                page.cursor = Some(next);
            }
        }
    };
    assert_eq!(names(&[], None).await, "Gamma beta_1 Alpha");
    assert_eq!(names(&[JobState::Ready, JobState::Running], None).await, "Gamma Alpha");
    assert_eq!(names(&[], Some("a_")).await, "beta_1");
    assert_eq!(names(&[JobState::Paused], Some("GAMMA")).await, "");
    assert!(matches!(store.job_of(other, made[0].id).await, Err(StoreError::NotFound)));
    assert_eq!(store.job_of(one, made[0].id).await.unwrap(), made[0]);
    let again = store.create_job(&new_job_with(made[0].id, one), T0).await;
    assert!(matches!(again, Err(StoreError::Conflict(ConflictKind::Exists))));
    assert_eq!(store.live_jobs().await.unwrap().len(), 4);
}

fn new_job_with(id: JobId, account: pictor_actors::ids::AccountId) -> pictor_cloud::store::NewJobRow {
    pictor_cloud::store::NewJobRow { id, ..new_job(account, "again", 1) }
}

pub async fn tasks_are_cut_once(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let job = store.create_job(&new_job(one, "film", 10), T0).await.unwrap();
    let cut = |frames: &str, count| {
        vec![NewTaskRow { id: TaskId::generate(), frames: frames.to_owned(), frames_total: count }]
    };
    let row = store.cut_tasks(job.id, 0, &cut("1-4", 4), T0).await.unwrap();
    assert_eq!(row.frames_planned, 4);
    assert!(is_state_conflict(&store.cut_tasks(job.id, 0, &cut("1-4", 4), T0).await));
    let too_many = store.cut_tasks(job.id, 4, &cut("5-15", 11), T0).await;
    assert!(too_many.is_err(), "more than the job has");
    assert_eq!(store.open_tasks_of(job.id).await.unwrap().len(), 1, "a refused cut leaves no task");
    store.cut_tasks(job.id, 4, &cut("5-10", 6), T0).await.unwrap();
    let first = store.tasks_of(job.id, &PageRequest::first(1)).await.unwrap();
    let rest = PageRequest { limit: 1, cursor: first.next.clone() };
    let second = store.tasks_of(job.id, &rest).await.unwrap();
    assert_eq!((first.rows[0].frames.as_str(), second.rows[0].frames.as_str()), ("1-4", "5-10"));
    assert_eq!(second.next, None);
    store.cancel_job(job.id, T0).await.unwrap();
    assert!(is_state_conflict(&store.cut_tasks(job.id, 10, &cut("1", 1), T0).await));
}

pub async fn a_stale_version_is_refused(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let job = store.create_job(&new_job(one, "film", 10), T0).await.unwrap();
    let patch = JobPatch { priority: Some(90), name: None };
    let row = store.update_job(one, job.id, &patch, Some(job.version), at(1)).await.unwrap();
    assert_eq!((row.priority, row.name.as_str(), row.version), (90, "film", job.version + 1));
    let stale = store.update_job(one, job.id, &patch, Some(job.version), at(1)).await;
    assert!(matches!(stale, Err(StoreError::Conflict(ConflictKind::Version))));
    store.update_job(one, job.id, &patch, None, at(1)).await.unwrap();
}

pub async fn cancel_ends_tasks_leases_and_fences(store: Store) {
    let scene = scene(&store, 3, 1).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    store.mark_lease(lease.id, lease.fence, LeaseState::Running, None, None, T0).await.unwrap();
    let live = store.cancel_job(scene.job.id, at(5)).await.unwrap();
    assert_eq!((live.len(), live[0].id, live[0].fence), (1, lease.id, lease.fence));
    assert_eq!(live[0].outcome, Some(Outcome::Cancelled));
    let task = store.task(scene.tasks[0].id).await.unwrap();
    assert_eq!((task.state, task.fence, task.lease_id), (TaskState::Cancelled, lease.fence + 1, None));
    assert_eq!(store.job(scene.job.id).await.unwrap().state, JobState::Cancelled);
    assert!(matches!(store.store_frame(&frame(&lease, 1), at(6)).await, Err(StoreError::StaleFence)));
    assert!(is_state_conflict(&store.cancel_job(scene.job.id, at(6)).await));
    assert!(is_state_conflict(&store.retry_failed(scene.job.id, at(6)).await));
    assert!(is_state_conflict(&store.resume_job(scene.job.id, at(6)).await));
    assert!(store.live_leases_of_job(scene.job.id).await.unwrap().is_empty());
}

pub async fn pause_takes_offers_back_and_leaves_what_runs(store: Store) {
    let scene = scene(&store, 6, 2).await;
    let runs = granted(&store, &scene.tasks[0], scene.worker.id).await;
    store.mark_lease(runs.id, runs.fence, LeaseState::Running, None, None, T0).await.unwrap();
    let offered = granted(&store, &scene.tasks[1], scene.worker.id).await;
    let live = store.pause_job(scene.job.id, at(5)).await.unwrap();
    assert_eq!(live.len(), 2);
    assert_eq!(live.iter().find(|row| row.id == runs.id).unwrap().ended_at, None);
    assert!(live.iter().find(|row| row.id == offered.id).unwrap().ended_at.is_some());
    let states = |tasks: Vec<pictor_cloud::store::TaskRow>| tasks.iter().map(|t| t.state).collect::<Vec<_>>();
    let tasks = store.open_tasks_of(scene.job.id).await.unwrap();
    assert_eq!(states(tasks), [TaskState::Running, TaskState::Paused, TaskState::Paused]);
    assert!(store.ready_tasks(at(6), 10, 10).await.unwrap().is_empty());
    store.store_frame(&frame(&runs, 1), at(6)).await.unwrap();
    let end = AttemptEnd {
        outcome: Outcome::Stopped,
        failure: None,
        task_goes: TaskGoes::Pending { not_before: at(6) },
        worker_fault: None,
    };
    let ended = store.end_attempt(runs.id, runs.fence, &end, at(6)).await.unwrap();
    assert_eq!(ended.task.state, TaskState::Paused, "of a paused job");
    assert!(is_state_conflict(&store.pause_job(scene.job.id, at(7)).await));
    assert_eq!(store.resume_job(scene.job.id, at(7)).await.unwrap().state, JobState::Running);
    let ready = store.ready_tasks(at(8), 10, 10).await.unwrap();
    assert_eq!(
        ready.iter().map(|t| t.frames_left.clone()).collect::<Vec<_>>(),
        [vec![2], vec![3, 4], vec![5, 6]]
    );
    assert_eq!(ready[1].attempts, 0, "an offer that was taken back is no attempt");
}

pub async fn retry_forgets_failures_and_reopens_the_job(store: Store) {
    let scene = scene(&store, 4, 2).await;
    assert!(is_state_conflict(&store.retry_failed(scene.job.id, T0).await), "nothing failed");
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    store.mark_lease(lease.id, lease.fence, LeaseState::Running, None, None, T0).await.unwrap();
    store.store_frame(&frame(&lease, 1), at(1)).await.unwrap();
    fail(&store, &lease, FailureClass::Crash, "boom").await;
    assert_eq!(store.job(scene.job.id).await.unwrap().frames_failed, 1);
    store.fail_job(scene.job.id, "the first task failed", at(10)).await.unwrap();
    let job = store.job(scene.job.id).await.unwrap();
    assert_eq!((job.state, job.reason.as_deref()), (JobState::Failed, Some("the first task failed")));
    assert_eq!(store.retry_failed(scene.job.id, at(11)).await.unwrap(), 2);
    let job = store.job(scene.job.id).await.unwrap();
    assert_eq!((job.state, job.frames_failed, job.ended_at, job.reason), (JobState::Running, 0, None, None));
    let ready = store.ready_tasks(at(12), 10, 10).await.unwrap();
    assert_eq!(ready.len(), 2);
    assert_eq!((ready[0].frames_left.clone(), ready[0].attempts), (vec![2], 0));
    assert!(ready[0].failed_on.is_empty() && ready[0].fence > lease.fence);
    assert!(store.attempts_of(scene.tasks[0].id).await.unwrap().is_empty());
    assert!(store.job_failures(&[scene.job.id]).await.unwrap().is_empty());
}

pub async fn a_job_ends_when_all_its_tasks_have(store: Store) {
    let scene = scene(&store, 2, 1).await;
    assert_eq!(store.end_job_if_done(scene.job.id, T0).await.unwrap(), None);
    let first = granted(&store, &scene.tasks[0], scene.worker.id).await;
    fail(&store, &first, FailureClass::NoCamera, "no camera").await;
    assert_eq!(store.end_job_if_done(scene.job.id, T0).await.unwrap(), None);
    let second = granted(&store, &scene.tasks[1], scene.worker.id).await;
    let stored = store.store_frame(&frame(&second, 2), at(3)).await.unwrap();
    assert!(stored.task_completed && !stored.job_completed);
    let ended = store.end_job_if_done(scene.job.id, at(4)).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.ended_at), (JobState::Failed, Some(at(4))));
    assert_eq!(ended.reason.as_deref(), Some("1 frame could not be rendered"));
    assert_eq!(store.end_job_if_done(scene.job.id, at(5)).await.unwrap(), None, "once");
}

pub async fn warnings_are_kept_once_and_failures_grouped(store: Store) {
    let scene = scene(&store, 9, 3).await;
    let warn = |text: String| {
        let store = store.clone();
        let job = scene.job.id;
        async move { store.add_job_warning(job, WarningClass::MissingFile, &text, at(1)).await.unwrap() }
    };
    assert!(warn("wood.png".to_owned()).await);
    assert!(!warn("wood.png".to_owned()).await);
    for n in 0..150 {
        warn(format!("{n}.png")).await;
    }
    assert_eq!(store.job_warnings(&[scene.job.id]).await.unwrap().len(), 100);
    for (n, class) in
        [FailureClass::Crash, FailureClass::Crash, FailureClass::TimeLimit].into_iter().enumerate()
    {
        let lease = granted(&store, &scene.tasks[n], scene.worker.id).await;
        fail(&store, &lease, class, &format!("message {n}")).await;
    }
    let failures = store.job_failures(&[scene.job.id]).await.unwrap();
    let crash = &failures[0];
    assert_eq!((crash.class, crash.attempts, crash.frames), (FailureClass::Crash, 2, 6));
    assert_eq!(crash.message, "message 1");
    assert_eq!(
        (failures[1].class, failures[1].attempts, failures[1].frames),
        (FailureClass::TimeLimit, 1, 3)
    );
}

pub async fn notes_of_several_jobs_come_at_once_and_are_told_apart(store: Store) {
    let one = scene(&store, 4, 2).await;
    let (other, tasks) = job(&store, one.account.id, 4, 2).await;
    let (bare, _) = job(&store, one.account.id, 2, 2).await;
    for (job, text) in [(one.job.id, "b.png"), (other.id, "a.png"), (one.job.id, "a.png")] {
        store.add_job_warning(job, WarningClass::MissingFile, text, at(1)).await.unwrap();
    }
    let lease = granted(&store, &one.tasks[0], one.worker.id).await;
    store.store_frame(&frame(&lease, 2), at(1)).await.unwrap();
    fail(&store, &lease, FailureClass::Crash, "boom").await;
    let lease = granted(&store, &tasks[0], one.worker.id).await;
    for (number, render_ms, when) in [(1, 1_000, at(9)), (2, 2_000, at(3))] {
        store.store_frame(&NewFrame { render_ms, ..frame(&lease, number) }, when).await.unwrap();
    }
    let lease = granted(&store, &tasks[1], one.worker.id).await;
    fail(&store, &lease, FailureClass::TimeLimit, "too long").await;

    let jobs = [one.job.id, other.id, bare.id];
    let of = |job: JobId| {
        let (store, jobs) = (store.clone(), jobs);
        async move {
            let warnings = store.job_warnings(&jobs).await.unwrap();
            let failures = store.job_failures(&jobs).await.unwrap();
            let warnings = warnings.into_iter().filter(|one| one.job_id == job).map(|one| one.text);
            let failures = failures.into_iter().filter(|one| one.job_id == job);
            let failures = failures.map(|one| (one.class, one.attempts, one.frames));
            let mean = store.job(job).await.unwrap().frame_mean().map(|mean| mean.0);
            let newest = store.newest_frames(&jobs).await.unwrap().get(&job).copied();
            (warnings.collect::<Vec<_>>(), failures.collect::<Vec<_>>(), mean, newest)
        }
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let crash = (FailureClass::Crash, 1, 1);
    assert_eq!(of(one.job.id).await, (texts(&["a.png", "b.png"]), vec![crash], Some(1_000), Some(2)));
    let late = (FailureClass::TimeLimit, 1, 2);
    assert_eq!(of(other.id).await, (texts(&["a.png"]), vec![late], Some(1_500), Some(1)));
    assert_eq!(of(bare.id).await, (vec![], vec![], None, None));
    assert!(store.job_warnings(&[]).await.unwrap().is_empty());
}
