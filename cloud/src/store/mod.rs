//! The only place with SQL: rows in, rows out, over SQLite or PostgreSQL.
//!
//! Owns the tables, their constraints and every transaction. Does not decide: which task goes where and what
//! a failure means is the domain's; the store only makes each change conditional, so that of two that
//! contradict one wins. A function that changes something does it in one transaction, or not at all.

mod accounts;
mod audit;
mod credentials;
mod error;
mod frames;
mod idempotency;
mod jobs;
mod leases;
mod logs;
mod replicas;
mod sql;
mod tasks;
mod uploads;
mod workers;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use pictor_actors::ids::{LeaseId, ReplicaId, UploadId};

pub use accounts::{AccountPatch, AccountRow, NewAccount, Role, UnknownRole};
pub use audit::{Checked, ROWS_TOLD};
pub use credentials::{SessionRow, TokenRow};
pub use error::{ConflictKind, Result, Source, StoreError, between};
pub use frames::{FrameRow, FrameStoredRow, NewFrame, UploadVerdict};
pub use idempotency::Begin;
pub use jobs::{FailureRow, JobPatch, JobRow, JobWarningRow, NewJobRow};
pub use leases::{AttemptEnd, EndedAttempt, Failure, Grant, GrantOutcome, LeaseRow, TaskGoes};
pub use logs::LogRow;
pub use replicas::{Beat, LeaseNews, ReplicaRow, WorkerNews};
pub use sql::SchemaError;
pub use sql::page::{Cursor, PAGE_ROWS, PAGE_ROWS_MAX, PageOf, PageRequest};
pub use tasks::{LiveLeaseRow, NewTaskRow, OpenTaskRow, ReadyTask, TaskRow};
pub use uploads::blobs::BlobRow;
pub use uploads::removals::{REMOVALS_A_PAGE, RemovalRow};
pub use uploads::{NewUploadRow, PartRow, UploadRow, UploadState};
pub use workers::{
    EnrolError, EnrolmentProblemRow, HeartbeatRow, KnownWorker, NewWorkerRow, OpenedLink, WorkerMinuteRow,
    WorkerRow, WorkerSort, WorkerStanding,
};

use crate::config::DatabaseConfig;
use sql::{Answers, Engine, FromRow, Gatherer, Session, Sql, Value};

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store {
    engine: Arc<Engine>,
    groups: Arc<Groups>,
    /// The process that works through this handle, where there may be several.
    replica: Option<ReplicaId>,
    /// Keeps a test's folder until its last store is gone.
    _folder: Option<Arc<TestFolder>>,
}

/// The busiest questions and writes: those of one kind that come at the same time are one.
struct Groups {
    bearers: Gatherer<String, Option<KnownWorker>>,
    verdicts: Gatherer<(LeaseId, u64, i32), UploadVerdict>,
    frames: Gatherer<frames::Delivery, FrameStoredRow>,
    marks: Gatherer<leases::Mark, LeaseRow>,
}

impl Groups {
    fn start(engine: &Arc<Engine>) -> Self {
        Self {
            bearers: asked_together(engine, |session, all| {
                Box::pin(async move { workers::by_bearers(session, &all).await })
            }),
            verdicts: asked_together(engine, |session, all| {
                Box::pin(async move { frames::verdicts(session, &all).await })
            }),
            frames: written_together(engine, |session, all| {
                Box::pin(async move { frames::store_all(session, &all).await })
            }),
            marks: written_together(engine, |session, all| {
                Box::pin(async move { leases::mark_all(session, &all).await })
            }),
        }
    }
}

/// Far above what it takes. Nobody may wait for ever behind a connection that has gone dead.
const ASKED_WITHIN: Duration = Duration::from_secs(15);

/// Asks or writes many of a kind at once.
type All<I, O> = for<'s> fn(&'s mut Session, Arc<[I]>) -> BoxFuture<'s, Answers<O>>;

fn asked_together<I, O>(engine: &Arc<Engine>, all: All<I, O>) -> Gatherer<I, O>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    let engine = Arc::clone(engine);
    Gatherer::start(move |items: Arc<[I]>| {
        let engine = Arc::clone(&engine);
        Box::pin(async move {
            let asking = async { all(&mut engine.reader().await?, items).await };
            let late = || StoreError::Unavailable("the database did not answer in time".into());
            tokio::time::timeout(ASKED_WITHIN, asking).await.unwrap_or_else(|_| Err(late()))
        })
    })
}

fn written_together<I, O>(engine: &Arc<Engine>, all: All<I, O>) -> Gatherer<I, O>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    let engine = Arc::clone(engine);
    Gatherer::start(move |items: Arc<[I]>| {
        let engine = Arc::clone(&engine);
        Box::pin(async move { engine.begin_write(move |session| all(session, items)).await })
    })
}

impl Store {
    /// Opens (for SQLite: makes) the database, brings its schema up to this program's, and reads its settings
    /// back.
    ///
    /// Must be called inside a tokio runtime. Fails with [`StoreError::Unavailable`] when the database cannot
    /// be reached, was brought to a newer schema by a newer program, or does not keep a setting that safety
    /// rests on.
    pub async fn open(config: &DatabaseConfig) -> Result<Self> {
        Ok(Self::over(Engine::open(config).await?))
    }

    fn over(engine: Engine) -> Self {
        let engine = Arc::new(engine);
        let groups = Arc::new(Groups::start(&engine));
        Self { engine, groups, replica: None, _folder: None }
    }

    /// Whether a cloud's database is there, as [`Self::open`] would find and not make it.
    ///
    /// Fails with [`StoreError::Unavailable`] when its server cannot be asked.
    pub async fn is_there(config: &DatabaseConfig) -> Result<bool> {
        sql::is_there(config).await
    }

    /// Opens the database for reading only, beside a cloud that works on it. Fails where it has another
    /// schema than this program's; writes fail.
    pub async fn open_to_read(config: &DatabaseConfig) -> Result<Self> {
        Ok(Self::over(Engine::open_to_read(config).await?))
    }

    /// A fresh SQLite database in a folder of its own, which goes away with the last clone.
    ///
    /// # Panics
    /// Where there is no temporary folder: tests only.
    #[allow(clippy::expect_used)] // a test without a folder cannot go on
    pub async fn for_testing() -> Self {
        let folder = TestFolder::new().expect("a temporary folder");
        let config = DatabaseConfig::in_folder(&folder.0);
        let store = Self::open(&config).await.expect("a fresh database");
        Self { _folder: Some(Arc::new(folder)), ..store }
    }

    /// The same database, as this replica uses it: connections of workers are noted as its own.
    #[must_use]
    pub fn of_replica(&self, id: ReplicaId) -> Self {
        Self { replica: Some(id), ..self.clone() }
    }

    /// Whether the database answers and lets itself be written to; for readiness.
    pub async fn probe(&self) -> Result<()> {
        self.begin_write(|session| {
            Box::pin(async move {
                session.all::<sql::Number>("SELECT COUNT(*) AS number FROM setup_tokens", vec![]).await
            })
        })
        .await
        .map(|_| ())
    }

    /// Waits for writes under way and closes the database; later calls are refused.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    async fn begin_write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T>> + Clone + Send + 'static,
    {
        self.engine.begin_write(work).await
    }

    async fn reader(&self) -> Result<Session> {
        self.engine.reader().await
    }

    async fn all<T: FromRow>(&self, sql: impl Into<Sql>, values: Vec<Value>) -> Result<Vec<T>> {
        self.reader().await?.all(sql, values).await
    }

    async fn optional<T: FromRow>(&self, sql: impl Into<Sql>, values: Vec<Value>) -> Result<Option<T>> {
        self.reader().await?.optional(sql, values).await
    }

    async fn one<T: FromRow>(&self, sql: impl Into<Sql>, values: Vec<Value>) -> Result<T> {
        self.reader().await?.one(sql, values).await
    }

    /// A write of one statement.
    async fn write_one(&self, sql: &'static str, values: Vec<Value>) -> Result<u64> {
        self.begin_write(move |session| Box::pin(async move { session.run(sql, values).await })).await
    }
}

/// A folder that is removed when dropped.
struct TestFolder(PathBuf);

impl TestFolder {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("pictor-{}", UploadId::generate()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        // Left behind at worst: it lies among temporary files.
        drop(std::fs::remove_dir_all(&self.0));
    }
}
