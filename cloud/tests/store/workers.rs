//! Workers, their configuration files and connections.

use futures_util::future::join_all;
use pictor_actors::ids::{LinkId, WorkerId};
use pictor_actors::protocol::{MachineChanged, MachineFacts, MetricSample, Pause, PauseReason, SlotFacts};
use pictor_actors::units::UnixMillis;
use pictor_cloud::store::{
    ConflictKind, EnrolError, HeartbeatRow, NewWorkerRow, PageRequest, Store, StoreError, UploadVerdict,
    WorkerMinuteRow, WorkerSort,
};
use pictor_cloud_domain::lease::Outcome;

use crate::farm::{T0, account, at, connected, frame, granted, hello, scene, worker};

pub async fn a_name_is_unique_until_its_worker_is_removed(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let other = account(&store, "two@example.org").await.id;
    let rig = worker(&store, one, "rig").await;
    worker(&store, other, "rig").await;
    let second = worker(&store, one, "second").await;
    let new = NewWorkerRow { id: WorkerId::generate(), account_id: one, name: "rig".to_owned() };
    let taken = store.create_worker(&new, T0).await;
    assert!(matches!(taken, Err(StoreError::Conflict(ConflictKind::NameTaken))), "{taken:?}");
    let taken = store.rename_worker(one, second.id, "rig", T0).await;
    assert!(matches!(taken, Err(StoreError::Conflict(ConflictKind::NameTaken))));
    assert!(matches!(store.rename_worker(other, second.id, "x", T0).await, Err(StoreError::NotFound)));
    assert!(matches!(store.remove_worker(other, rig.id, T0).await, Err(StoreError::NotFound)));
    store.remove_worker(one, rig.id, at(1)).await.unwrap();
    assert!(matches!(store.worker_of(one, rig.id).await, Err(StoreError::NotFound)));
    assert_eq!(store.worker(rig.id).await.unwrap().removed_at, Some(at(1)));
    assert_eq!(store.rename_worker(one, second.id, "rig", at(2)).await.unwrap().updated_at, at(2));
}

pub async fn workers_are_listed_sorted_searched_and_paged(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let mut made = vec![];
    for (n, name) in ["delta", "alpha", "charlie", "bravo"].into_iter().enumerate() {
        let new = NewWorkerRow { id: WorkerId::generate(), account_id: one, name: name.to_owned() };
        made.push(store.create_worker(&new, at(i64::try_from(n).unwrap())).await.unwrap());
    }
    store.set_worker_pause(made[0].id, Some(&pause()), at(50)).await.unwrap();
    connected(&store, made[2].id, "b").await;
    let names = |sort, search: Option<&'static str>| {
        let store = store.clone();
        async move {
            let mut page = PageRequest::first(1);
            let mut seen = vec![];
            loop {
                let found = store.list_workers(one, sort, search, &page).await.unwrap();
                seen.extend(found.rows.into_iter().map(|row| row.name));
                let Some(next) = found.next else { break seen.join(" ") };
                page.cursor = Some(next);
            }
        }
    };
    assert_eq!(names(WorkerSort::Name, None).await, "alpha bravo charlie delta");
    assert_eq!(names(WorkerSort::Created, None).await, "bravo charlie alpha delta");
    assert_eq!(names(WorkerSort::Updated, None).await, "delta bravo alpha charlie");
    assert_eq!(names(WorkerSort::Status, None).await, "charlie alpha bravo delta");
    assert_eq!(names(WorkerSort::Name, Some("LPH")).await, "alpha");
    assert_eq!(names(WorkerSort::Name, Some("%")).await, "");
    assert_eq!(store.all_workers_of(one).await.unwrap().len(), 4);
    let all_names = store.worker_names(one).await.unwrap().into_iter().collect::<Vec<_>>();
    assert_eq!(all_names, ["alpha", "bravo", "charlie", "delta"]);
    assert_eq!(store.worker(made[0].id).await.unwrap().pause, Some(pause()));
}

fn pause() -> Pause {
    Pause { reason: PauseReason::Dashboard, until: None }
}

pub async fn a_configuration_file_is_traded_once(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let rig = worker(&store, one, "rig").await;
    let other = worker(&store, one, "other").await;
    store.put_enrolment(rig.id, "tok", at(60), T0).await.unwrap();
    let enrol = |token: &'static str, worker, key: &'static str, host: &'static str, now: UnixMillis| {
        let store = store.clone();
        async move { store.enrol(token, worker, key, host, now).await }
    };
    assert!(matches!(enrol("no", rig.id, "k1", "h1", T0).await, Err(EnrolError::Unknown)));
    assert!(matches!(enrol("tok", other.id, "k1", "h1", T0).await, Err(EnrolError::Unknown)));
    assert!(matches!(enrol("tok", rig.id, "k1", "h1", at(60)).await, Err(EnrolError::Expired)));
    let row = enrol("tok", rig.id, "k1", "h1", at(59)).await.unwrap();
    assert_eq!((row.public_key.as_deref(), row.hostname.as_deref()), (Some("k1"), Some("h1")));
    assert!(enrol("tok", rig.id, "k1", "h1", at(90)).await.is_ok(), "a lost answer is given again");
    assert!(matches!(enrol("tok", rig.id, "k2", "h1", at(91)).await, Err(EnrolError::Used)));
    assert!(matches!(enrol("tok", rig.id, "k2", "h2", at(91)).await, Err(EnrolError::KeyMismatch)));
}

pub async fn a_newer_configuration_file_replaces_the_older(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let rig = worker(&store, one, "rig").await;
    store.put_enrolment(rig.id, "old", at(60), T0).await.unwrap();
    store.put_enrolment(rig.id, "new", at(70), at(10)).await.unwrap();
    assert!(matches!(store.enrol("old", rig.id, "k1", "h", at(11)).await, Err(EnrolError::Unknown)));
    store.enrol("new", rig.id, "k1", "h", at(11)).await.unwrap();
    let link = connected(&store, rig.id, "bearer").await;
    store.put_enrolment(rig.id, "third", at(80), at(20)).await.unwrap();
    store.enrol("third", rig.id, "k2", "h2", at(21)).await.unwrap();
    let row = store.worker(rig.id).await.unwrap();
    assert_eq!((row.public_key.as_deref(), row.link_id), (Some("k2"), None), "{link} is cut off");
    assert!(matches!(store.enrol("new", rig.id, "k1", "h", at(22)).await, Err(EnrolError::Used)));
    store.put_enrolment(rig.id, "fourth", at(80), at(30)).await.unwrap();
    store.remove_worker(one, rig.id, at(31)).await.unwrap();
    assert!(matches!(store.enrol("fourth", rig.id, "k3", "h", at(32)).await, Err(EnrolError::Unknown)));
    assert!(matches!(store.put_enrolment(rig.id, "fifth", at(90), at(33)).await, Err(StoreError::NotFound)));
}

pub async fn a_newer_connection_supersedes_the_older(store: Store) {
    let scene = scene(&store, 2, 1).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let (first, second) = (LinkId::generate(), LinkId::generate());
    let hello = hello(scene.worker.id);
    store.open_link(scene.worker.id, first, "b1", &hello, at(1)).await.unwrap();
    let opened = store.open_link(scene.worker.id, second, "b2", &hello, at(2)).await.unwrap();
    assert_eq!((opened.row.link_id, opened.row.link_number), (Some(second), 2));
    assert_eq!(opened.row.machine, Some(hello.machine.clone()));
    assert_eq!(opened.live_leases, vec![lease]);
    assert_eq!(store.worker_by_bearer("b1").await.unwrap(), None);
    assert_eq!(store.worker_by_bearer("b2").await.unwrap().unwrap().id, scene.worker.id);
    store.close_link(scene.worker.id, first, at(3)).await.unwrap();
    assert!(store.worker_by_bearer("b2").await.unwrap().is_some(), "an older link closes nothing");
    store.close_link(scene.worker.id, second, at(4)).await.unwrap();
    let row = store.worker(scene.worker.id).await.unwrap();
    assert_eq!((row.link_id, row.disconnected_at), (None, Some(at(4))));
    assert_eq!(store.worker_by_bearer("b2").await.unwrap(), None);
    assert_eq!(store.live_leases_of_worker(scene.worker.id).await.unwrap().len(), 1, "leases stay");
}

pub async fn of_many_who_call_at_once_each_is_known(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let (first, second, removed) =
        (worker(&store, one, "a").await, worker(&store, one, "b").await, worker(&store, one, "c").await);
    for (worker, bearer) in [(&first, "b1"), (&second, "b2"), (&removed, "b3")] {
        connected(&store, worker.id, bearer).await;
    }
    store.remove_worker(one, removed.id, at(1)).await.unwrap();
    let of_bearer = [
        ("b1", Some(first.id)),
        ("none", None),
        ("b2", Some(second.id)),
        ("b3", None),
        ("b1", Some(first.id)),
    ];
    let asked = (0..20).flat_map(|_| of_bearer);
    let told = join_all(asked.clone().map(|(bearer, _)| store.worker_by_bearer(bearer))).await;
    let told: Vec<_> = told.into_iter().map(|known| known.unwrap().map(|known| known.id)).collect();
    assert_eq!(told, asked.map(|(_, id)| id).collect::<Vec<_>>());
}

pub async fn what_a_machine_is_now_is_taken_from_its_newest_connection_only(store: Store) {
    let rig = scene(&store, 1, 1).await.worker.id;
    let link = connected(&store, rig, "b").await;
    let changed = |name: &str| MachineChanged {
        machine: MachineFacts { hostname: name.to_owned(), ..MachineFacts::default() },
        slots: vec![SlotFacts { slot: 3, gpu_pci_id: None, engines: vec![], enabled: true }],
    };
    store.save_machine(rig, link, &changed("rig"), at(5)).await.unwrap();
    store.save_machine(rig, LinkId::generate(), &changed("stranger"), at(6)).await.unwrap();
    let row = store.worker(rig).await.unwrap();
    let MachineChanged { machine, slots } = changed("rig");
    assert_eq!((row.machine, row.slots, row.link_id), (Some(machine), Some(slots), Some(link)));
}

pub async fn many_heartbeats_are_kept_and_renew_leases(store: Store) {
    let scene = scene(&store, 2, 1).await;
    let mut beats = vec![];
    for n in 0..250 {
        let rig = worker(&store, scene.account.id, &format!("rig-{n}")).await.id;
        let link_id = connected(&store, rig, &format!("b{n}")).await;
        let sample = (n % 2 == 0).then(|| MetricSample { cpu_percent: Some(5.0), ..MetricSample::default() });
        beats.push(HeartbeatRow { worker: rig, link_id, at: at(9), sample, live: None });
    }
    beats[7].link_id = LinkId::generate();
    let live = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let ended = granted(&store, &scene.tasks[1], scene.worker.id).await;
    store.release_leases(&[ended.id], Outcome::Released, T0).await.unwrap();
    store.save_heartbeats(&beats, &[(live.id, at(500)), (ended.id, at(500))]).await.unwrap();
    store.save_heartbeats(&[], &[(live.id, at(400))]).await.unwrap();
    for (n, beat) in beats.iter().enumerate() {
        let row = store.worker(beat.worker).await.unwrap();
        let expected = if n == 7 { T0 } else { at(9) };
        assert_eq!(row.last_heartbeat_at, Some(expected), "{n}");
        assert_eq!(row.sample.is_some(), n % 2 == 0, "{n}");
    }
    assert_eq!(store.lease(live.id).await.unwrap().expires_at, at(500), "never shortened");
    assert_eq!(store.lease(ended.id).await.unwrap().expires_at, at(120));
}

pub async fn only_who_should_be_there_counts_as_silent(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let mut links = vec![];
    for name in ["there", "left", "removed", "came back"] {
        let rig = worker(&store, one, name).await.id;
        links.push((rig, connected(&store, rig, name).await));
    }
    worker(&store, one, "never seen").await;
    for (rig, link) in [links[1], links[3]] {
        store.leave_link(rig, link, at(1)).await.unwrap();
    }
    store.remove_worker(one, links[2].0, at(1)).await.unwrap();
    connected(&store, links[3].0, "again").await;
    assert_eq!(store.last_signs(UnixMillis(T0.0 - 1)).await.unwrap(), [T0, T0]);
    assert_eq!(store.last_signs(T0).await.unwrap(), [], "silent for too long");
}

pub async fn a_removed_worker_gives_its_leases_back(store: Store) {
    let scene = scene(&store, 1, 1).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    connected(&store, scene.worker.id, "b").await;
    let released = store.remove_worker(scene.account.id, scene.worker.id, at(5)).await.unwrap();
    assert_eq!(released.iter().map(|row| row.id).collect::<Vec<_>>(), [lease.id]);
    assert_eq!(store.worker_by_bearer("b").await.unwrap(), None);
    let task = store.task(scene.tasks[0].id).await.unwrap();
    assert_eq!(task.lease_id, None);
    let late = store.lease_for_upload(lease.id, lease.fence, 1).await.unwrap();
    assert_eq!(late, UploadVerdict::Superseded, "a removed worker delivers nothing");
    let late = store.store_frame(&frame(&lease, 1), at(6)).await;
    assert!(matches!(late, Err(StoreError::StaleFence)), "{late:?}");
    let gone =
        store.open_link(scene.worker.id, LinkId::generate(), "c", &hello(scene.worker.id), at(6)).await;
    assert!(matches!(gone, Err(StoreError::NotFound)));
}

pub async fn minutes_replace_and_are_dropped_by_age(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let rig = worker(&store, one, "rig").await.id;
    let minute = |n: i64, cpu: i64| WorkerMinuteRow {
        worker_id: rig,
        minute_at: at(n * 60),
        readings: serde_json::json!({ "cpu": cpu }),
    };
    let rows: Vec<_> = (0..150).map(|n| minute(n, n)).collect();
    store.save_worker_minutes(&rows).await.unwrap();
    store.save_worker_minutes(&[minute(3, 99)]).await.unwrap();
    assert_eq!(store.worker_minutes(rig, at(148 * 60)).await.unwrap(), rows[148..]);
    assert_eq!(store.drop_worker_minutes(at(600), 4).await.unwrap(), 4);
    assert_eq!(store.drop_worker_minutes(at(600), 100).await.unwrap(), 6);
    assert_eq!(
        store.drop_worker_minutes(at(9_000), 1_000).await.unwrap(),
        140,
        "the same minute was replaced"
    );
}
