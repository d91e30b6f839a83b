//! Accounts, workers and jobs to begin a test with, written straight into the store.

use pictor_actors::ids::{AccountId, JobId, LeaseId, LinkId, SessionId, TaskId, TokenId, WorkerId};
use pictor_actors::protocol::assignment::RenderSettings;
use pictor_actors::protocol::{Hello, LeaseRef, MachineFacts, SlotFacts};
use pictor_actors::units::{BlobHash, Millis};
use pictor_cloud::http::guards::{FORM_HEADER, TOKEN_PREFIX, WORKER_BEARER_PREFIX, form_token};
use pictor_cloud::secrets::{hash_password, new_secret};
use pictor_cloud::store::{
    Grant, GrantOutcome, JobRow, NewAccount, NewJobRow, NewTaskRow, NewWorkerRow, Role, SessionRow, TokenRow,
    WorkerRow,
};
use pictor_cloud_domain::job::{FrameSet, JobState};

use super::app::TestApp;
use super::client::Client;

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";
const DAY: Millis = Millis::from_secs(24 * 3600);

/// An account.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: AccountId,
    pub email: String,
    pub name: String,
}

impl Person {
    pub fn named(name: &str) -> Self {
        Self { id: AccountId::generate(), email: format!("{name}@example.org"), name: name.to_owned() }
    }
}

/// A worker with an open connection, as the store sees it.
#[derive(Clone)]
pub struct TestWorker {
    pub row: WorkerRow,
    pub link: LinkId,
    /// Sends the connection's bearer.
    pub client: Client,
}

/// A job with one task that is leased to a worker.
pub struct SeedJob {
    pub row: JobRow,
    pub task: TaskId,
    pub lease: LeaseRef,
}

impl TestApp {
    pub(super) async fn seed_owner(&self) {
        self.seed_account(&self.owner, &Role::ALL).await;
    }

    /// Another account with every role.
    pub async fn stranger(&self) -> Person {
        self.account("stranger", &Role::ALL).await
    }

    pub async fn account(&self, name: &str, roles: &[Role]) -> Person {
        let person = Person::named(name);
        self.seed_account(&person, roles).await;
        person
    }

    async fn seed_account(&self, person: &Person, roles: &[Role]) {
        let new = NewAccount {
            id: person.id,
            email: person.email.clone(),
            name: person.name.clone(),
            roles: roles.to_vec(),
            password_hash: Some(hash_password(PASSWORD).unwrap()),
        };
        self.store.create_account(&new, self.now()).await.unwrap();
    }

    /// A browser in which the owner is signed in; sends the form token by header.
    pub async fn sign_in(&self) -> Client {
        self.sign_in_as(&self.owner).await
    }

    pub async fn sign_in_as(&self, person: &Person) -> Client {
        let (secret, secret_hash) = new_secret("").unwrap();
        let now = self.now();
        let session = SessionRow {
            id: SessionId::generate(),
            account_id: person.id,
            secret_hash,
            user_agent: "a test".into(),
            created_at: now,
            last_used_at: now,
            expires_at: now.plus(DAY),
        };
        self.store.create_session(&session).await.unwrap();
        self.nobody().with("cookie", format!("pictor={secret}")).with(FORM_HEADER, form_token(&secret))
    }

    /// A program with a token of the owner with these scopes (`"jobs"`, `"read"` …).
    pub async fn token(&self, scopes: &str) -> Client {
        self.token_of(&self.owner, scopes).await
    }

    pub async fn token_of(&self, person: &Person, scopes: &str) -> Client {
        let (secret, secret_hash) = new_secret(TOKEN_PREFIX).unwrap();
        let token = TokenRow {
            id: TokenId::generate(),
            account_id: person.id,
            name: "a test".into(),
            secret_hash,
            scopes: scopes.into(),
            created_at: self.now(),
            last_used_at: None,
            expires_at: None,
            revoked_at: None,
        };
        self.store.create_token(&token).await.unwrap();
        self.nobody().with("authorization", format!("Bearer {secret}"))
    }

    /// A connected worker of the owner.
    pub async fn worker(&self) -> TestWorker {
        self.worker_of(&self.owner, "rig-01").await
    }

    pub async fn worker_of(&self, person: &Person, name: &str) -> TestWorker {
        let new = NewWorkerRow { id: WorkerId::generate(), account_id: person.id, name: name.into() };
        self.store.create_worker(&new, self.now()).await.unwrap();
        self.connect(new.id).await
    }

    /// Opens a connection of a worker; the one before is superseded.
    pub async fn connect(&self, worker: WorkerId) -> TestWorker {
        let (bearer, bearer_hash) = new_secret(WORKER_BEARER_PREFIX).unwrap();
        let link = LinkId::generate();
        let opened =
            self.store.open_link(worker, link, &bearer_hash, &hello(worker), self.now()).await.unwrap();
        let client = self.nobody().with("authorization", format!("Bearer {bearer}"));
        TestWorker { row: opened.row, link, client }
    }

    /// A job of the owner without tasks, of which no actor has heard.
    pub async fn job(&self, frames: &str) -> JobRow {
        self.job_of(&self.owner, frames).await
    }

    pub async fn job_of(&self, person: &Person, frames: &str) -> JobRow {
        let frames: FrameSet = frames.parse().unwrap();
        let new = NewJobRow {
            id: JobId::generate(),
            account_id: person.id,
            name: "lamp".into(),
            state: JobState::Ready,
            priority: 50,
            source_hash: BlobHash::from_bytes([7; 32]),
            inputs_hash: Some(BlobHash::from_bytes([8; 32])),
            main: "lamp.blend".into(),
            settings: RenderSettings::default(),
            engine: None,
            frame_time_limit_ms: 60_000,
            frames: frames.to_string(),
            frames_total: frames.len(),
            chunk: None,
        };
        self.store.create_job(&new, self.now()).await.unwrap()
    }

    /// A job whose frames are one task, leased to the worker.
    pub async fn leased_job(&self, worker: &TestWorker, frames: &str) -> SeedJob {
        let job = self.job(frames).await;
        let task =
            NewTaskRow { id: TaskId::generate(), frames: job.frames.clone(), frames_total: job.frames_total };
        let row = self.store.cut_tasks(job.id, 0, std::slice::from_ref(&task), self.now()).await.unwrap();
        let lease = self.grant(task.id, worker.row.id, 0).await;
        SeedJob { row, task: task.id, lease }
    }

    /// Leases a pending task that has this fence.
    pub async fn grant(&self, task: TaskId, worker: WorkerId, expected_fence: u64) -> LeaseRef {
        let lease = LeaseId::generate();
        let expires_at = self.now().plus(DAY);
        let grant = Grant { lease, task, worker, slot: 0, expected_fence, expires_at, lost_after: None };
        match self.store.grant_leases(&[grant], self.now()).await.unwrap().remove(0) {
            GrantOutcome::Granted(row) => LeaseRef { lease: row.id, fence: row.fence },
            GrantOutcome::Refused => panic!("the grant was refused"),
        }
    }
}

fn hello(worker: WorkerId) -> Hello {
    Hello {
        version: 1,
        worker,
        signature: String::new(),
        app_version: "0.0.0-test".into(),
        machine: MachineFacts { hostname: "rig".into(), os: "Debian".into(), ..MachineFacts::default() },
        slots: vec![SlotFacts { slot: 0, gpu_pci_id: None, engines: Vec::new(), enabled: true }],
        held: Vec::new(),
        pause: None,
        only_asks: false,
    }
}
