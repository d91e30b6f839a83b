//! The only place with SQL: rows in, rows out, over SQLite or PostgreSQL.
//!
//! Owns the tables, their constraints and every transaction. Does not decide: which task goes where and what a failure
//! means is the domain's; the store only makes each change conditional, so that of two that contradict one wins.
//! A function that changes something does it in one transaction, or not at all.
#![allow(clippy::todo, unused_variables, clippy::unused_async)] // signatures first

mod accounts;
mod credentials;
mod error;
mod frames;
mod idempotency;
mod jobs;
mod leases;
mod logs;
mod page;
mod sql;
mod tasks;
mod uploads;
mod workers;

use std::sync::Arc;

use pictor_actors::now::Clock;

pub use accounts::{AccountPatch, AccountRow, NewAccount, Role, UnknownRole};
pub use credentials::{SessionRow, TokenRow};
pub use error::{ConflictKind, Result, Source, StoreError};
pub use frames::{FrameRow, FrameStoredRow, NewFrame, UploadVerdict};
pub use idempotency::Begin;
pub use jobs::{FailureRow, JobPatch, JobRow, JobWarningRow, NewJobRow};
pub use leases::{AttemptEnd, EndedAttempt, Failure, Grant, GrantOutcome, LeaseRow, TaskGoes};
pub use logs::LogRow;
pub use page::{Cursor, PAGE_ROWS, PAGE_ROWS_MAX, PageOf, PageRequest};
pub use tasks::{NewTaskRow, ReadyTask, TaskRow};
pub use uploads::{BlobRow, NewUploadRow, PartRow, UploadRow, UploadState};
pub use workers::{
    EnrolError, HeartbeatRow, NewWorkerRow, OpenedLink, WorkerMinuteRow, WorkerRow, WorkerSort,
};

use crate::config::DatabaseConfig;

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store {}

impl Store {
    /// Opens (for SQLite: makes) the database, brings its schema up to this program's, and reads its settings back.
    ///
    /// Must be called inside a tokio runtime. Fails with [`StoreError::Unavailable`] when the database cannot be
    /// reached, was brought to a newer schema by a newer program, or does not keep a setting that safety rests on.
    pub async fn open(config: &DatabaseConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        todo!()
    }

    /// A fresh SQLite database in a folder of its own, which goes away with the last clone.
    ///
    /// # Panics
    /// Where there is no temporary folder: tests only.
    pub async fn for_testing() -> Self {
        todo!()
    }

    /// Whether the database answers and can write; for readiness.
    pub async fn probe(&self) -> Result<()> {
        todo!()
    }
}
