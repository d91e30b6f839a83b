//! Browser sessions: the cookie, and starting one.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use pictor_actors::ids::{AccountId, SessionId};
use pictor_actors::units::{Millis, UnixMillis};

use crate::config::Secret;
use crate::http::problem::Error;
use crate::http::state::AppState;
use crate::secrets::new_secret;
use crate::store::SessionRow;

/// A session ends after this long without use.
pub const SESSION_IDLE_MAX: Millis = Millis::from_secs(30 * 24 * 3600);
/// Use is noted (and the end moved) at most this often, so that a page view is not a database write.
pub const SESSION_TOUCH_EVERY: Millis = Millis::from_secs(300);
/// What is kept of a browser's description of itself.
const USER_AGENT_CHARS_MAX: usize = 200;

/// The cookie's name: with the `__Host-` prefix, which browsers keep to this host and to https; on plain
/// loopback, where they would refuse that, without.
#[must_use]
pub fn cookie_name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-pictor" } else { "pictor" }
}

/// The cookie that carries a session's secret.
#[must_use]
pub fn session_cookie(is_secure: bool, secret: &Secret) -> Cookie<'static> {
    cookie(is_secure, secret.expose().to_owned(), Duration::milliseconds(SESSION_IDLE_MAX.0.cast_signed()))
}

/// The cookie that makes the browser forget its session.
#[must_use]
pub fn clear_cookie(is_secure: bool) -> Cookie<'static> {
    cookie(is_secure, String::new(), Duration::ZERO)
}

fn cookie(is_secure: bool, value: String, max_age: Duration) -> Cookie<'static> {
    Cookie::build(cookie_name(is_secure), value)
        .path("/")
        .http_only(true)
        .secure(is_secure)
        .same_site(SameSite::Lax)
        .max_age(max_age)
        .finish()
}

/// Makes a session of the account; the secret goes into [`session_cookie`].
///
/// # Errors
/// As the store's.
pub async fn start_session(
    state: &AppState,
    account: AccountId,
    user_agent: Option<&str>,
) -> Result<(SessionId, Secret), Error> {
    let (secret, secret_hash) = new_secret("").map_err(Error::internal)?;
    let now = state.wall();
    let id = SessionId::generate();
    let user_agent = user_agent.unwrap_or_default().chars().take(USER_AGENT_CHARS_MAX).collect();
    let row = SessionRow {
        id,
        account_id: account,
        secret_hash,
        user_agent,
        created_at: now,
        last_used_at: now,
        expires_at: session_end(now),
    };
    state.store.create_session(&row).await?;
    Ok((id, Secret::new(secret)))
}

/// When a session used at `now` ends.
#[must_use]
pub fn session_end(now: UnixMillis) -> UnixMillis {
    now.plus(SESSION_IDLE_MAX)
}
