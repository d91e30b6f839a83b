//! All that SQLite and PostgreSQL do not share, in one place: how a write begins, what locks a job, what the
//! error codes mean. The SQL of every function is one text for both.

use sqlx::database::HasStatementCache;
use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, Database, Encode, Executor, IntoArguments, Postgres, Sqlite, Type, query::Query};

use super::row::{Row, Value};
use crate::store::error::StoreError;

/// A database that the store runs on.
pub trait Dialect: Database + HasStatementCache {
    /// Begins a transaction that will write. SQLite must take the write lock at once: a plain `BEGIN` that
    /// reads first fails with BUSY_SNAPSHOT as soon as there is a second writer, and no time-out helps.
    const BEGIN_WRITE: &'static str;
    /// Begins a transaction that only reads, and sees one moment of the database throughout.
    const BEGIN_SNAPSHOT: &'static str;
    /// Keeps a job's row to oneself until the end of the transaction: nobody else holds it, and nobody grants
    /// one of its tasks meanwhile. Nothing on SQLite: there is one writer anyway.
    const LOCK_JOB: Option<&'static str>;
    /// What makes a `SELECT` hold its rows, ascending, until the end of the transaction: an `UPDATE` of many
    /// rows takes them in whatever order it finds them. Who only refers to a row (a log line, a frame), or
    /// shares it, need not wait. Nothing on SQLite, as above.
    const LOCK_ROWS: Option<&'static str>;
    /// The same together with all but those who keep such a row to themselves.
    const SHARE_ROWS: Option<&'static str>;
    /// Takes the rows of `$1` apart, see [`super::items`].
    const ITEMS: &'static str;
    /// What stands before and after a condition and an order on `tasks AS first`, so that it finds the first
    /// few tasks of each row before it: in one way only one database reads no more than these, in the other
    /// only the other.
    const FIRST_TASKS: (&'static str, &'static str);
    /// Ends a `SELECT` that takes rows for this transaction and passes over those that others hold; not over
    /// those that others only refer to.
    const TAKE_FREE_ROWS: &'static str;
    /// The database's own time in milliseconds since 1970: the clocks of replicas differ, this one is theirs
    /// together.
    const NOW: &'static str;

    /// A row of an answer.
    fn row(row: Self::Row) -> Row;

    /// How many rows a statement changed.
    fn changed(result: &Self::QueryResult) -> u64;

    /// Whether an error that the database reports for a commit means that it was certainly not kept.
    fn is_surely_undone(error: &dyn DatabaseError) -> bool;
}

impl Dialect for Sqlite {
    const BEGIN_WRITE: &'static str = "BEGIN IMMEDIATE";
    const BEGIN_SNAPSHOT: &'static str = "BEGIN";
    const LOCK_JOB: Option<&'static str> = None;
    const LOCK_ROWS: Option<&'static str> = None;
    const SHARE_ROWS: Option<&'static str> = None;
    const ITEMS: &'static str = "json_each($1) AS item";
    const FIRST_TASKS: (&'static str, &'static str) =
        ("tasks WHERE tasks.id IN (SELECT first.id FROM tasks AS first", ")");
    const TAKE_FREE_ROWS: &'static str = "";
    const NOW: &'static str = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";

    fn row(row: Self::Row) -> Row {
        Row::Lite(row)
    }

    fn changed(result: &Self::QueryResult) -> u64 {
        result.rows_affected()
    }

    /// BUSY and FULL are found before anything of the commit is readable; an I/O error may strike in the
    /// middle.
    fn is_surely_undone(error: &dyn DatabaseError) -> bool {
        let primary = error.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
        matches!(primary, Some(5 | 13 | 19))
    }
}

impl Dialect for Postgres {
    const BEGIN_WRITE: &'static str = "BEGIN";
    const BEGIN_SNAPSHOT: &'static str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    const LOCK_JOB: Option<&'static str> = Some("SELECT id FROM jobs WHERE id = $1 FOR UPDATE");
    const LOCK_ROWS: Option<&'static str> = Some(" ORDER BY id FOR NO KEY UPDATE");
    const SHARE_ROWS: Option<&'static str> = Some(" ORDER BY id FOR KEY SHARE");
    const ITEMS: &'static str = "jsonb_array_elements(CAST($1 AS JSONB)) AS item (value)";
    const FIRST_TASKS: (&'static str, &'static str) =
        ("LATERAL (SELECT first.* FROM tasks AS first", ") AS tasks");
    const TAKE_FREE_ROWS: &'static str = "FOR NO KEY UPDATE SKIP LOCKED";
    const NOW: &'static str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

    fn row(row: Self::Row) -> Row {
        Row::Post(row)
    }

    fn changed(result: &Self::QueryResult) -> u64 {
        result.rows_affected()
    }

    /// An error that the server reports for a commit is a rollback, unless the server itself is going down.
    fn is_surely_undone(error: &dyn DatabaseError) -> bool {
        !error.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
    }
}

/// Whether a write was undone only because two waited for each other (40P01), or because of what another one
/// did meanwhile (40001): the same again may go well.
pub fn has_lost_its_turn(error: &StoreError) -> bool {
    let StoreError::Unavailable(source) = error else { return false };
    let database = source.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    database.and_then(DatabaseError::code).is_some_and(|code| matches!(&*code, "40P01" | "40001"))
}

/// Text of a statement: written down, or put together from written-down pieces.
#[derive(Debug, Clone)]
pub enum Sql {
    /// Written down.
    Text(&'static str),
    /// Put together; values are bound, never pasted in.
    Built(String),
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Sql {
    fn from(text: String) -> Self {
        Self::Built(text)
    }
}

/// Runs a statement and gives its rows. The bounds of sqlx stand here and nowhere else.
pub async fn fetch<D: Dialect>(
    connection: &mut D::Connection,
    sql: Sql,
    values: Vec<Value>,
) -> Result<Vec<Row>, sqlx::Error>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    D::Arguments: IntoArguments<D>,
    for<'q> Option<i64>: Encode<'q, D> + Type<D>,
    for<'q> Option<String>: Encode<'q, D> + Type<D>,
{
    let rows = query::<D>(sql, values)?.fetch_all(connection).await?;
    Ok(rows.into_iter().map(D::row).collect())
}

/// Runs a statement and gives how many rows it changed.
pub async fn execute<D: Dialect>(
    connection: &mut D::Connection,
    sql: Sql,
    values: Vec<Value>,
) -> Result<u64, sqlx::Error>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    D::Arguments: IntoArguments<D>,
    for<'q> Option<i64>: Encode<'q, D> + Type<D>,
    for<'q> Option<String>: Encode<'q, D> + Type<D>,
{
    let result = query::<D>(sql, values)?.execute(connection).await?;
    Ok(D::changed(&result))
}

/// PostgreSQL keeps no zero byte in a text and would refuse the whole write; texts come from workers and
/// persons. The mark in its place keeps what differed apart.
pub fn without_zero(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

fn query<D: Dialect>(
    sql: Sql,
    values: Vec<Value>,
) -> Result<Query<'static, D, <D as Database>::Arguments>, sqlx::Error>
where
    D::Arguments: IntoArguments<D>,
    for<'q> Option<i64>: Encode<'q, D> + Type<D>,
    for<'q> Option<String>: Encode<'q, D> + Type<D>,
{
    use sqlx::Arguments as _;

    let mut arguments = <D as Database>::Arguments::default();
    for value in values {
        match value {
            Value::Int(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value.map(without_zero)),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(match sql {
        Sql::Text(text) => sqlx::query_with(text, arguments),
        // Built texts differ by how many values they name: caching each would fill the statement cache.
        Sql::Built(text) => sqlx::query_with(AssertSqlSafe(text), arguments).persistent(false),
    })
}
