//! Accounts: who there is, with which roles.

use std::fmt;
use std::str::FromStr;

use pictor_actors::ids::AccountId;
use pictor_actors::units::UnixMillis;

use super::sql::{Number, Session, args, row};
use super::{ConflictKind, PageOf, PageRequest, Result, Store};

/// What an account may do on the farm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Lends machines.
    Provider,
    /// Submits jobs.
    Creator,
    /// Looks after the farm.
    Operator,
    /// Publishes versions of the worker program.
    ReleaseManager,
}

impl Role {
    /// Every role, in order.
    pub const ALL: [Self; 4] = [Self::Provider, Self::Creator, Self::Operator, Self::ReleaseManager];

    /// The text that the database holds and the API shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Creator => "creator",
            Self::Operator => "operator",
            Self::ReleaseManager => "release_manager",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role: provider, creator, operator or release_manager")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

row! {
    /// An account.
    pub struct AccountRow {
        /// The account.
        pub id: AccountId,
        /// Sign-in e-mail address, lower case.
        pub email: String,
        /// Display name.
        pub name: String,
        /// Roles, ascending.
        pub roles: Vec<Role>,
        /// Argon2id in PHC text form; nothing: cannot sign in with a password.
        pub password_hash: Option<String>,
        /// As typed.
        pub wallet_address: Option<String>,
        /// Made.
        pub created_at: UnixMillis,
        /// Locked out since; its sessions and tokens count for nothing.
        pub disabled_at: Option<UnixMillis>,
    }
}

/// An account to make.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAccount {
    /// Its id.
    pub id: AccountId,
    /// E-mail address; kept in lower case.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Roles.
    pub roles: Vec<Role>,
    /// Argon2id in PHC text form.
    pub password_hash: Option<String>,
}

/// What to change; nothing: leave it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountPatch {
    /// Display name.
    pub name: Option<String>,
    /// Wallet address; `Some(None)` removes it.
    pub wallet_address: Option<Option<String>>,
    /// Password hash.
    pub password_hash: Option<String>,
}

impl Store {
    /// Makes an account. `Conflict(EmailTaken)` if the address is in use.
    pub async fn create_account(&self, new: &NewAccount, now: UnixMillis) -> Result<AccountRow> {
        let new = new.clone();
        self.begin_write(move |session| Box::pin(async move { insert_account(session, &new, now).await }))
            .await
    }

    /// The account.
    pub async fn account(&self, id: AccountId) -> Result<AccountRow> {
        self.one("SELECT * FROM accounts WHERE id = $1", args![id]).await
    }

    /// The account with that address, in whatever case it was typed.
    pub async fn account_by_email(&self, email: &str) -> Result<Option<AccountRow>> {
        self.optional("SELECT * FROM accounts WHERE email = $1", args![email_key(email)]).await
    }

    /// How many accounts there are.
    pub async fn count_accounts(&self) -> Result<u64> {
        let count: Number = self.one("SELECT COUNT(*) AS number FROM accounts", args![]).await?;
        Ok(count.number.unsigned_abs())
    }

    /// Changes an account and returns it as it then is.
    pub async fn update_account(
        &self,
        id: AccountId,
        patch: &AccountPatch,
        _now: UnixMillis,
    ) -> Result<AccountRow> {
        let values = args![
            id,
            patch.name,
            patch.wallet_address.is_some(),
            patch.wallet_address.clone().flatten(),
            patch.password_hash,
        ];
        self.begin_write(move |session| {
            Box::pin(async move {
                session
                    .one(
                        "UPDATE accounts SET name = COALESCE($2, name),
                             wallet_address = CASE WHEN $3 = 1 THEN $4 ELSE wallet_address END,
                             password_hash = COALESCE($5, password_hash)
                         WHERE id = $1 RETURNING *",
                        values,
                    )
                    .await
            })
        })
        .await
    }

    /// Accounts, oldest first.
    pub async fn list_accounts(&self, page: &PageRequest) -> Result<PageOf<AccountRow>> {
        let rows = page.rows();
        let after = page.keys::<1>("accounts")?.map(|[id]| id).unwrap_or_default();
        let sql = "SELECT * FROM accounts WHERE id > $1 ORDER BY id LIMIT $2";
        let found: Vec<AccountRow> = self.all(sql, args![after, rows + 1]).await?;
        Ok(PageOf::cut(found, rows, "accounts", |row| [row.id.to_string()]))
    }
}

/// One spelling a person: addresses are compared in lower case.
fn email_key(email: &str) -> String {
    email.trim().to_ascii_lowercase()
}

pub(super) async fn insert_account(
    session: &mut Session,
    new: &NewAccount,
    now: UnixMillis,
) -> Result<AccountRow> {
    session
        .one_unique(
            "INSERT INTO accounts (id, email, name, roles, password_hash, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING *",
            args![new.id, email_key(&new.email), new.name, new.roles, new.password_hash, now],
            ConflictKind::EmailTaken,
        )
        .await
}
