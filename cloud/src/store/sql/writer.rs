//! Writes take turns and share a flush to the disk.
//!
//! SQLite has one writer and every commit waits for the disk; so writes go through one task that takes all
//! that wait (at most [`BATCH_MAX`]) into one transaction, each behind its own savepoint, and answers them
//! after the commit. Nothing is delayed on purpose: a batch is what came while the disk was busy with the one
//! before. A caller that goes away does not undo its write. On PostgreSQL each write is a transaction of its
//! own.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use pictor_actors::faults;
use sqlx::{Pool, Sqlite};
use tokio::sync::{mpsc, oneshot};

use super::session::Session;
use crate::store::error::{Result, StoreError};

/// Writes in one transaction: bounds what one failed commit takes with it.
const BATCH_MAX: usize = 64;
/// Writes that wait; further callers wait for a place, which slows them down as much as the disk needs.
const QUEUE_MAX: usize = 1_024;

/// Answers a caller once it is known what became of the commit.
type Answer = Box<dyn FnOnce(Result<()>) + Send>;

/// A write: does its work in the open transaction (or nothing, where none could be opened), then says whether
/// to keep it, and how to answer.
type Write = Box<dyn for<'s> FnOnce(Option<&'s mut Session>) -> BoxFuture<'s, (bool, Answer)> + Send>;

/// The way to SQLite's one writer.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Write>,
    pool: Pool<Sqlite>,
}

impl Writer {
    /// Starts the writer over a pool of one connection. It ends when its last handle is dropped.
    pub fn start(pool: Pool<Sqlite>) -> Self {
        let (queue, mut waiting) = mpsc::channel(QUEUE_MAX);
        let connections = pool.clone();
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
                run_batch(&connections, &mut batch).await;
            }
        });
        Self { queue, pool }
    }

    /// Waits for the batch under way and closes the connection; later writes are refused.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Does this work in a transaction that is committed with others'.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T>> + Send + 'static,
    {
        let (write, told) = asked(work);
        if self.queue.send(write).await.is_err() {
            return Err(StoreError::Unavailable("the writer has ended".into()));
        }
        told.await.unwrap_or_else(|_| Err(StoreError::Unknown("the writer ended".into())))
    }
}

/// A write and where its result comes to.
fn asked<T, F>(work: F) -> (Write, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T>> + Send + 'static,
{
    let (tell, told) = oneshot::channel();
    let write: Write = Box::new(move |session| {
        async move {
            let result = match session {
                Some(session) => guarded(session, work).await,
                None => Err(StoreError::Unavailable("the database takes no writes".into())),
            };
            let keep = result.is_ok();
            let answer: Answer = Box::new(move |committed| {
                // A caller that went away needs no answer.
                drop(tell.send(result.and_then(|value| committed.map(|()| value))));
            });
            (keep, answer)
        }
        .boxed()
    });
    (write, told)
}

async fn run_batch(pool: &Pool<Sqlite>, batch: &mut Vec<Write>) {
    let mut session = match pool.acquire().await {
        Ok(connection) => Session::Lite(connection),
        Err(error) => return refuse(batch, &error.to_string()).await,
    };
    if let Err(error) = session.run(session.begin_text(), vec![]).await {
        session.discard();
        return refuse(batch, &error_text(&error)).await;
    }
    let mut answers = Vec::with_capacity(batch.len());
    let is_alone = batch.len() == 1;
    let mut is_broken = false;
    for write in batch.drain(..) {
        let (keep, answer) = if is_broken {
            // SQLite may have ended the transaction by itself: whatever ran now would be kept at once.
            write(None).await
        } else if is_alone {
            write(Some(&mut session)).await
        } else {
            behind_savepoint(&mut session, write, &mut is_broken).await
        };
        is_broken |= is_alone && !keep;
        answers.push(answer);
    }
    let committed = if is_broken { roll_back(session).await } else { commit(session).await };
    for answer in answers {
        answer(committed.as_ref().map(|_| ()).map_err(again));
    }
}

/// Runs one write so that its failure leaves the others of its batch alone. Where its savepoint cannot be
/// set or taken back the batch is broken: SQLite ends a transaction by itself on a full disk or an I/O error.
async fn behind_savepoint(session: &mut Session, write: Write, is_broken: &mut bool) -> (bool, Answer) {
    if session.run("SAVEPOINT one_write", vec![]).await.is_err() {
        *is_broken = true;
        return write(None).await;
    }
    let (keep, answer) = write(Some(&mut *session)).await;
    let ended = if keep {
        session.run("RELEASE one_write", vec![]).await
    } else {
        match session.run("ROLLBACK TO one_write", vec![]).await {
            Ok(_) => session.run("RELEASE one_write", vec![]).await,
            Err(error) => Err(error),
        }
    };
    *is_broken |= ended.is_err();
    (keep, answer)
}

async fn commit(mut session: Session) -> Result<()> {
    if let Err(injected) = faults::pass("store.commit.before").await {
        session.discard();
        return Err(injected.into());
    }
    match session.try_run("COMMIT".into(), vec![]).await {
        Ok(_) => faults::pass("store.commit.after").await.map_err(|lost| StoreError::Unknown(Box::new(lost))),
        Err(error) => {
            let error = session.commit_failed(error);
            session.discard();
            Err(error)
        }
    }
}

async fn roll_back(mut session: Session) -> Result<()> {
    if session.run("ROLLBACK", vec![]).await.is_err() {
        session.discard();
    }
    Err(StoreError::Unavailable("a write beside it failed".into()))
}

/// Answers writes that were never begun.
async fn refuse(batch: &mut Vec<Write>, why: &str) {
    tracing::warn!(why, "the database takes no writes");
    for write in batch.drain(..) {
        let (_, answer) = write(None).await;
        answer(Ok(()));
    }
}

/// The same answer for everybody in the batch.
pub fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unknown(source) => StoreError::Unknown(source.to_string().into()),
        StoreError::NotFound
        | StoreError::Conflict(_)
        | StoreError::StaleFence
        | StoreError::Unavailable(_) => StoreError::Unavailable(error_text(error).into()),
    }
}

fn error_text(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// A panic in one write must not end the writer.
async fn guarded<T, F>(session: &mut Session, work: F) -> Result<T>
where
    F: for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T>>,
{
    match AssertUnwindSafe(work(session)).catch_unwind().await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Unavailable("the write panicked".into())),
    }
}

/// Does this work in a transaction of its own, to its end even if the caller goes away: a connection must not
/// return to its pool with a transaction left open.
pub async fn alone<T, F>(mut session: Session, work: F) -> Result<T>
where
    T: Send + 'static,
    F: for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T>> + Send + 'static,
{
    let running = tokio::spawn(async move {
        session.run(session.begin_text(), vec![]).await?;
        match guarded(&mut session, work).await {
            Ok(value) => commit(session).await.map(|()| value),
            Err(error) => {
                if session.run("ROLLBACK", vec![]).await.is_err() {
                    session.discard();
                }
                Err(error)
            }
        }
    });
    running.await.unwrap_or_else(|error| Err(StoreError::Unknown(Box::new(error))))
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

    use super::*;
    use crate::store::sql::Number;

    fn statement(sql: &'static str) -> (Write, oneshot::Receiver<Result<u64>>) {
        asked(move |session| async move { session.run(sql, vec![]).await }.boxed())
    }

    /// `OR ROLLBACK` does on a broken index what SQLite does by itself on a full disk.
    #[tokio::test]
    async fn nothing_is_kept_of_a_batch_whose_transaction_sqlite_ended() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(folder.path().join("db")).create_if_missing(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let (make, made) = statement("CREATE TABLE things (id BIGINT NOT NULL PRIMARY KEY)");
        run_batch(&pool, &mut vec![make]).await;
        made.await.unwrap().unwrap();
        let (mut batch, mut answers) = (Vec::new(), Vec::new());
        for sql in [
            "INSERT INTO things (id) VALUES (1)",
            "INSERT OR ROLLBACK INTO things (id) VALUES (1)",
            "INSERT INTO things (id) VALUES (3)",
            "INSERT INTO things (id) VALUES (4)",
        ] {
            let (write, answer) = statement(sql);
            batch.push(write);
            answers.push(answer);
        }
        run_batch(&pool, &mut batch).await;
        for answer in answers {
            let answer = answer.await.unwrap();
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        }
        let count = "SELECT COUNT(*) AS number FROM things";
        let (count, counted) =
            asked(move |session| async move { session.one::<Number>(count, vec![]).await }.boxed());
        run_batch(&pool, &mut vec![count]).await;
        assert_eq!(counted.await.unwrap().unwrap().number, 0, "all were told that nothing was changed");
    }
}
