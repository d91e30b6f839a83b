//! Replicas: who lives, whose jobs are whose, whose sockets died.

use pictor_actors::ids::ReplicaId;
use pictor_actors::units::Millis;
use pictor_cloud::store::{Beat, HeartbeatRow, NewJobRow, Store};
use pictor_cloud_domain::job::JobState;
use serde_json::json;

use crate::farm::{T0, account, at, connected, granted, new_job, scene, worker};

const LONG: Millis = Millis::from_secs(60);
const OVER: Millis = Millis(0);

async fn beat(store: &Store, id: ReplicaId, lease: Millis) -> Vec<ReplicaId> {
    let beat = Beat { id, address: "here".into(), version: "1".into(), slots: json!({"any": 3}), lease };
    store.keep_replica(&beat).await.unwrap().into_iter().map(|row| row.id).collect()
}

pub async fn a_replica_lives_as_long_as_its_lease(store: Store) {
    let (one, other) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    assert_eq!(beat(&store, one, LONG).await, [one]);
    assert_eq!(beat(&store, other, LONG).await, [one, other]);
    assert_eq!(beat(&store, one, OVER).await, [other], "a lease that is over counts no more");
    assert_eq!(beat(&store, one, LONG).await, [one, other], "and is taken up again");
    store.end_replica(other).await.unwrap();
    let alive = store.replicas().await.unwrap();
    assert_eq!((alive.len(), alive[0].id, &alive[0].slots), (1, one, &json!({"any": 3})));
}

pub async fn every_live_job_gets_one_owner_and_a_dead_owners_jobs_another(store: Store) {
    let (one, other) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    let owner = account(&store, "one@example.org").await;
    for number in 0..250 {
        let state = if number < 240 { JobState::Ready } else { JobState::Uploading };
        let new = NewJobRow { state, ..new_job(owner.id, "film", 2) };
        store.create_job(&new, T0).await.unwrap();
    }
    beat(&store, one, LONG).await;
    beat(&store, other, LONG).await;
    let claim_all = async |me| {
        let mut sum = 0;
        loop {
            match store.claim_jobs(me, 20).await.unwrap() {
                0 => return sum,
                claimed => sum += claimed,
            }
        }
    };
    let (first, second) = tokio::join!(claim_all(one), claim_all(other));
    let rest = claim_all(one).await; // passed over while the other one held them
    assert_eq!(first + second + rest, 240);
    let mut all = store.jobs_of_replica(one).await.unwrap();
    all.extend(store.jobs_of_replica(other).await.unwrap());
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 240, "no job has two owners");

    let mine = store.jobs_of_replica(other).await.unwrap().first().copied();
    if let Some(job) = mine {
        assert!(!store.claim_job(one, job).await.unwrap(), "its owner lives");
        assert!(store.claim_job(other, job).await.unwrap());
    }
    beat(&store, other, OVER).await;
    claim_all(one).await;
    assert_eq!(store.jobs_of_replica(one).await.unwrap().len(), 240);
    store.end_replica(one).await.unwrap();
    beat(&store, other, LONG).await;
    assert!(store.claim_job(other, all[0]).await.unwrap(), "what was handed over is free at once");
}

pub async fn sockets_of_dead_replicas_are_ended_and_those_of_the_living_stay(store: Store) {
    let (one, other) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    beat(&store, one, LONG).await;
    beat(&store, other, OVER).await;
    let owner = account(&store, "one@example.org").await;
    let (a, b) = (worker(&store, owner.id, "a").await, worker(&store, owner.id, "b").await);
    connected(&store.of_replica(one), a.id, "bearer-a").await;
    connected(&store.of_replica(other), b.id, "bearer-b").await;
    assert_eq!(store.close_dead_links(at(5)).await.unwrap(), 1);
    assert_eq!(store.worker(a.id).await.unwrap().replica_id, Some(one));
    assert!(store.worker(a.id).await.unwrap().link_id.is_some());
    let dead = store.worker(b.id).await.unwrap();
    assert_eq!((dead.link_id, dead.disconnected_at), (None, Some(at(5))));
    assert!(store.worker_by_bearer("bearer-b").await.unwrap().is_some(), "its frames are still taken");
}

pub async fn leases_of_a_worker_at_another_living_replica_are_left_to_that_one(store: Store) {
    let (one, other) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    let (here, there) = (store.of_replica(one), store.of_replica(other));
    beat(&store, one, LONG).await;
    beat(&store, other, LONG).await;
    let scene = scene(&store, 4, 2).await;
    connected(&there, scene.worker.id, "bearer").await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let expired = async |store: &Store| store.expired_leases(at(1_000), 10).await.unwrap().len();
    assert_eq!((expired(&here).await, expired(&there).await), (0, 1));
    beat(&store, other, OVER).await;
    assert_eq!(expired(&here).await, 1, "the other one is dead: anybody may take it");
    assert_eq!(here.workers_elsewhere_on(&[scene.job.id]).await.unwrap().len(), 1);
    assert_eq!(there.workers_elsewhere_on(&[scene.job.id]).await.unwrap().len(), 0);
    assert_eq!(here.workers_elsewhere(at(9), 5).await.unwrap()[0].id, scene.worker.id);
    assert_eq!(there.workers_elsewhere(at(9), 5).await.unwrap().len(), 0);

    assert_eq!(store.lease_news(&[lease.id]).await.unwrap(), []);
    store.pause_job(scene.job.id, at(2)).await.unwrap();
    let news = store.lease_news(&[lease.id]).await.unwrap();
    assert_eq!(news.len(), 1, "its job is paused, or it was an offer and went back");
}

pub async fn what_a_worker_does_is_kept_with_its_heartbeat(store: Store) {
    let scene = scene(&store, 4, 2).await;
    let (rig, one) = (scene.worker.id, store.of_replica(ReplicaId::from_u128(1)));
    let link_id = connected(&one, rig, "bearer").await;
    let beat = |live| HeartbeatRow { worker: rig, link_id, at: at(9), sample: None, live };
    let beats = [beat(Some(json!({"slots": []})))];
    store.save_heartbeats(&beats, &[]).await.unwrap();
    store.save_heartbeats(&[beat(None)], &[]).await.unwrap();
    assert_eq!(store.worker(rig).await.unwrap().live, Some(json!({"slots": []})));
    let other = store.of_replica(ReplicaId::from_u128(2));
    for (asking, is_told) in [(&one, false), (&other, true)] {
        let standing = asking.worker_standings(scene.worker.account_id).await.unwrap().remove(0);
        assert_eq!((standing.id, standing.link_id), (rig, Some(link_id)));
        assert_eq!(standing.live.is_some(), is_told, "one's own workers are known better than by their rows");
    }
    let before = store.worker_news(&beats).await.unwrap().remove(0);
    assert_eq!((before.id, before.link_id), (rig, Some(link_id)));
    store.set_worker_pause(rig, None, at(77)).await.unwrap();
    let after = store.worker_news(&beats).await.unwrap().remove(0);
    assert_eq!((before.updated_at, after.updated_at), (T0, at(77)), "a change by a person shows");
    connected(&one, rig, "newer").await;
    assert_eq!(store.worker(rig).await.unwrap().live, None, "of the connection before");
}
