//! Whether the rows keep the farm's promises: one query a promise, all over one moment of the database.
//!
//! Read-only, beside a cloud that runs. What the database itself enforces is looked at all the same: a
//! restored, repaired or half-copied database may lack a constraint. Files are not looked at here
//! (`crate::upkeep::audit`).

mod promises;

use std::sync::Arc;

use pictor_actors::limits::LEASES_PER_SLOT_MAX;
use pictor_actors::now::Clock;
use pictor_actors::units::{BlobHash, Millis};
use pictor_cloud_domain::task::{FAILURES_MAX, LOST_MAX};
use pictor_cloud_domain::worker::REST_FOR;

use super::sql::{Session, args, row};
use super::uploads::blobs::bounds;
use super::{BlobRow, FrameRow, Result, Store, StoreError};

use promises::PROMISES;

/// Broken rows that are told one by one; the others are counted.
pub const ROWS_TOLD: usize = 20;
/// A promise about what follows soon is looked at after this: a cloud that was killed needs a start to keep
/// it.
const SOON: Millis = Millis::from_secs(60);
/// A right that was taken must have an effect after this.
const AT_ONCE: Millis = Millis::from_secs(5);
/// The same where it must come to other replicas, which look every few seconds.
const NOTICED: Millis = Millis::from_secs(15);
/// Nothing waits for longer than this.
const WAIT_MAX: Millis = Millis::from_secs(24 * 3_600);

/// A promise and the query that finds what breaks it.
struct Promise {
    /// As in the design's list.
    id: &'static str,
    /// What is promised.
    words: &'static str,
    /// Gives a `violation` in words for each break. `NOW` and the names of bounds stand for their values.
    sql: &'static str,
}

/// A promise that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// As in the design's list ("INV-1").
    pub id: &'static str,
    /// What is promised.
    pub promise: &'static str,
    /// How often it is broken.
    pub violations: u64,
    /// The first of these in words.
    pub rows: Vec<String>,
    /// How long the look took.
    pub took: Millis,
}

row! {
    /// A break in words, and how many there are in all.
    pub struct Broken {
        /// In words.
        pub violation: String,
        /// In all.
        pub violations: u64,
    }
}

impl Store {
    /// Looks at every promise that the rows can show, all at the same moment.
    pub async fn audit(&self, clock: Arc<dyn Clock>) -> Result<Vec<Checked>> {
        let mut session = self.reader().await?;
        // To its end even if the caller goes away: no connection returns to its pool within a transaction.
        let looking = tokio::spawn(async move {
            session.begin_snapshot().await?;
            let checked = look(&mut session, &*clock).await;
            session.end_snapshot().await;
            checked
        });
        looking.await.unwrap_or_else(|error| Err(StoreError::Unavailable(Box::new(error))))
    }

    /// Every blob whose hash begins with this byte, with its size, ascending.
    pub async fn blob_rows_of_shard(&self, shard: u8) -> Result<Vec<BlobRow>> {
        let (from, to) = bounds(shard);
        let sql = "SELECT * FROM blobs WHERE hash >= $1 AND hash < $2 ORDER BY hash";
        self.all(sql, args![from, to]).await
    }

    /// The first frame that a blob holds, if it holds one.
    pub async fn frame_with_blob(&self, hash: BlobHash) -> Result<Option<FrameRow>> {
        let sql = "SELECT * FROM frames WHERE hash = $1 ORDER BY job_id, frame LIMIT 1";
        self.optional(sql, args![hash]).await
    }
}

async fn look(session: &mut Session, clock: &dyn Clock) -> Result<Vec<Checked>> {
    let mut checked = Vec::with_capacity(PROMISES.len());
    for promise in PROMISES {
        let begun = clock.now();
        let broken: Vec<Broken> = session.all(text(promise), args![begun.wall]).await?;
        checked.push(Checked {
            id: promise.id,
            promise: promise.words,
            violations: broken.first().map_or(0, |first| first.violations),
            rows: broken.into_iter().map(|one| one.violation).collect(),
            took: clock.now().elapsed(begun.mono),
        });
    }
    Ok(checked)
}

fn text(promise: &Promise) -> String {
    let mut sql = promise.sql.replace("NOW", "$1");
    for (name, value) in [
        ("LEASES_PER_SLOT_MAX", LEASES_PER_SLOT_MAX as u64),
        ("FAILURES_MAX", u64::from(FAILURES_MAX)),
        ("LOST_MAX", u64::from(LOST_MAX)),
        ("AT_ONCE", AT_ONCE.0),
        ("NOTICED", NOTICED.0),
        ("REST_FOR", REST_FOR.0),
        ("SOON", SOON.0),
        ("WAIT_MAX", WAIT_MAX.0),
    ] {
        sql = sql.replace(name, &value.to_string());
    }
    // Every query is given the time, also one that does not look at it.
    format!(
        "SELECT violation, COUNT(*) OVER () AS violations FROM ({sql}) AS broken WHERE $1 > 0
         ORDER BY violation LIMIT {ROWS_TOLD}"
    )
}
