//! Workers as their owners keep them: made, listed, renamed, paused, rested, removed.

use std::collections::BTreeSet;

use pictor_actors::ids::{AccountId, WorkerId};
use pictor_actors::protocol::Pause;
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::lease::Outcome;

use super::WorkerRow;
use crate::store::leases::{live_of_worker, release};
use crate::store::sql::page::like;
use crate::store::sql::{Column as _, Value, args, row};
use crate::store::{ConflictKind, LeaseRow, PageOf, PageRequest, Result, Store, StoreError};

/// A worker to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkerRow {
    /// Its id.
    pub id: WorkerId,
    /// Whose.
    pub account_id: AccountId,
    /// Its name.
    pub name: String,
}

row! {
    /// A worker's name alone.
    pub struct NameRow {
        /// It.
        pub name: String,
    }
}

/// How a list of workers is ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WorkerSort {
    /// By name.
    #[default]
    Name,
    /// Newest first.
    Created,
    /// Last changed first.
    Updated,
    /// Connected ones first, then by name.
    Status,
}

/// The sort key of a list in SQL; ties go by id.
struct Order {
    list: &'static str,
    key: &'static str,
    compare: &'static str,
    direction: &'static str,
    is_number: bool,
}

impl Order {
    fn read(&self, key: &str) -> Result<Value> {
        if !self.is_number {
            return Ok(key.value());
        }
        let number: i64 = key.parse().map_err(|_| StoreError::Conflict(ConflictKind::BadCursor))?;
        Ok(number.value())
    }
}

impl WorkerSort {
    const fn order(self) -> Order {
        match self {
            Self::Name => Order::ascending("workers.name", "name"),
            Self::Created => Order::descending("workers.created", "created_at"),
            Self::Updated => Order::descending("workers.updated", "updated_at"),
            Self::Status => Order::ascending(
                "workers.status",
                "(CASE WHEN link_id IS NULL THEN '1' ELSE '0' END || name)",
            ),
        }
    }

    fn key_of(self, row: &WorkerRow) -> String {
        match self {
            Self::Name => row.name.clone(),
            Self::Created => row.created_at.0.to_string(),
            Self::Updated => row.updated_at.0.to_string(),
            Self::Status => format!("{}{}", if row.link_id.is_none() { '1' } else { '0' }, row.name),
        }
    }
}

impl Order {
    const fn ascending(list: &'static str, key: &'static str) -> Self {
        Self { list, key, compare: ">", direction: "ASC", is_number: false }
    }

    const fn descending(list: &'static str, key: &'static str) -> Self {
        Self { list, key, compare: "<", direction: "DESC", is_number: true }
    }
}

impl Store {
    /// Makes a worker. `Conflict(NameTaken)` if the account has one of that name.
    pub async fn create_worker(&self, new: &NewWorkerRow, now: UnixMillis) -> Result<WorkerRow> {
        let values = args![new.id, new.account_id, new.name, now];
        self.begin_write(move |session| {
            Box::pin(async move {
                session
                    .one_unique(
                        "INSERT INTO workers (id, account_id, name, created_at, updated_at)
                         VALUES ($1, $2, $3, $4, $4) RETURNING *",
                        values,
                        ConflictKind::NameTaken,
                    )
                    .await
            })
        })
        .await
    }

    /// The worker, also a removed one.
    pub async fn worker(&self, id: WorkerId) -> Result<WorkerRow> {
        self.one("SELECT * FROM workers WHERE id = $1", args![id]).await
    }

    /// The account's worker; `NotFound` if it is another's or was removed.
    pub async fn worker_of(&self, account: AccountId, id: WorkerId) -> Result<WorkerRow> {
        let sql = "SELECT * FROM workers WHERE id = $1 AND account_id = $2 AND removed_at IS NULL";
        self.one(sql, args![id, account]).await
    }

    /// The account's workers whose name contains `search`, in whatever case.
    pub async fn list_workers(
        &self,
        account: AccountId,
        sort: WorkerSort,
        search: Option<&str>,
        page: &PageRequest,
    ) -> Result<PageOf<WorkerRow>> {
        let order = sort.order();
        let rows = page.rows();
        let mut values = args![account, rows + 1, search.map(like)];
        let after = page.keys::<2>(order.list)?;
        let mut sql = String::from(
            "SELECT * FROM workers WHERE account_id = $1 AND removed_at IS NULL
               AND ($3 IS NULL OR LOWER(name) LIKE $3 ESCAPE '!')",
        );
        if let Some([key, id]) = after {
            let Order { key: column, compare, .. } = order;
            sql.push_str(&format!(" AND ({column}, id) {compare} ($4, $5)"));
            values.push(order.read(&key)?);
            values.push(id.value());
        }
        sql.push_str(&format!(" ORDER BY {0} {1}, id {1} LIMIT $2", order.key, order.direction));
        let found: Vec<WorkerRow> = self.all(sql, values).await?;
        Ok(PageOf::cut(found, rows, order.list, |row| [sort.key_of(row), row.id.to_string()]))
    }

    /// Names of all workers of the account.
    pub async fn worker_names(&self, account: AccountId) -> Result<BTreeSet<String>> {
        let sql = "SELECT name FROM workers WHERE account_id = $1 AND removed_at IS NULL";
        let rows: Vec<NameRow> = self.all(sql, args![account]).await?;
        Ok(rows.into_iter().map(|row| row.name).collect())
    }

    /// All workers of the account, by name.
    pub async fn all_workers_of(&self, account: AccountId) -> Result<Vec<WorkerRow>> {
        let sql = "SELECT * FROM workers WHERE account_id = $1 AND removed_at IS NULL ORDER BY name, id";
        self.all(sql, args![account]).await
    }

    /// Renames a worker. `Conflict(NameTaken)` if the account has another of that name.
    pub async fn rename_worker(
        &self,
        account: AccountId,
        id: WorkerId,
        name: &str,
        now: UnixMillis,
    ) -> Result<WorkerRow> {
        let values = args![account, id, name, now];
        self.begin_write(move |session| {
            Box::pin(async move {
                session
                    .one_unique(
                        "UPDATE workers SET name = $3, updated_at = $4
                         WHERE account_id = $1 AND id = $2 AND removed_at IS NULL RETURNING *",
                        values,
                        ConflictKind::NameTaken,
                    )
                    .await
            })
        })
        .await
    }

    /// Removes a worker: its connection, key and enrolments count for nothing, its leases are released and
    /// returned.
    pub async fn remove_worker(
        &self,
        account: AccountId,
        id: WorkerId,
        now: UnixMillis,
    ) -> Result<Vec<LeaseRow>> {
        self.begin_write(move |session| {
            Box::pin(async move {
                let sql = "SELECT * FROM workers WHERE id = $1 AND account_id = $2 AND removed_at IS NULL";
                session.one::<WorkerRow>(sql, args![id, account]).await?;
                let live = live_of_worker(session, id).await?;
                let ids: Vec<_> = live.iter().map(|lease| lease.id).collect();
                let released = release(session, &ids, Outcome::Released, now).await?;
                session
                    .run(
                        "UPDATE workers SET removed_at = $2, updated_at = $2, public_key = NULL,
                             link_id = NULL, bearer_hash = NULL, disconnected_at = $2
                         WHERE id = $1",
                        args![id, now],
                    )
                    .await?;
                let sql = "UPDATE enrolments SET replaced_at = $2
                           WHERE worker_id = $1 AND replaced_at IS NULL";
                session.run(sql, args![id, now]).await?;
                Ok(released)
            })
        })
        .await
    }

    /// Keeps or lifts the pause set from the dashboard.
    pub async fn set_worker_pause(
        &self,
        worker: WorkerId,
        pause: Option<&Pause>,
        now: UnixMillis,
    ) -> Result<WorkerRow> {
        let values = args![worker, pause.cloned(), now];
        self.begin_write(move |session| {
            Box::pin(async move {
                session
                    .one(
                        "UPDATE workers SET pause = $2, updated_at = $3
                         WHERE id = $1 AND removed_at IS NULL RETURNING *",
                        values,
                    )
                    .await
            })
        })
        .await
    }

    /// Rests a worker until then and begins its count of failures anew; `None` ends a rest.
    pub async fn rest_worker(
        &self,
        worker: WorkerId,
        rest: Option<(UnixMillis, &str)>,
        now: UnixMillis,
    ) -> Result<WorkerRow> {
        let values = args![worker, rest.map(|(until, _)| until), rest.map(|(_, reason)| reason), now];
        self.begin_write(move |session| {
            Box::pin(async move {
                session
                    .one(
                        "UPDATE workers SET rested_until = $2, rest_reason = $3, failures_in_row = 0,
                             updated_at = $4
                         WHERE id = $1 RETURNING *",
                        values,
                    )
                    .await
            })
        })
        .await
    }
}
