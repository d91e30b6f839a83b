//! Questions or writes of one kind that come at the same time are done together, by statements over all of
//! them.
//!
//! Sharing a commit (`writer`) saves the disk; sharing the statements saves the database, and the ways to it.
//! Nothing is delayed on purpose: what comes while the group before is under way makes the next one. Each
//! caller gets its own answer; a write that goes wrong for a reason of its own leaves the others alone.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::error::ErrorKind;
use tokio::sync::{mpsc, oneshot};

use super::row::Unreadable;
use super::writer::again;
use crate::store::error::{Result, StoreError};

/// Requests of one group: bounds a statement and what one failed commit takes with it.
const GROUP_MAX: usize = 256;
/// Requests that wait; further callers wait for a place, which slows them down as much as the disk needs.
const QUEUE_MAX: usize = 1_024;

/// A group's answers, one for each request in order; or why nothing was done.
pub type Answers<O> = Result<Vec<Result<O>>>;
/// Does a group in one transaction.
type Work<I, O> = Box<dyn Fn(Arc<[I]>) -> BoxFuture<'static, Answers<O>> + Send + Sync>;

struct Waiting<I, O> {
    item: I,
    tell: oneshot::Sender<Result<O>>,
}

/// The way to requests of one kind.
pub struct Gatherer<I, O> {
    queue: mpsc::Sender<Waiting<I, O>>,
}

impl<I, O> Gatherer<I, O>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    /// Starts gathering. It ends when this is dropped. Must be called inside a tokio runtime.
    pub fn start(work: impl Fn(Arc<[I]>) -> BoxFuture<'static, Answers<O>> + Send + Sync + 'static) -> Self {
        let (queue, mut waiting) = mpsc::channel(QUEUE_MAX);
        let work: Work<I, O> = Box::new(work);
        tokio::spawn(async move {
            let mut group = Vec::new();
            while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
                do_group(&work, std::mem::take(&mut group)).await;
            }
        });
        Self { queue }
    }

    /// Does it together with what comes at the same time.
    pub async fn ask(&self, item: I) -> Result<O> {
        let (tell, told) = oneshot::channel();
        if self.queue.send(Waiting { item, tell }).await.is_err() {
            return Err(StoreError::Unavailable("the requests of this kind have ended".into()));
        }
        told.await.unwrap_or_else(|_| Err(StoreError::Unknown("the requests of this kind ended".into())))
    }
}

async fn do_group<I: Clone, O>(work: &Work<I, O>, group: Vec<Waiting<I, O>>) {
    let items: Arc<[I]> = group.iter().map(|waiting| waiting.item.clone()).collect();
    match guarded(work, items).await {
        Ok(answers) => {
            debug_assert_eq!(answers.len(), group.len(), "an answer for each");
            // A caller that went away needs no answer.
            group.into_iter().zip(answers).for_each(|(waiting, answer)| drop(waiting.tell.send(answer)));
        }
        Err(error) if group.len() > 1 && is_of_one_row(&error) => {
            tracing::warn!(%error, "one of a group of requests cannot be done: each by itself");
            for waiting in group {
                let alone = guarded(work, Arc::from([waiting.item])).await;
                let answer = alone.and_then(|mut answers| answers.pop().unwrap_or_else(|| Err(missing())));
                drop(waiting.tell.send(answer));
            }
        }
        Err(error) => group.into_iter().for_each(|waiting| drop(waiting.tell.send(Err(again(&error))))),
    }
}

fn missing() -> StoreError {
    StoreError::Unknown("a request without an answer".into())
}

/// A panic in one group must not end the others'.
async fn guarded<I, O>(work: &Work<I, O>, items: Arc<[I]>) -> Answers<O> {
    match AssertUnwindSafe(async { work(items).await }).catch_unwind().await {
        Ok(answers) => answers,
        Err(_) => Err(StoreError::Unavailable("the request panicked".into())),
    }
}

/// Whether it is about one row, which the database refuses or this program cannot read, rather than that the
/// database failed.
fn is_of_one_row(error: &StoreError) -> bool {
    let StoreError::Unavailable(source) = error else { return false };
    if source.is::<Unreadable>() {
        return true;
    }
    let database = source.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    database.is_some_and(|error| !matches!(error.kind(), ErrorKind::Other))
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use sqlx::Connection as _;

    use super::*;

    /// What SQLite says when a row breaks a constraint.
    async fn refused() -> StoreError {
        let mut database = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let broken = "CREATE TABLE things (id BIGINT NOT NULL CHECK (id < 9)); INSERT INTO things VALUES (9)";
        super::super::session::not_done(sqlx::raw_sql(broken).execute(&mut database).await.unwrap_err())
    }

    async fn answers(
        work: impl Fn(Arc<[u32]>) -> BoxFuture<'static, Answers<usize>> + Send + Sync + 'static,
    ) -> Vec<Result<usize>> {
        let gatherer = Gatherer::start(work);
        join_all((0..9).map(|item| gatherer.ask(item))).await
    }

    #[tokio::test]
    async fn what_comes_together_is_written_together_and_each_gets_its_answer() {
        let told = answers(|items| {
            let all = items.len();
            let answer = move |item: &u32| if *item == 4 { Err(StoreError::StaleFence) } else { Ok(all) };
            let answers = items.iter().map(answer).collect();
            async move { Ok(answers) }.boxed()
        })
        .await;
        assert!(matches!(told[4], Err(StoreError::StaleFence)));
        assert!(matches!(told[8], Ok(9)), "in one group: {told:?}");
    }

    #[tokio::test]
    async fn a_row_that_the_database_refuses_stops_nobody_else() {
        let told = answers(|items| {
            async move {
                if items.contains(&4) {
                    Err(refused().await)
                } else {
                    Ok(items.iter().map(|_| Ok(1)).collect())
                }
            }
            .boxed()
        })
        .await;
        let refused: Vec<_> = (0..9).filter(|at| told[*at].is_err()).collect();
        assert_eq!(refused, [4]);
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_hides_no_other() {
        let told = answers(|items| {
            let is_damaged = items.contains(&4);
            let all = items.iter().map(|_| Ok(1)).collect();
            let damaged = || super::super::row::unreadable(std::io::Error::other("damaged"));
            async move { if is_damaged { Err(damaged()) } else { Ok(all) } }.boxed()
        })
        .await;
        let failed: Vec<_> = (0..9).filter(|at| told[*at].is_err()).collect();
        assert_eq!(failed, [4]);
    }

    #[tokio::test]
    async fn of_a_commit_without_an_answer_everybody_hears_that_and_nothing_is_written_twice() {
        let told = answers(|items| {
            assert!(items.len() == 9, "written again");
            async { Err(StoreError::Unknown("cut".into())) }.boxed()
        })
        .await;
        assert!(told.iter().all(|told| matches!(told, Err(StoreError::Unknown(_)))), "{told:?}");
    }
}
