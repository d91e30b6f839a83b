//! One connection in use, of whichever database.

use pictor_actors::ids::JobId;
use sqlx::pool::PoolConnection;
use sqlx::{Postgres, Sqlite};

use super::dialect::{Dialect, Sql, execute, fetch};
use super::items::{Script, Template};
use super::row::{Column as _, FromRow, Row, Value};
use crate::store::error::{ConflictKind, Result, StoreError};

/// A connection, taken from a pool until it is dropped.
pub enum Session {
    /// To SQLite.
    Lite(PoolConnection<Sqlite>),
    /// To PostgreSQL.
    Post(PoolConnection<Postgres>),
}

impl Session {
    async fn rows(&mut self, sql: Sql, values: Vec<Value>) -> Result<Vec<Row>> {
        self.try_rows(sql, values).await.map_err(not_done)
    }

    async fn try_rows(&mut self, sql: Sql, values: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Lite(connection) => fetch::<Sqlite>(connection, sql, values).await,
            Self::Post(connection) => fetch::<Postgres>(connection, sql, values).await,
        }
    }

    /// All rows of the answer.
    pub async fn all<T: FromRow>(&mut self, sql: impl Into<Sql>, values: Vec<Value>) -> Result<Vec<T>> {
        self.rows(sql.into(), values).await?.iter().map(T::from_row).collect()
    }

    /// The first row, if there is one.
    pub async fn optional<T: FromRow>(
        &mut self,
        sql: impl Into<Sql>,
        values: Vec<Value>,
    ) -> Result<Option<T>> {
        self.rows(sql.into(), values).await?.first().map(T::from_row).transpose()
    }

    /// The first row; `NotFound` if there is none.
    pub async fn one<T: FromRow>(&mut self, sql: impl Into<Sql>, values: Vec<Value>) -> Result<T> {
        self.optional(sql, values).await?.ok_or(StoreError::NotFound)
    }

    /// Runs a statement; how many rows it changed.
    pub async fn run(&mut self, sql: impl Into<Sql>, values: Vec<Value>) -> Result<u64> {
        self.try_run(sql.into(), values).await.map_err(not_done)
    }

    /// Runs a statement that returns the row it wrote; one that breaks a unique index is this conflict.
    pub async fn one_unique<T: FromRow>(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
        kind: ConflictKind,
    ) -> Result<T> {
        let rows = self.try_rows(sql.into(), values).await.map_err(|error| match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => StoreError::Conflict(kind),
            _ => not_done(error),
        })?;
        rows.first().map(T::from_row).transpose()?.ok_or(StoreError::NotFound)
    }

    pub(super) async fn try_run(&mut self, sql: Sql, values: Vec<Value>) -> Result<u64, sqlx::Error> {
        match self {
            Self::Lite(connection) => execute::<Sqlite>(connection, sql, values).await,
            Self::Post(connection) => execute::<Postgres>(connection, sql, values).await,
        }
    }

    /// Keeps a job to oneself until the transaction ends: nothing of it is granted meanwhile.
    pub async fn lock_job(&mut self, id: JobId) -> Result<()> {
        let lock = match self {
            Self::Lite(_) => Sqlite::LOCK_JOB,
            Self::Post(_) => Postgres::LOCK_JOB,
        };
        if let Some(lock) = lock {
            self.run(lock, vec![id.value()]).await?;
        }
        Ok(())
    }

    /// Holds rows until the transaction ends, in the order of their ids: `select` names them and their table.
    pub async fn lock_rows(&mut self, select: String, values: Vec<Value>) -> Result<()> {
        let lock = match self {
            Self::Lite(_) => Sqlite::LOCK_ROWS,
            Self::Post(_) => Postgres::LOCK_ROWS,
        };
        if let Some(lock) = lock {
            self.run(select + lock, values).await?;
        }
        Ok(())
    }

    /// Holds the rows of a `SELECT` that ends in `{lock}` or `{share}` until the transaction ends.
    pub async fn hold(&mut self, select: &'static Template, values: Vec<Value>) -> Result<()> {
        if matches!(self, Self::Post(_)) {
            self.run(select.text(self), values).await?;
        }
        Ok(())
    }

    /// Runs a script with the rows of each of its statements.
    pub async fn run_script(&mut self, script: &'static Script, rows: Vec<Value>) -> Result<()> {
        self.run(script.text(self), rows).await.map(|_| ())
    }

    /// What ends a `SELECT` that takes only rows which nobody else holds.
    pub const fn take_free_rows(&self) -> &'static str {
        match self {
            Self::Lite(_) => Sqlite::TAKE_FREE_ROWS,
            Self::Post(_) => Postgres::TAKE_FREE_ROWS,
        }
    }

    /// The database's own time, as an expression.
    pub const fn now_text(&self) -> &'static str {
        match self {
            Self::Lite(_) => Sqlite::NOW,
            Self::Post(_) => Postgres::NOW,
        }
    }

    pub(super) const fn begin_text(&self) -> &'static str {
        match self {
            Self::Lite(_) => Sqlite::BEGIN_WRITE,
            Self::Post(_) => Postgres::BEGIN_WRITE,
        }
    }

    /// From here on everything is read as of one moment, until [`Self::end_snapshot`].
    pub async fn begin_snapshot(&mut self) -> Result<()> {
        let begin = match self {
            Self::Lite(_) => Sqlite::BEGIN_SNAPSHOT,
            Self::Post(_) => Postgres::BEGIN_SNAPSHOT,
        };
        self.run(begin, vec![]).await.map(|_| ())
    }

    /// The other side of [`Self::begin_snapshot`].
    pub async fn end_snapshot(mut self) {
        if self.run("ROLLBACK", vec![]).await.is_err() {
            self.discard();
        }
    }

    /// What a failed commit means.
    pub(super) fn commit_failed(&self, error: sqlx::Error) -> StoreError {
        let is_undone = match (&error, self) {
            (sqlx::Error::Database(database), Self::Lite(_)) => Sqlite::is_surely_undone(database.as_ref()),
            (sqlx::Error::Database(database), Self::Post(_)) => Postgres::is_surely_undone(database.as_ref()),
            _ => false,
        };
        if is_undone { not_done(error) } else { StoreError::Unknown(Box::new(error)) }
    }

    /// Takes the connection out of its pool and closes it: nobody may get one with a transaction left open.
    pub(super) fn discard(self) {
        match self {
            Self::Lite(connection) => drop(connection.detach()),
            Self::Post(connection) => drop(connection.detach()),
        }
    }
}

/// An error of a statement inside a transaction: the transaction will not be committed.
pub fn not_done(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::RowNotFound => StoreError::NotFound,
        error => StoreError::Unavailable(Box::new(error)),
    }
}

/// The placeholders of so many rows with so many values each: `($1, $2), ($3, $4)`.
pub fn table(rows: usize, columns: usize) -> String {
    let row = |first: usize| {
        let marks: Vec<_> = (first..first + columns).map(|number| format!("${number}")).collect();
        format!("({})", marks.join(", "))
    };
    (0..rows).map(|number| row(number * columns + 1)).collect::<Vec<_>>().join(", ")
}

/// `($2, $3, $4)`: that many placeholders from that number on, for `IN`.
pub fn list(first: usize, count: usize) -> String {
    let marks: Vec<_> = (first..first + count).map(|number| format!("${number}")).collect();
    format!("({})", marks.join(", "))
}

/// The values of a statement, in the order of `$1`, `$2`, …
macro_rules! args {
    ($($value:expr),* $(,)?) => {{
        #[allow(unused_imports)] // a list of none
        use $crate::store::sql::Column as _;
        vec![$($value.value()),*]
    }};
}

pub(in crate::store) use args;
