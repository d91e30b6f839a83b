//! What proves an account without its password: sessions of browsers, API tokens, the one-time set-up
//! address.
//!
//! Only hashes of secrets come in here.

use pictor_actors::ids::{AccountId, SessionId, TokenId};
use pictor_actors::units::UnixMillis;

use super::accounts::insert_account;
use super::sql::{Number, args, row};
use super::{AccountRow, ConflictKind, NewAccount, Result, Store, StoreError};

/// A use within this time of the last noted one is not written: it would turn every read into a write.
const TOUCH_EVERY_MS: i64 = 60_000;

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
        let values = args![secret_hash, expires_at];
        self.begin_write(move |session| {
            Box::pin(async move {
                session.run("DELETE FROM setup_tokens WHERE used_at IS NULL", args![]).await?;
                let sql = "INSERT INTO setup_tokens (secret_hash, expires_at) VALUES ($1, $2)";
                session.run(sql, values).await.map(|_| ())
            })
        })
        .await
    }

    /// Whether that set-up secret would be taken now.
    pub async fn setup_token_is_good(&self, secret_hash: &str, now: UnixMillis) -> Result<bool> {
        let good: Number = self
            .one(
                "SELECT COUNT(*) AS number FROM setup_tokens
                 WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > $2
                   AND NOT EXISTS (SELECT id FROM accounts)",
                args![secret_hash, now],
            )
            .await?;
        Ok(good.number == 1)
    }

    /// Makes the first account against the set-up secret. `Conflict(SetUpOver)` if the secret was used or is
    /// too old, or an account exists.
    pub async fn use_setup_token(
        &self,
        secret_hash: &str,
        new: &NewAccount,
        now: UnixMillis,
    ) -> Result<AccountRow> {
        let (secret_hash, new) = (secret_hash.to_owned(), new.clone());
        self.begin_write(move |session| {
            Box::pin(async move {
                let taken = session
                    .run(
                        "UPDATE setup_tokens SET used_at = $2
                         WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > $2
                           AND NOT EXISTS (SELECT id FROM accounts)",
                        args![secret_hash, now],
                    )
                    .await?;
                if taken == 0 {
                    return Err(StoreError::Conflict(ConflictKind::SetUpOver));
                }
                insert_account(session, &new, now).await
            })
        })
        .await
    }

    /// Removes set-up secrets that were used or too old before then, at most `limit`; returns how many.
    pub async fn drop_old_setup_tokens(&self, before: UnixMillis, limit: u32) -> Result<u64> {
        self.write_one(
            "DELETE FROM setup_tokens WHERE secret_hash IN
                 (SELECT secret_hash FROM setup_tokens WHERE COALESCE(used_at, expires_at) < $1 LIMIT $2)",
            args![before, limit],
        )
        .await
    }

    /// Keeps a new session.
    pub async fn create_session(&self, session: &SessionRow) -> Result<()> {
        self.write_one(
            "INSERT INTO sessions (id, account_id, secret_hash, user_agent, created_at, last_used_at,
                expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            args![
                session.id,
                session.account_id,
                session.secret_hash,
                session.user_agent,
                session.created_at,
                session.last_used_at,
                session.expires_at,
            ],
        )
        .await
        .map(|_| ())
    }

    /// The live session with that secret and its account; nothing if it ended, expired or the account is
    /// disabled.
    pub async fn session_by_secret(
        &self,
        secret_hash: &str,
        now: UnixMillis,
    ) -> Result<Option<(SessionRow, AccountRow)>> {
        let sql = "SELECT * FROM sessions WHERE secret_hash = $1 AND expires_at > $2";
        let found: Option<SessionRow> = self.optional(sql, args![secret_hash, now]).await?;
        let Some(session) = found else { return Ok(None) };
        Ok(self.enabled_account(session.account_id).await?.map(|account| (session, account)))
    }

    /// Notes that a session was used and is good until `expires_at`. At most once a minute is written.
    pub async fn touch_session(&self, id: SessionId, expires_at: UnixMillis, now: UnixMillis) -> Result<()> {
        let due = UnixMillis(now.0.saturating_sub(TOUCH_EVERY_MS));
        let sql = "SELECT COUNT(*) AS number FROM sessions WHERE id = $1 AND last_used_at <= $2";
        let stale: Number = self.one(sql, args![id, due]).await?;
        if stale.number == 0 {
            return Ok(());
        }
        let sql = "UPDATE sessions SET last_used_at = $2, expires_at = $3 WHERE id = $1";
        self.write_one(sql, args![id, now, expires_at]).await.map(|_| ())
    }

    /// The account's sessions, newest first.
    pub async fn list_sessions(&self, account: AccountId) -> Result<Vec<SessionRow>> {
        self.all("SELECT * FROM sessions WHERE account_id = $1 ORDER BY id DESC", args![account]).await
    }

    /// Ends a session of the account.
    pub async fn end_session(&self, account: AccountId, id: SessionId) -> Result<()> {
        let sql = "DELETE FROM sessions WHERE account_id = $1 AND id = $2";
        if self.write_one(sql, args![account, id]).await? == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Keeps a new token.
    pub async fn create_token(&self, token: &TokenRow) -> Result<()> {
        self.write_one(
            "INSERT INTO api_tokens (id, account_id, name, secret_hash, scopes, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            args![
                token.id,
                token.account_id,
                token.name,
                token.secret_hash,
                token.scopes,
                token.created_at,
                token.expires_at,
            ],
        )
        .await
        .map(|_| ())
    }

    /// The live token with that secret and its account; nothing if it expired, was revoked or the account is
    /// disabled.
    pub async fn token_by_secret(
        &self,
        secret_hash: &str,
        now: UnixMillis,
    ) -> Result<Option<(TokenRow, AccountRow)>> {
        let found: Option<TokenRow> = self
            .optional(
                "SELECT * FROM api_tokens WHERE secret_hash = $1 AND revoked_at IS NULL
                   AND (expires_at IS NULL OR expires_at > $2)",
                args![secret_hash, now],
            )
            .await?;
        let Some(token) = found else { return Ok(None) };
        Ok(self.enabled_account(token.account_id).await?.map(|account| (token, account)))
    }

    /// Notes that a token was used. At most once a minute is written.
    pub async fn touch_token(&self, id: TokenId, now: UnixMillis) -> Result<()> {
        let due = UnixMillis(now.0.saturating_sub(TOUCH_EVERY_MS));
        let sql = "SELECT COUNT(*) AS number FROM api_tokens
                   WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $2)";
        let stale: Number = self.one(sql, args![id, due]).await?;
        if stale.number == 0 {
            return Ok(());
        }
        self.write_one("UPDATE api_tokens SET last_used_at = $2 WHERE id = $1", args![id, now])
            .await
            .map(|_| ())
    }

    /// The account's tokens that are not revoked, newest first.
    pub async fn list_tokens(&self, account: AccountId) -> Result<Vec<TokenRow>> {
        let sql = "SELECT * FROM api_tokens WHERE account_id = $1 AND revoked_at IS NULL ORDER BY id DESC";
        self.all(sql, args![account]).await
    }

    /// Revokes a token of the account.
    pub async fn revoke_token(&self, account: AccountId, id: TokenId, now: UnixMillis) -> Result<()> {
        let sql = "UPDATE api_tokens SET revoked_at = $3
                   WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL";
        if self.write_one(sql, args![account, id, now]).await? == 0 {
            Err(StoreError::NotFound)
        } else {
            Ok(())
        }
    }

    /// Changes an account's password and ends its sessions but this one, together: whoever knew the password
    /// before is out as soon as it is another. Returns how many sessions ended.
    pub async fn change_password(
        &self,
        account: AccountId,
        password_hash: &str,
        but: Option<SessionId>,
    ) -> Result<u64> {
        let password_hash = password_hash.to_owned();
        let but = but.map(|session| session.to_string()).unwrap_or_default();
        self.begin_write(move |session| {
            Box::pin(async move {
                let sql = "UPDATE accounts SET password_hash = $2 WHERE id = $1";
                if session.run(sql, args![account, password_hash]).await? == 0 {
                    return Err(StoreError::NotFound);
                }
                let sql = "DELETE FROM sessions WHERE account_id = $1 AND id <> $2";
                session.run(sql, args![account, but]).await
            })
        })
        .await
    }

    /// Removes sessions that expired before then, at most `limit`; returns how many.
    pub async fn drop_expired_sessions(&self, before: UnixMillis, limit: u32) -> Result<u64> {
        self.write_one(
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2)",
            args![before, limit],
        )
        .await
    }

    async fn enabled_account(&self, id: AccountId) -> Result<Option<AccountRow>> {
        self.optional("SELECT * FROM accounts WHERE id = $1 AND disabled_at IS NULL", args![id]).await
    }
}
