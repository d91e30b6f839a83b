//! Connections of workers and their signs of life.

use std::collections::BTreeMap;

use pictor_actors::ids::{AccountId, LeaseId, LinkId, WorkerId};
use pictor_actors::protocol::{Hello, MachineChanged, MetricSample};
use pictor_actors::units::UnixMillis;

use super::WorkerRow;
use crate::store::leases::live_of_worker;
use crate::store::sql::{Column as _, Number, Session, Template, args, items, row, table};
use crate::store::{LeaseRow, Result, Store};

/// Rows that one statement of a batch changes: five values each stay far below both databases' limits.
const BEATS_A_STATEMENT: usize = 100;
/// The same of leases, which travel as one value.
const RENEWALS_A_STATEMENT: usize = 500;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownWorker {
    /// The worker.
    pub id: WorkerId,
    /// Whose it is.
    pub account_id: AccountId,
}

static BY_BEARERS: Template = Template::new(
    "SELECT CAST(item.value ->> 1 AS BIGINT) AS item, workers.id, workers.account_id
     FROM {items} CROSS JOIN workers
     WHERE workers.bearer_hash = item.value ->> 0 AND workers.removed_at IS NULL",
);

row! {
    /// Who one of several callers is.
    pub struct KnownCaller {
        pub item: usize,
        pub id: WorkerId,
        pub account_id: AccountId,
    }
}

/// The workers whose live connections have these bearers. One answer for each, in order.
pub async fn by_bearers(
    session: &mut Session,
    bearers: &[String],
) -> Result<Vec<Result<Option<KnownWorker>>>> {
    let asked = items(bearers.iter().enumerate().map(|(number, bearer)| args![bearer, number]));
    let found: Vec<KnownCaller> = session.all(BY_BEARERS.text(session), vec![asked]).await?;
    let mut of_item: BTreeMap<usize, KnownWorker> = found
        .into_iter()
        .map(|found| (found.item, KnownWorker { id: found.id, account_id: found.account_id }))
        .collect();
    Ok((0..bearers.len()).map(|number| Ok(of_item.remove(&number))).collect())
}

static RENEW: Template = Template::new(
    "WITH held AS (
         SELECT leases.id, CAST(item.value ->> 1 AS BIGINT) AS until FROM {items} CROSS JOIN leases
         WHERE leases.id = item.value ->> 0 AND leases.ended_at IS NULL
           AND leases.expires_at < CAST(item.value ->> 1 AS BIGINT) {lock})
     UPDATE leases SET expires_at = held.until FROM held
     WHERE leases.id = held.id AND leases.ended_at IS NULL AND leases.expires_at < held.until",
);

/// A connection that was let in.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedLink {
    /// The worker, as it now is.
    pub row: WorkerRow,
    /// Leases that it holds by the store's word.
    pub live_leases: Vec<LeaseRow>,
}

/// A sign of life to keep.
#[derive(Debug, Clone, PartialEq)]
pub struct HeartbeatRow {
    /// Of this worker.
    pub worker: WorkerId,
    /// Over this connection; one that is no longer the newest counts for nothing.
    pub link_id: LinkId,
    /// When it came.
    pub at: UnixMillis,
    /// Newest values; nothing: leave those before.
    pub sample: Option<MetricSample>,
    /// What it does, for the pages of other replicas; nothing: leave that before.
    pub live: Option<serde_json::Value>,
}

impl Store {
    /// Makes this the worker's connection; the one before, if any, is thereby superseded.
    pub async fn open_link(
        &self,
        worker: WorkerId,
        link_id: LinkId,
        bearer_hash: &str,
        hello: &Hello,
        now: UnixMillis,
    ) -> Result<OpenedLink> {
        let values = args![
            worker,
            link_id,
            bearer_hash,
            hello.machine,
            hello.slots,
            hello.app_version,
            hello.machine.hostname,
            now,
            self.replica,
        ];
        self.begin_write(move |session| {
            Box::pin(async move {
                let row = session
                    .one(
                        "UPDATE workers SET link_id = $2, link_number = link_number + 1, bearer_hash = $3,
                             machine = $4, slots = $5, app_version = $6, hostname = $7, connected_at = $8,
                             last_heartbeat_at = $8, disconnected_at = NULL, left_at = NULL, updated_at = $8,
                             replica_id = $9, live = NULL
                         WHERE id = $1 AND removed_at IS NULL RETURNING *",
                        values,
                    )
                    .await?;
                let live_leases = live_of_worker(session, worker).await?;
                Ok(OpenedLink { row, live_leases })
            })
        })
        .await
    }

    /// Keeps what a machine is since its hello, if this is still the worker's newest connection.
    pub async fn save_machine(
        &self,
        worker: WorkerId,
        link_id: LinkId,
        changed: &MachineChanged,
        now: UnixMillis,
    ) -> Result<()> {
        let MachineChanged { machine, slots } = changed;
        self.write_one(
            "UPDATE workers SET machine = $3, slots = $4, updated_at = $5 WHERE id = $1 AND link_id = $2",
            args![worker, link_id, machine, slots, now],
        )
        .await
        .map(|_| ())
    }

    /// The worker whose live connection has that bearer. Asked at every request of a worker.
    pub async fn worker_by_bearer(&self, bearer_hash: &str) -> Result<Option<KnownWorker>> {
        self.groups.bearers.ask(bearer_hash.to_owned()).await
    }

    /// Ends the connection, if it is still the worker's newest. Leases stay.
    pub async fn close_link(&self, worker: WorkerId, link_id: LinkId, now: UnixMillis) -> Result<()> {
        self.write_one(
            "UPDATE workers SET link_id = NULL, bearer_hash = NULL, disconnected_at = $3, updated_at = $3
             WHERE id = $1 AND link_id = $2",
            args![worker, link_id, now],
        )
        .await
        .map(|_| ())
    }

    /// Ends the connection of a worker that said goodbye, if it is still its newest: from now on its silence
    /// means nothing.
    pub async fn leave_link(&self, worker: WorkerId, link_id: LinkId, now: UnixMillis) -> Result<()> {
        self.write_one(
            "UPDATE workers SET link_id = NULL, bearer_hash = NULL, disconnected_at = $3, left_at = $3,
                 updated_at = $3
             WHERE id = $1 AND link_id = $2",
            args![worker, link_id, now],
        )
        .await
        .map(|_| ())
    }

    /// When each worker was heard last that was heard since then and neither left nor was removed.
    pub async fn last_signs(&self, since: UnixMillis) -> Result<Vec<UnixMillis>> {
        let sql = "SELECT last_heartbeat_at AS number FROM workers
                   WHERE last_heartbeat_at > $1 AND left_at IS NULL AND removed_at IS NULL";
        let signs: Vec<Number> = self.all(sql, args![since]).await?;
        Ok(signs.into_iter().map(|sign| UnixMillis(sign.number)).collect())
    }

    /// Ends all connections: after a start none can be live, where one process is all there is. Bearers stay
    /// good, so that a frame on its way is not refused.
    pub async fn close_all_links(&self, now: UnixMillis) -> Result<u64> {
        self.write_one(
            "UPDATE workers SET link_id = NULL, disconnected_at = $1 WHERE link_id IS NOT NULL",
            args![now],
        )
        .await
    }

    /// Keeps many signs of life and renews these leases, each until its moment, in one transaction. Ended
    /// leases are not revived.
    pub async fn save_heartbeats(
        &self,
        heartbeats: &[HeartbeatRow],
        renew: &[(LeaseId, UnixMillis)],
    ) -> Result<()> {
        let mut heartbeats = heartbeats.to_vec();
        heartbeats.sort_by_key(|beat| beat.worker);
        let mut renew = renew.to_vec();
        renew.sort_unstable();
        self.begin_write(move |session| {
            Box::pin(async move {
                for some in renew.chunks(RENEWALS_A_STATEMENT) {
                    let renewed = items(some.iter().map(|(lease, until)| args![lease, until]));
                    session.run(RENEW.text(session), vec![renewed]).await?;
                }
                for some in heartbeats.chunks(BEATS_A_STATEMENT) {
                    let wanted = table(1, some.len());
                    let select = format!("SELECT id FROM workers WHERE id IN {wanted}");
                    session.lock_rows(select, some.iter().map(|beat| beat.worker.value()).collect()).await?;
                    let values = some
                        .iter()
                        .flat_map(|b| args![b.worker, b.link_id, b.at, b.sample, b.live])
                        .collect();
                    session.run(beats_text(some.len()), values).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

fn beats_text(rows: usize) -> String {
    format!(
        "WITH beats (worker, link, at, sample, live) AS (VALUES {})
         UPDATE workers SET last_heartbeat_at = beats.at, sample = COALESCE(beats.sample, workers.sample),
             live = COALESCE(beats.live, workers.live)
         FROM beats WHERE workers.id = beats.worker AND workers.link_id = beats.link",
        table(rows, 5)
    )
}
