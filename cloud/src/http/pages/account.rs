//! The account's page and its forms.

use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::ids::{SessionId, TokenId};
use pictor_cloud_api::accounts::{AccountChange, NewToken};
use serde::Deserialize;

use super::{Place, back, chrome, form_errors, ok, refused};
use crate::http::api::accounts::patch_of;
use crate::http::api::tokens::make_token;
use crate::http::guards::{SignedIn, passwords};
use crate::http::present::accounts as present;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::views::forms::FormErrors;
use crate::views::people::account::{AccountPage, FreshToken};

/// Name and wallet.
#[derive(Debug, Deserialize)]
pub struct AccountForm {
    name: String,
    wallet_address: String,
}

/// A change of password.
#[derive(Deserialize)]
pub struct PasswordForm {
    password: String,
    new_password: String,
}

/// A new token.
#[derive(Debug, Deserialize)]
pub struct TokenForm {
    token_name: String,
    scope: String,
    #[serde(default)]
    days: String,
}

async fn view(state: &AppState, caller: &SignedIn, errors: &FormErrors) -> Answer<AccountPage> {
    let sessions = state.store.list_sessions(caller.id()).await?;
    let tokens = state.store.list_tokens(caller.id()).await?;
    Ok(AccountPage::new(
        &present::account(&caller.account),
        sessions.iter().map(|row| present::session(row, caller.session())).collect(),
        tokens.iter().map(present::token).collect(),
        errors,
    ))
}

async fn again(
    request: &HttpRequest,
    state: &AppState,
    caller: &SignedIn,
    error: Error,
) -> Answer<HttpResponse> {
    let Some(errors) = form_errors(&error) else { return Err(error) };
    let view = view(state, caller, &errors).await?;
    refused(state, &error, &chrome(request, caller, Place::Account, "Account"), &view)
}

/// `GET /account`.
pub async fn page(request: HttpRequest, caller: SignedIn, state: Data<AppState>) -> Answer<HttpResponse> {
    let view = view(&state, &caller, &FormErrors::default()).await?;
    ok(&state, &chrome(&request, &caller, Place::Account, "Account"), &view)
}

/// `POST /account`.
pub async fn save(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    form: Form<AccountForm>,
) -> Answer<HttpResponse> {
    let AccountForm { name, wallet_address } = form.into_inner();
    let change = AccountChange { name: Some(name), wallet_address: Some(wallet_address) };
    match patch_of(change) {
        Ok(patch) => {
            state.store.update_account(caller.id(), &patch, state.wall()).await?;
            Ok(back("/account", "saved"))
        }
        Err(error) => again(&request, &state, &caller, error).await,
    }
}

/// `POST /account/password`: other browsers are signed out.
pub async fn password(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    form: Form<PasswordForm>,
) -> Answer<HttpResponse> {
    let PasswordForm { password, new_password } = form.into_inner();
    if !passwords::verify(password, caller.account.password_hash.clone()).await? {
        let error = Error::field("password", "this is not the password in force");
        return again(&request, &state, &caller, error).await;
    }
    if let Some(message) = passwords::objection(&new_password) {
        return again(&request, &state, &caller, Error::field("new_password", message)).await;
    }
    let password_hash = passwords::hash(new_password).await?;
    state.store.change_password(caller.id(), &password_hash, caller.session()).await?;
    Ok(back("/account", "password"))
}

/// `POST /account/sessions/{session}/end`.
pub async fn end_session(
    caller: SignedIn,
    state: Data<AppState>,
    id: Path<SessionId>,
) -> Answer<HttpResponse> {
    state.store.end_session(caller.id(), *id).await?;
    Ok(back("/account", "ended"))
}

/// `POST /account/tokens`: the answer is the only place where the secret is shown.
pub async fn new_token(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    form: Form<TokenForm>,
) -> Answer<HttpResponse> {
    let TokenForm { token_name, scope, days } = form.into_inner();
    let new = NewToken { name: token_name, scopes: vec![scope], days: days.parse().ok() };
    match make_token(&state, caller.id(), &new).await {
        Ok(created) => {
            let mut view = view(&state, &caller, &FormErrors::default()).await?;
            view.fresh_token = Some(FreshToken { name: created.token.name, secret: created.secret });
            ok(&state, &chrome(&request, &caller, Place::Account, "Account"), &view)
        }
        Err(error) => again(&request, &state, &caller, error).await,
    }
}

/// `POST /account/tokens/{token}/revoke`.
pub async fn revoke_token(
    caller: SignedIn,
    state: Data<AppState>,
    id: Path<TokenId>,
) -> Answer<HttpResponse> {
    state.store.revoke_token(caller.id(), *id, state.wall()).await?;
    Ok(back("/account", "revoked"))
}
