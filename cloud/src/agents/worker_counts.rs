//! How many of an account's workers are at what: for the heading of their list, which shows only some.
//!
//! One narrow query and one question to the fleet, however many there are, and one for all pages that ask at
//! the same time. The word of each is the one that its row in the list shows ([`Status`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use pictor_actors::ids::{AccountId, WorkerId};
use pictor_actors::now::Mono;
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::worker::status::StatusWord;
use pictor_cloud_domain::worker::{Rest, Status, StatusFacts};
use tokio::time::timeout;

use super::farm::{ANSWER_WITHIN, Farm};
use super::fleet::{GetBriefs, WorkerBrief};
use crate::store::WorkerStanding;

/// How many workers are at what, without states of which there are none.
pub type WorkerCounts = BTreeMap<StatusWord, u64>;

/// When counting began, and what came out.
type Newest = tokio::sync::Mutex<Option<(Mono, Option<WorkerCounts>)>>;

/// What is being counted, by account: gone when nobody waits for it any more.
#[derive(Clone, Default)]
pub(super) struct Counting(Arc<Mutex<BTreeMap<AccountId, Weak<Newest>>>>);

impl Counting {
    fn of(&self, account: AccountId) -> Arc<Newest> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(newest) = all.get(&account).and_then(Weak::upgrade) {
            return newest;
        }
        all.retain(|_, newest| newest.strong_count() > 0);
        let newest = Arc::default();
        all.insert(account, Arc::downgrade(&newest));
        newest
    }

    /// Counts, or waits for who counts at this moment; never takes what was begun before it was asked for,
    /// since that may not show what it is asked for.
    async fn shared<C>(
        &self,
        account: AccountId,
        now: impl Fn() -> Mono,
        count: impl FnOnce() -> C,
    ) -> Option<WorkerCounts>
    where
        C: Future<Output = Option<WorkerCounts>>,
    {
        let asked_at = now();
        let newest = self.of(account);
        let mut newest = newest.lock().await;
        if let Some((_, counts)) = newest.as_ref().filter(|(began, _)| *began > asked_at) {
            return counts.clone();
        }
        let began = now();
        let counts = timeout(ANSWER_WITHIN.to_duration(), count()).await.ok().flatten();
        *newest = Some((began, counts.clone()));
        counts
    }
}

impl Farm {
    /// How many workers of the account are at what. `None`: not known at this moment, because the database or
    /// the fleet does not answer.
    pub async fn worker_counts(&self, account: AccountId) -> Option<WorkerCounts> {
        self.counting.shared(account, || self.clock.now().mono, || self.count_workers(account)).await
    }

    async fn count_workers(&self, account: AccountId) -> Option<WorkerCounts> {
        let rows = self.store.worker_standings(account).await;
        let rows = rows.inspect_err(|error| tracing::debug!(%error, "workers were not counted")).ok()?;
        // What is left here of a worker that is connected to another replica is older than its row.
        let here = rows.iter().filter(|row| !self.peers.has_link(row.link_id, row.replica_id));
        let here: Vec<WorkerId> = here.map(|row| row.id).collect();
        let known = self.fleet.ask(GetBriefs(here), ANSWER_WITHIN).await.ok()?;
        let (limits, now) = (self.timing.limits, self.clock.now().wall);
        let mut counts = BTreeMap::new();
        for row in &rows {
            let brief = known.get(&row.id).cloned();
            let brief = brief.unwrap_or_else(|| WorkerBrief::of_row(row, limits, now));
            *counts.entry(word_of(row, &brief, now)).or_default() += 1;
        }
        Some(counts)
    }
}

fn word_of(row: &WorkerStanding, brief: &WorkerBrief, now: UnixMillis) -> StatusWord {
    let rest = brief.rested_until.map(|until| Rest { until, reason: String::new() });
    let facts = StatusFacts {
        connection: brief.connection,
        activity: brief.activity.as_ref(),
        pause: row.pause.as_ref(),
        rest: rest.as_ref(),
        last_heartbeat_at: row.last_heartbeat_at,
        task: None,
    };
    Status::of(&facts, now).word
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_share_what_was_begun_after_they_asked() {
        let (counting, account) = (Counting::default(), AccountId::from_u128(1));
        let (at, counted) = (Cell::new(0), Cell::new(0));
        let ask = || {
            counting.shared(
                account,
                || Mono(at.get()),
                async || {
                    counted.set(counted.get() + 1);
                    tokio::task::yield_now().await;
                    at.set(at.get() + 10);
                    Some(WorkerCounts::from([(StatusWord::Idle, counted.get())]))
                },
            )
        };
        let all = join_all((0..32).map(|_| ask())).await;
        assert_eq!(counted.get(), 2, "the first may have begun too soon for the others");
        let said: Vec<u64> = all.into_iter().map(|counts| counts.unwrap()[&StatusWord::Idle]).collect();
        assert_eq!((said[0], &said[1..]), (1, &[2; 31][..]));
        assert_eq!(ask().await.unwrap()[&StatusWord::Idle], 3, "what is asked for later is counted anew");
        counting.of(AccountId::from_u128(2));
        assert_eq!(counting.0.lock().unwrap().len(), 1, "what nobody waits for is forgotten");
    }
}
