//! What proves an account without its password: sessions of browsers, API tokens, the one-time set-up address.
//!
//! Only hashes of secrets come in here.

use pictor_actors::ids::{AccountId, SessionId, TokenId};
use pictor_actors::units::UnixMillis;

use super::sql::row;
use super::{AccountRow, NewAccount, Result, Store};

row! {
    /// A signed-in browser.
    pub struct SessionRow {
        /// The session.
        pub id: SessionId,
        /// Whose.
        pub account_id: AccountId,
        /// Hash of the cookie's secret.
        pub secret_hash: String,
        /// The browser's words about itself.
        pub user_agent: String,
        /// Signed in.
        pub created_at: UnixMillis,
        /// Last seen.
        pub last_used_at: UnixMillis,
        /// Good until.
        pub expires_at: UnixMillis,
    }
}

row! {
    /// An API token, without its secret.
    pub struct TokenRow {
        /// The token.
        pub id: TokenId,
        /// Whose.
        pub account_id: AccountId,
        /// What it is for.
        pub name: String,
        /// Hash of the secret.
        pub secret_hash: String,
        /// Scopes, separated by commas.
        pub scopes: String,
        /// Made.
        pub created_at: UnixMillis,
        /// Last used.
        pub last_used_at: Option<UnixMillis>,
        /// Good until; nothing: until revoked.
        pub expires_at: Option<UnixMillis>,
        /// Revoked.
        pub revoked_at: Option<UnixMillis>,
    }
}

impl Store {
    /// Keeps a one-time set-up secret; those before it are dead.
    pub async fn put_setup_token(&self, secret_hash: &str, expires_at: UnixMillis) -> Result<()> {
        todo!()
    }

    /// Whether that set-up secret would be taken now.
    pub async fn setup_token_is_good(&self, secret_hash: &str, now: UnixMillis) -> Result<bool> {
        todo!()
    }

    /// Makes the first account against the set-up secret. `Conflict(SetUpOver)` if the secret was used or is too old,
    /// or an account exists.
    pub async fn use_setup_token(
        &self,
        secret_hash: &str,
        new: &NewAccount,
        now: UnixMillis,
    ) -> Result<AccountRow> {
        todo!()
    }

    /// Keeps a new session.
    pub async fn create_session(&self, session: &SessionRow) -> Result<()> {
        todo!()
    }

    /// The live session with that secret and its account; nothing if it ended, expired or the account is disabled.
    pub async fn session_by_secret(
        &self,
        secret_hash: &str,
        now: UnixMillis,
    ) -> Result<Option<(SessionRow, AccountRow)>> {
        todo!()
    }

    /// Notes that a session was used. At most once a minute is written.
    pub async fn touch_session(&self, id: SessionId, now: UnixMillis) -> Result<()> {
        todo!()
    }

    /// The account's sessions, newest first.
    pub async fn list_sessions(&self, account: AccountId) -> Result<Vec<SessionRow>> {
        todo!()
    }

    /// Ends a session of the account.
    pub async fn end_session(&self, account: AccountId, id: SessionId) -> Result<()> {
        todo!()
    }

    /// Keeps a new token.
    pub async fn create_token(&self, token: &TokenRow) -> Result<()> {
        todo!()
    }

    /// The live token with that secret and its account; nothing if it expired, was revoked or the account is disabled.
    pub async fn token_by_secret(
        &self,
        secret_hash: &str,
        now: UnixMillis,
    ) -> Result<Option<(TokenRow, AccountRow)>> {
        todo!()
    }

    /// Notes that a token was used. At most once a minute is written.
    pub async fn touch_token(&self, id: TokenId, now: UnixMillis) -> Result<()> {
        todo!()
    }

    /// The account's tokens that are not revoked, newest first.
    pub async fn list_tokens(&self, account: AccountId) -> Result<Vec<TokenRow>> {
        todo!()
    }

    /// Revokes a token of the account.
    pub async fn revoke_token(&self, account: AccountId, id: TokenId, now: UnixMillis) -> Result<()> {
        todo!()
    }
}
