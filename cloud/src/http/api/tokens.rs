//! API tokens: made (the secret is shown once), listed, revoked.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pictor_actors::ids::{AccountId, TokenId};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_api::accounts::{CreatedToken, NewToken, Token};
use pictor_cloud_api::page::Page;
use pictor_cloud_domain::job::plan::check_name;

use crate::http::guards::{Scope, SignedIn, TOKEN_PREFIX};
use crate::http::present;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::secrets::new_secret;
use crate::store::TokenRow;

/// Longest life that can be asked for; longer means *until revoked*.
const DAYS_MAX: u32 = 3_650;
const DAY: u64 = 24 * 3600;

/// The account's tokens, newest first.
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "list_tokens", tag = "account",
    responses((status = 200, body = Page<Token>)))]
pub async fn list_tokens(caller: SignedIn, state: Data<AppState>) -> Answer<Json<Page<Token>>> {
    let rows = state.store.list_tokens(caller.id()).await?;
    Ok(Json(Page { items: rows.iter().map(present::accounts::token).collect(), next_cursor: None }))
}

/// Makes a token. Only a browser's session may: a leaked token must not be able to make others.
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "create_token", tag = "account",
    request_body = NewToken, responses((status = 201, body = CreatedToken)))]
pub async fn create_token(
    caller: SignedIn,
    state: Data<AppState>,
    new: Json<NewToken>,
) -> Answer<HttpResponse> {
    let created = make_token(&state, caller.id(), &new).await?;
    Ok(HttpResponse::Created().json(created))
}

/// Revokes a token at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{token}", operation_id = "revoke_token", tag = "account",
    params(("token" = String, Path)), responses((status = 204)))]
pub async fn revoke_token(
    caller: SignedIn,
    state: Data<AppState>,
    token: Path<TokenId>,
) -> Answer<HttpResponse> {
    state.store.revoke_token(caller.id(), token.into_inner(), state.wall()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Makes a token of the account; pages use it as well.
///
/// # Errors
/// `invalid_input` with the field.
pub async fn make_token(state: &AppState, account: AccountId, new: &NewToken) -> Answer<CreatedToken> {
    let now = state.wall();
    let row_of = checked(account, new, now)?;
    let (secret, secret_hash) = new_secret(TOKEN_PREFIX).map_err(Error::internal)?;
    let row = TokenRow { secret_hash, ..row_of };
    state.store.create_token(&row).await?;
    Ok(CreatedToken { token: present::accounts::token(&row), secret })
}

fn checked(account: AccountId, new: &NewToken, now: UnixMillis) -> Answer<TokenRow> {
    let name = check_name(&new.name).map_err(|message| Error::field("name", message))?;
    let unknown = || Error::field("scopes", "name at least one of all, jobs, workers, read");
    let mut scopes = Vec::new();
    for text in &new.scopes {
        scopes.push(Scope::parse(text).ok_or_else(unknown)?);
    }
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(unknown());
    }
    if new.days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
        return Err(Error::field("days", format!("use 1 to {DAYS_MAX}, or none for until it is revoked")));
    }
    Ok(TokenRow {
        id: TokenId::generate(),
        account_id: account,
        name,
        secret_hash: String::new(),
        scopes: scopes.iter().map(|scope| scope.text()).collect::<Vec<_>>().join(","),
        created_at: now,
        last_used_at: None,
        expires_at: new.days.map(|days| now.plus(Millis::from_secs(u64::from(days) * DAY))),
        revoked_at: None,
    })
}
