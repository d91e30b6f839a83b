//! How many of an account's workers are at what: for the heading of their list, which shows only some.
//!
//! One narrow query and one question to the fleet, however many there are. The word of each is the one that
//! its row in the list shows ([`Status`]).

use std::collections::BTreeMap;

use pictor_actors::ids::{AccountId, WorkerId};
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::liveness::Connection;
use pictor_cloud_domain::worker::status::StatusWord;
use pictor_cloud_domain::worker::{Rest, Status, StatusFacts};

use super::farm::{ANSWER_WITHIN, Farm};
use super::fleet::{GetBriefs, WorkerBrief};
use super::worker_live::{connection_of_row, kept_activity};
use crate::store::WorkerStanding;

impl Farm {
    /// How many workers of the account are at what, without those of which there are none. `None`: not known
    /// at this moment, because the database or the fleet does not answer.
    pub async fn worker_counts(&self, account: AccountId) -> Option<BTreeMap<StatusWord, u64>> {
        let rows = self.store.worker_standings(account).await;
        let rows = rows.inspect_err(|error| tracing::debug!(%error, "workers were not counted")).ok()?;
        // What is left here of a worker that is connected to another replica is older than its row.
        let is_here = |row: &&WorkerStanding| row.link_id.is_none() || row.replica_id == self.peers.me();
        let here: Vec<WorkerId> = rows.iter().filter(is_here).map(|row| row.id).collect();
        let known = self.fleet.ask(GetBriefs(here), ANSWER_WITHIN).await.ok()?;
        let now = self.clock.now().wall;
        let mut counts = BTreeMap::new();
        for row in &rows {
            let brief = known.get(&row.id).cloned().unwrap_or_else(|| self.brief_of_row(row, now));
            *counts.entry(word_of(row, &brief, now)).or_default() += 1;
        }
        Some(counts)
    }

    fn brief_of_row(&self, row: &WorkerStanding, now: UnixMillis) -> WorkerBrief {
        let limits = self.timing.limits;
        let connection = connection_of_row(row.live.is_some(), row.last_heartbeat_at, limits, now);
        let said = row.live.as_deref().filter(|_| connection != Connection::Offline);
        let activity = said.and_then(kept_activity);
        WorkerBrief { connection, activity, rested_until: row.rested_until }
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
