//! Accounts: who there is, with which roles.

use std::fmt;
use std::str::FromStr;

use pictor_actors::ids::AccountId;
use pictor_actors::units::UnixMillis;

use super::sql::row;
use super::{PageOf, PageRequest, Result, Store};

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
        todo!()
    }

    /// The account.
    pub async fn account(&self, id: AccountId) -> Result<AccountRow> {
        todo!()
    }

    /// The account with that address, in whatever case it was typed.
    pub async fn account_by_email(&self, email: &str) -> Result<Option<AccountRow>> {
        todo!()
    }

    /// How many accounts there are.
    pub async fn count_accounts(&self) -> Result<u64> {
        todo!()
    }

    /// Changes an account and returns it as it then is.
    pub async fn update_account(
        &self,
        id: AccountId,
        patch: &AccountPatch,
        now: UnixMillis,
    ) -> Result<AccountRow> {
        todo!()
    }

    /// Accounts, oldest first.
    pub async fn list_accounts(&self, page: &PageRequest) -> Result<PageOf<AccountRow>> {
        todo!()
    }
}
