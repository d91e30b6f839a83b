//! Rows to begin with: an account, workers, a job cut into tasks.

use pictor_actors::ids::{AccountId, JobId, LeaseId, LinkId, TaskId, WorkerId};
use pictor_actors::protocol::assignment::RenderSettings;
use pictor_actors::protocol::{Hello, MachineFacts};
use pictor_actors::units::{BlobHash, UnixMillis};
use pictor_cloud::store::{
    AccountRow, Grant, GrantOutcome, JobRow, LeaseRow, NewAccount, NewFrame, NewJobRow, NewTaskRow,
    NewWorkerRow, Role, Store, TaskRow, WorkerRow,
};
use pictor_cloud_domain::job::JobState;

/// A moment to begin with.
pub const T0: UnixMillis = UnixMillis(1_700_000_000_000);

pub fn at(seconds: i64) -> UnixMillis {
    UnixMillis(T0.0 + seconds * 1000)
}

pub fn hash(seed: u8) -> BlobHash {
    BlobHash::from_bytes([seed; 32])
}

pub async fn account(store: &Store, email: &str) -> AccountRow {
    store.create_account(&new_account(email), T0).await.unwrap()
}

pub fn new_account(email: &str) -> NewAccount {
    NewAccount {
        id: AccountId::generate(),
        email: email.to_owned(),
        name: "Some One".to_owned(),
        roles: vec![Role::Creator, Role::Provider],
        password_hash: None,
    }
}

pub async fn worker(store: &Store, account: AccountId, name: &str) -> WorkerRow {
    let new = NewWorkerRow { id: WorkerId::generate(), account_id: account, name: name.to_owned() };
    store.create_worker(&new, T0).await.unwrap()
}

pub fn hello(worker: WorkerId) -> Hello {
    Hello {
        version: 1,
        worker,
        signature: String::new(),
        app_version: "0.1.0".to_owned(),
        machine: MachineFacts { hostname: "rig".to_owned(), cpu_count: 8, ..MachineFacts::default() },
        slots: vec![],
        held: vec![],
        pause: None,
        only_asks: false,
    }
}

pub fn new_job(account: AccountId, name: &str, frames: u32) -> NewJobRow {
    NewJobRow {
        id: JobId::generate(),
        account_id: account,
        name: name.to_owned(),
        state: JobState::Ready,
        priority: 50,
        source_hash: hash(1),
        inputs_hash: Some(hash(2)),
        main: "scene.blend".to_owned(),
        settings: RenderSettings::default(),
        engine: None,
        frame_time_limit_ms: 3_600_000,
        frames: format!("1-{frames}"),
        frames_total: frames,
        chunk: None,
    }
}

/// A job with tasks of `chunk` frames each.
pub async fn job(store: &Store, account: AccountId, frames: u32, chunk: u32) -> (JobRow, Vec<TaskRow>) {
    job_of(store, &new_job(account, "film", frames), chunk).await
}

pub async fn job_of(store: &Store, new: &NewJobRow, chunk: u32) -> (JobRow, Vec<TaskRow>) {
    let job = store.create_job(new, T0).await.unwrap();
    let tasks: Vec<NewTaskRow> = (0..new.frames_total / chunk)
        .map(|n| NewTaskRow {
            id: TaskId::generate(),
            frames: format!("{}-{}", n * chunk + 1, (n + 1) * chunk),
            frames_total: chunk,
        })
        .collect();
    let job = store.cut_tasks(job.id, 0, &tasks, T0).await.unwrap();
    let tasks = store.open_tasks_of(job.id).await.unwrap();
    (job, tasks)
}

pub fn a_grant(task: &TaskRow, worker: WorkerId) -> Grant {
    Grant {
        lease: LeaseId::generate(),
        task: task.id,
        worker,
        slot: 0,
        expected_fence: task.fence,
        expires_at: at(120),
        lost_after: None,
    }
}

pub async fn granted(store: &Store, task: &TaskRow, worker: WorkerId) -> LeaseRow {
    match store.grant_leases(&[a_grant(task, worker)], T0).await.unwrap().remove(0) {
        GrantOutcome::Granted(lease) => lease,
        GrantOutcome::Refused => panic!("the grant was refused"),
    }
}

pub fn frame(lease: &LeaseRow, number: i32) -> NewFrame {
    let seed = u8::try_from(number % 250).unwrap();
    NewFrame {
        lease: lease.id,
        fence: lease.fence,
        frame: number,
        hash: hash(seed),
        size: 100,
        render_ms: 1_000,
    }
}

/// A worker, a job of one task per `chunk` frames, and its first task granted.
pub struct Scene {
    pub account: AccountRow,
    pub worker: WorkerRow,
    pub job: JobRow,
    pub tasks: Vec<TaskRow>,
}

pub async fn scene(store: &Store, frames: u32, chunk: u32) -> Scene {
    let account = account(store, "one@example.org").await;
    let worker = worker(store, account.id, "rig").await;
    let (job, tasks) = job(store, account.id, frames, chunk).await;
    Scene { account, worker, job, tasks }
}

pub async fn connected(store: &Store, worker: WorkerId, bearer: &str) -> LinkId {
    let link = LinkId::generate();
    store.open_link(worker, link, bearer, &hello(worker), T0).await.unwrap();
    link
}
