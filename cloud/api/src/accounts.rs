//! Accounts, sessions, tokens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/account`: who am I.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// The account.
    pub id: String,
    /// Sign-in e-mail address.
    pub email: String,
    /// Display name.
    pub name: String,
    /// `provider`, `creator`, `operator`, `release_manager`.
    pub roles: Vec<String>,
    /// Wallet address, as typed.
    pub wallet_address: Option<String>,
    /// RFC 3339.
    pub created_at: String,
}

/// `PATCH /api/v1/account`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountChange {
    /// New display name.
    pub name: Option<String>,
    /// New wallet address; empty text removes it.
    pub wallet_address: Option<String>,
}

/// A signed-in browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// The session.
    pub id: String,
    /// The browser's own words about itself.
    pub user_agent: String,
    /// It is the one that asks.
    pub is_current: bool,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub last_used_at: String,
}

/// `POST /api/v1/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// `all`, `jobs`, `workers` or `read`.
    pub scopes: Vec<String>,
    /// Days it is good for; `null`: until it is revoked.
    pub days: Option<u32>,
}

/// An API token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// The token's id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Scopes.
    pub scopes: Vec<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub last_used_at: Option<String>,
    /// RFC 3339.
    pub expires_at: Option<String>,
}

/// Answer to `POST /api/v1/tokens`: the only time the secret is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// The token.
    pub token: Token,
    /// Send it as `Authorization: Bearer …`.
    pub secret: String,
}
