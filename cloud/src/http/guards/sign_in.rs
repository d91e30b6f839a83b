//! Signing in, signing out and the first set-up, as pages (and whoever else) need them.
//!
//! An unknown address and a wrong password get the same answer after the same work.

use actix_web::HttpRequest;
use actix_web::http::header;
use pictor_actors::ids::AccountId;
use pictor_cloud_api::problem::{FieldProblem, ProblemCode};
use pictor_cloud_domain::job::plan::check_name;

use super::{SignedIn, passwords, start_session};
use crate::config::Secret;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::secrets::hash_secret;
use crate::store::{AccountRow, NewAccount, Role};

/// Longest e-mail address (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// What the sign-in form says.
pub struct Credentials<'a> {
    /// E-mail address as typed.
    pub email: &'a str,
    /// Password as typed.
    pub password: &'a str,
}

/// What the first set-up's form says.
pub struct FirstAccount<'a> {
    /// E-mail address.
    pub email: &'a str,
    /// Display name.
    pub name: &'a str,
    /// Password.
    pub password: &'a str,
}

/// Signs in: the account and the secret for `session_cookie`.
///
/// # Errors
/// `wrong_credentials`, `rate_limited` for too many tries at one address, `unavailable` when too many sign
/// in.
pub async fn sign_in(
    state: &AppState,
    request: &HttpRequest,
    credentials: &Credentials<'_>,
) -> Answer<(AccountRow, Secret)> {
    let email = credentials.email.trim().to_lowercase();
    state.rate_limits.account_door(email.chars().take(EMAIL_BYTES_MAX).collect())?;
    let found = state.store.account_by_email(&email).await?;
    let account = found.filter(|account| account.disabled_at.is_none());
    let stored = account.as_ref().and_then(|account| account.password_hash.clone());
    let is_right = passwords::verify(credentials.password.to_owned(), stored).await?;
    let Some(account) = account.filter(|_| is_right) else {
        let detail = "e-mail address or password is wrong";
        return Err(Error::new(ProblemCode::WrongCredentials, detail));
    };
    let (_, secret) = start_session(state, account.id, user_agent(request)).await?;
    Ok((account, secret))
}

/// Ends the session that asks; for API tokens nothing.
///
/// # Errors
/// As the store's.
pub async fn sign_out(state: &AppState, caller: &SignedIn) -> Answer<()> {
    if let Some(session) = caller.session() {
        state.store.end_session(caller.id(), session).await?;
    }
    Ok(())
}

/// Whether a set-up address would be taken now.
///
/// # Errors
/// As the store's.
pub async fn set_up_is_open(state: &AppState, token: &str) -> Answer<bool> {
    Ok(state.store.setup_token_is_good(&hash_secret(token), state.wall()).await?)
}

/// Makes the first account, with every role, against the one-time set-up token, and signs it in.
///
/// # Errors
/// `invalid_input` with the fields, `conflict` for a token that is used, too old or of no use any more.
pub async fn set_up(
    state: &AppState,
    request: &HttpRequest,
    token: &str,
    first: &FirstAccount<'_>,
) -> Answer<(AccountRow, Secret)> {
    let (email, name) = checked(first)?;
    if !set_up_is_open(state, token).await? {
        // Before the costly hashing: whoever guesses tokens shall not make us work.
        let detail = "the set-up address was used or is too old: restart the cloud for a new one, or sign in";
        return Err(Error::new(ProblemCode::Conflict, detail));
    }
    let password_hash = Some(passwords::hash(first.password.to_owned()).await?);
    let id = AccountId::generate();
    let new = NewAccount { id, email, name, roles: Role::ALL.to_vec(), password_hash };
    let account = state.store.use_setup_token(&hash_secret(token), &new, state.wall()).await?;
    let (_, secret) = start_session(state, account.id, user_agent(request)).await?;
    Ok((account, secret))
}

fn checked(first: &FirstAccount<'_>) -> Answer<(String, String)> {
    let mut wrong = Vec::new();
    let mut object = |field: &str, message: String| {
        wrong.push(FieldProblem { field: field.to_owned(), message });
    };
    let email = first.email.trim().to_lowercase();
    if let Some(message) = email_objection(&email) {
        object("email", message);
    }
    let name = check_name(first.name).unwrap_or_else(|message| {
        object("name", message);
        String::new()
    });
    if let Some(message) = passwords::objection(first.password) {
        object("password", message);
    }
    if wrong.is_empty() { Ok((email, name)) } else { Err(Error::fields(wrong)) }
}

/// What is wrong with an e-mail address, in words. Only its form: whether it is somebody's is not asked.
#[must_use]
pub fn email_objection(email: &str) -> Option<String> {
    let shape = email.split_once('@').is_some_and(|(before, after)| {
        let is_plain =
            |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control());
        is_plain(before) && is_plain(after) && !after.contains('@')
    });
    (!shape || email.len() > EMAIL_BYTES_MAX).then(|| "not an e-mail address (name@example.org)".to_owned())
}

fn user_agent(request: &HttpRequest) -> Option<&str> {
    request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_at_sign_and_no_blanks() {
        for good in ["a@b", "ada.lovelace+x@mail.example.org"] {
            assert_eq!(email_objection(good), None, "{good}");
        }
        for bad in ["", "a", "@b", "a@", "a b@c", "a@b@c", "a@b\n", &format!("a@{}", "b".repeat(300))] {
            assert!(email_objection(bad).is_some(), "{bad}");
        }
    }
}
