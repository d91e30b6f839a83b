//! Opens a database, brings its schema up to this program's, and reads back the settings that safety rests
//! on.

use std::cmp::Ordering;
use std::io::ErrorKind;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgConnection, Pool, Postgres, Row as _, Sqlite};

use super::Number;
use super::dialect::has_lost_its_turn;
use super::session::{Session, not_done};
use super::writer::{Writer, alone};
use crate::config::DatabaseConfig;
use crate::store::error::{Result, StoreError};

static LITE_SCHEMA: Migrator = sqlx::migrate!("../migrations/sqlite");
static POST_SCHEMA: Migrator = sqlx::migrate!("../migrations/postgres");

/// A reader or writer waits this long for its turn before it is told that the database is not available.
const WAIT: Duration = Duration::from_secs(10);
/// A statement that runs longer is ended by PostgreSQL: no query of ours should take a tenth of it.
const STATEMENT_MS: &str = "30000";
/// The same where whole tables are looked through.
const LONG_STATEMENT_MS: &str = "600000";
/// A connection to PostgreSQL that was used so lately is taken to be whole: asking it costs as much as a
/// statement. One to SQLite never breaks.
const TRUSTED: Duration = Duration::from_secs(1);
/// Runs of one write where it loses its turn each time. It loses to one that then ends, so two or three do.
const TRIES: u32 = 5;

/// Why a database cannot be used by this program.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A newer program was here.
    #[error(
        "this database has schema {0}, which this version of pictor-cloud does not know: \
         it was used by a newer version; install that version or restore a backup made before the update"
    )]
    Newer(i64),
    /// No program of this version was here yet.
    #[error(
        "this database has schema {0}, of an older version of pictor-cloud: `pictor-cloud serve` of this \
         version brings it up to date"
    )]
    Older(i64),
    /// A migration that was applied is not the one this program holds.
    #[error("migration {0} was applied with another text than this version of pictor-cloud holds")]
    Changed(i64),
    /// A setting was not kept.
    #[error("the database does not keep {setting} = {wanted} (it says {found:?})")]
    Setting {
        /// Which.
        setting: &'static str,
        /// What safety rests on.
        wanted: &'static str,
        /// What it says.
        found: String,
    },
    /// Neither SQLite nor PostgreSQL.
    #[error("database.url must begin with sqlite:// or postgres://")]
    Address,
}

/// The database behind a store.
pub enum Engine {
    /// SQLite: readers, and one writer.
    Lite {
        /// Only read.
        readers: Pool<Sqlite>,
        /// Its one connection writes; there is none where only reading was asked for.
        writer: Option<Writer>,
    },
    /// PostgreSQL.
    Post {
        /// Reads and writes.
        pool: Pool<Postgres>,
    },
}

/// Whether a cloud's database is there. Makes and changes nothing.
pub async fn is_there(config: &DatabaseConfig) -> Result<bool> {
    let url = config.url.expose();
    if let Some(path) = url.strip_prefix("sqlite://") {
        return Ok(match tokio::fs::metadata(path).await {
            // An empty file is all that a start which failed at once has left.
            Ok(file) => file.len() > 0,
            // What cannot be looked at is told when it is opened.
            Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        });
    }
    let mut connection = PgConnection::connect(url).await.map_err(not_done)?;
    let found = sqlx::query("SELECT to_regclass('_sqlx_migrations') IS NOT NULL");
    let found = found.fetch_one(&mut connection).await.and_then(|row| row.try_get(0));
    // The answer is had, however the connection ends.
    let _ = connection.close().await;
    found.map_err(not_done)
}

impl Engine {
    /// Opens what the address names.
    pub async fn open(config: &DatabaseConfig) -> Result<Self> {
        let url = config.url.expose();
        if let Some(path) = url.strip_prefix("sqlite://") {
            open_lite(Path::new(path), config.connections).await
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            open_post(url, config.connections).await
        } else {
            Err(unusable(SchemaError::Address))
        }
    }

    /// Opens what the address names for reading only, beside whoever works on it. It must have this program's
    /// schema: nothing is brought up to it.
    pub async fn open_to_read(config: &DatabaseConfig) -> Result<Self> {
        let url = config.url.expose();
        let (engine, ours) = if let Some(path) = url.strip_prefix("sqlite://") {
            (open_lite_to_read(Path::new(path)).await?, &LITE_SCHEMA)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            (open_post_to_read(url).await?, &POST_SCHEMA)
        } else {
            return Err(unusable(SchemaError::Address));
        };
        let sql = "SELECT COALESCE(MAX(version), 0) AS number FROM _sqlx_migrations";
        let found: Number = engine.reader().await?.one(sql, vec![]).await?;
        match ours.iter().map(|migration| migration.version).max().unwrap_or(0).cmp(&found.number) {
            Ordering::Less => Err(unusable(SchemaError::Newer(found.number))),
            Ordering::Equal => Ok(engine),
            Ordering::Greater => Err(unusable(SchemaError::Older(found.number))),
        }
    }

    /// A connection for reading.
    pub async fn reader(&self) -> Result<Session> {
        match self {
            Self::Lite { readers, .. } => readers.acquire().await.map(Session::Lite),
            Self::Post { pool } => pool.acquire().await.map(Session::Post),
        }
        .map_err(not_done)
    }

    /// The one way to write: `work` runs in a transaction that is kept if it succeeds. One that PostgreSQL
    /// undid so that another can go on runs again.
    pub async fn begin_write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T>> + Clone + Send + 'static,
    {
        if let Self::Lite { writer, .. } = self {
            let writer = writer.as_ref().ok_or_else(|| not_done(sqlx::Error::PoolClosed))?;
            return writer.write(work).await;
        }
        for _ in 1..TRIES {
            match alone(self.reader().await?, work.clone()).await {
                Err(error) if has_lost_its_turn(&error) => {
                    tracing::info!("a write lost its turn to another one; tried again");
                }
                done => return done,
            }
        }
        alone(self.reader().await?, work).await
    }

    /// Waits for writes under way and closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Lite { readers, writer } => {
                if let Some(writer) = writer {
                    writer.close().await;
                }
                readers.close().await;
            }
            Self::Post { pool } => pool.close().await,
        }
    }
}

async fn open_lite(path: &Path, readers: u32) -> Result<Engine> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // What a worker or a person is told is done must survive a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(WAIT)
        // After a large transaction the log shrinks again.
        .pragma("journal_size_limit", "67108864")
        // 16 MiB: pages that many writes change are copied into the database once instead of each time.
        .pragma("wal_autocheckpoint", "4000")
        .statement_cache_capacity(256);
    let writers = SqlitePoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .acquire_timeout(WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
        // 32 MiB: the tables that grow with every frame are written in many places.
        .connect_with(options.clone().pragma("cache_size", "-32768"))
        .await
        .map_err(not_done)?;
    LITE_SCHEMA.run(&writers).await.map_err(schema_error)?;
    read_back_lite(&writers).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(readers.clamp(1, 64))
        .test_before_acquire(false)
        .acquire_timeout(WAIT)
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(not_done)?;
    Ok(Engine::Lite { readers, writer: Some(Writer::start(writers)) })
}

async fn open_lite_to_read(path: &Path) -> Result<Engine> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(WAIT)
        // Whole tables are looked through; the cache of a server would be read over and over.
        .pragma("cache_size", "-262144");
    let readers = SqlitePoolOptions::new()
        .max_connections(2)
        .acquire_timeout(WAIT)
        .connect_with(options)
        .await
        .map_err(not_done)?;
    Ok(Engine::Lite { readers, writer: None })
}

async fn open_post_to_read(url: &str) -> Result<Engine> {
    let options = PgConnectOptions::from_str(url)
        .map_err(not_done)?
        .application_name("pictor-cloud, reading")
        .options([("default_transaction_read_only", "on"), ("statement_timeout", LONG_STATEMENT_MS)]);
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(WAIT)
        .connect_with(options)
        .await
        .map_err(not_done)?;
    Ok(Engine::Post { pool })
}

async fn read_back_lite(pool: &Pool<Sqlite>) -> Result<()> {
    let setting = |name: &'static str, wanted: &'static str, found: String| {
        if found == wanted {
            Ok(())
        } else {
            Err(unusable(SchemaError::Setting { setting: name, wanted, found }))
        }
    };
    let row = sqlx::query("PRAGMA journal_mode").fetch_one(pool).await.map_err(not_done)?;
    setting("journal_mode", "wal", row.try_get(0).map_err(not_done)?)?;
    let row = sqlx::query("PRAGMA synchronous").fetch_one(pool).await.map_err(not_done)?;
    setting("synchronous", "2", row.try_get::<i64, _>(0).map_err(not_done)?.to_string())?;
    let row = sqlx::query("PRAGMA foreign_keys").fetch_one(pool).await.map_err(not_done)?;
    setting("foreign_keys", "1", row.try_get::<i64, _>(0).map_err(not_done)?.to_string())
}

async fn open_post(url: &str, connections: u32) -> Result<Engine> {
    let options = PgConnectOptions::from_str(url)
        .map_err(not_done)?
        .application_name("pictor-cloud")
        .statement_cache_capacity(256)
        .options([
            ("synchronous_commit", "on"),
            ("statement_timeout", STATEMENT_MS),
            ("lock_timeout", "10000"),
            ("idle_in_transaction_session_timeout", "60000"),
        ]);
    let pool = PgPoolOptions::new()
        .max_connections(connections.clamp(2, 256))
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .acquire_timeout(WAIT)
        .connect_with(options)
        .await
        .map_err(not_done)?;
    POST_SCHEMA.run(&pool).await.map_err(schema_error)?;
    let row = sqlx::query("SHOW synchronous_commit").fetch_one(&pool).await.map_err(not_done)?;
    let found: String = row.try_get(0).map_err(not_done)?;
    if found != "on" {
        return Err(unusable(SchemaError::Setting { setting: "synchronous_commit", wanted: "on", found }));
    }
    Ok(Engine::Post { pool })
}

fn schema_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(version) => unusable(SchemaError::Newer(version)),
        MigrateError::VersionMismatch(version) => unusable(SchemaError::Changed(version)),
        error => StoreError::Unavailable(Box::new(error)),
    }
}

fn unusable(error: SchemaError) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}
