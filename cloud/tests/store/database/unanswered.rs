//! Commits whose outcome the database did not tell: on PostgreSQL, over a line that breaks.

use pictor_cloud::config::{DatabaseConfig, Secret};
use pictor_cloud::store::{GrantOutcome, Store, StoreError};

use super::cut::{Break, Cut};
use crate::engines::Engine;
use crate::farm::{Scene, T0, a_grant, frame, granted, new_account, scene};

/// A scene, and a store that reaches it over a line that can be cut.
async fn over_a_line(engine: &Engine) -> (Scene, Cut, Store) {
    let scene = scene(&engine.store, 4, 2).await;
    let cut = Cut::to(&engine.url()).await;
    let config = DatabaseConfig { url: Secret::new(cut.url.clone()), connections: 4 };
    let store = Store::open(&config).await.unwrap();
    (scene, cut, store)
}

#[tokio::test]
async fn an_unanswered_commit_is_told_apart_from_a_failed_write() {
    let engine = Engine::postgres().await;
    let (_, cut, store) = over_a_line(&engine).await;
    for (at, is_kept) in [(Break::AfterCommit, true), (Break::BeforeCommit, false)] {
        let new = new_account(&format!("kept-{is_kept}@example.org"));
        cut.arm(at);
        let made = store.create_account(&new, T0).await;
        assert!(matches!(made, Err(StoreError::Unknown(_))), "{made:?}");
        assert!(cut.has_broken());
        assert_eq!(store.account_by_email(&new.email).await.unwrap().is_some(), is_kept);
    }
    engine.end().await;
}

#[tokio::test]
async fn a_grant_whose_commit_was_not_answered_is_known_all_the_same() {
    let engine = Engine::postgres().await;
    let (scene, cut, store) = over_a_line(&engine).await;
    let kept = a_grant(&scene.tasks[0], scene.worker.id);
    cut.arm(Break::AfterCommit);
    let outcomes = store.grant_leases(std::slice::from_ref(&kept), T0).await.unwrap();
    assert!(cut.has_broken());
    assert!(matches!(&outcomes[..], [GrantOutcome::Granted(row)] if row.id == kept.lease), "{outcomes:?}");
    let again = store.grant_leases(&[a_grant(&scene.tasks[0], scene.worker.id)], T0).await.unwrap();
    assert_eq!(again, [GrantOutcome::Refused], "the task has its lease");
    let lost = a_grant(&scene.tasks[1], scene.worker.id);
    cut.arm(Break::BeforeCommit);
    let outcomes = store.grant_leases(std::slice::from_ref(&lost), T0).await.unwrap();
    assert!(cut.has_broken());
    assert_eq!(outcomes, [GrantOutcome::Refused], "it was rolled back");
    let outcomes = store.grant_leases(&[lost], T0).await.unwrap();
    assert!(matches!(&outcomes[..], [GrantOutcome::Granted(row)] if row.fence == 1), "{outcomes:?}");
    assert_eq!(store.live_leases_of_job(scene.job.id).await.unwrap().len(), 2);
    engine.end().await;
}

#[tokio::test]
async fn a_frame_whose_commit_was_not_answered_is_stored_and_counted_once() {
    let engine = Engine::postgres().await;
    let (scene, cut, store) = over_a_line(&engine).await;
    let task = &scene.tasks[0];
    let lease = granted(&engine.store, task, scene.worker.id).await;
    cut.arm(Break::AfterCommit);
    let first = store.store_frame(&frame(&lease, 1), T0).await.unwrap();
    assert!(cut.has_broken());
    assert!(first.already && !first.task_completed, "the second try finds the first: {first:?}");
    cut.arm(Break::BeforeCommit);
    let second = store.store_frame(&frame(&lease, 2), T0).await.unwrap();
    assert!(cut.has_broken());
    assert!(!second.already && second.task_completed, "the first try was rolled back: {second:?}");
    assert_eq!(store.frames_of(scene.job.id).await.unwrap().len(), 2);
    let (task, job) = (store.task(task.id).await.unwrap(), store.job(scene.job.id).await.unwrap());
    assert_eq!((task.frames_done, job.frames_done), (2, 2));
    assert_eq!(store.live_leases_of_job(job.id).await.unwrap(), []);
    engine.end().await;
}
