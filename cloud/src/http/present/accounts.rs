//! Accounts, sessions and tokens.

use pictor_actors::ids::SessionId;
use pictor_cloud_api::accounts::{Account, Session, Token};

use super::time;
use crate::store::{AccountRow, SessionRow, TokenRow};

/// An account.
#[must_use]
pub fn account(row: &AccountRow) -> Account {
    Account {
        id: row.id.to_string(),
        email: row.email.clone(),
        name: row.name.clone(),
        roles: row.roles.iter().map(ToString::to_string).collect(),
        wallet_address: row.wallet_address.clone(),
        created_at: time(row.created_at),
    }
}

/// A session; `current` is the one that asks.
#[must_use]
pub fn session(row: &SessionRow, current: Option<SessionId>) -> Session {
    Session {
        id: row.id.to_string(),
        user_agent: row.user_agent.clone(),
        is_current: current == Some(row.id),
        created_at: time(row.created_at),
        last_used_at: time(row.last_used_at),
    }
}

/// A token without its secret.
#[must_use]
pub fn token(row: &TokenRow) -> Token {
    Token {
        id: row.id.to_string(),
        name: row.name.clone(),
        scopes: row.scopes.split(',').map(str::to_owned).collect(),
        created_at: time(row.created_at),
        last_used_at: row.last_used_at.map(time),
        expires_at: row.expires_at.map(time),
    }
}
