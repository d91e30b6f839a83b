//! Keeps a route's guard: finds out who calls, refuses whom the guard does not let through, and leaves the
//! caller in the request for the extractors.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpResponse, web};
use pictor_cloud_api::problem::ProblemCode;

use super::callers::{SignedIn, Via, WorkerCaller};
use super::forms::{check_form_token, check_origin, form_token};
use super::need::{Guard, Need, Scope};
use super::sessions::{SESSION_TOUCH_EVERY, cookie_name, session_end};
use super::{TOKEN_PREFIX, WORKER_BEARER_PREFIX};
use crate::http::problem::Error;
use crate::http::state::AppState;
use crate::secrets::hash_secret;

/// Longest secret that is looked up; ours have 47 characters.
const SECRET_CHARS_MAX: usize = 128;

/// Middleware of one route.
///
/// # Errors
/// Never: refusals are answers.
pub async fn enforce<B: MessageBody + 'static>(
    guard: Guard,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match admit(guard, &mut request).await {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(refusal) if wants_sign_in(guard, &request, &refusal) => {
            let answer = HttpResponse::SeeOther()
                .insert_header((header::LOCATION, sign_in_address(&request)))
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .finish();
            Ok(request.into_response(answer))
        }
        Err(refusal) => Ok(request.error_response(refusal)),
    }
}

async fn admit(guard: Guard, request: &mut ServiceRequest) -> Result<(), Error> {
    let state = state_of(request)?;
    let address = state.client_address(request.request());
    if guard == Guard::Door && !request.method().is_safe() {
        state.rate_limits.door(address)?;
    }
    match known(guard, request, &state).await {
        Ok(Some(caller)) => state.rate_limits.caller(caller),
        Ok(None) => state.rate_limits.address(address),
        Err(refusal) => {
            // Whoever is refused over and over is told to wait instead of why.
            if refusal.code() == ProblemCode::NotSignedIn && bearer(request).is_some() {
                state.rate_limits.refused(address)?;
            }
            state.rate_limits.address(address)?;
            Err(refusal)
        }
    }
}

/// Lets the caller through or not; the answer is whom to count the request for.
async fn known(
    guard: Guard,
    request: &mut ServiceRequest,
    state: &AppState,
) -> Result<Option<String>, Error> {
    match guard {
        Guard::Public | Guard::Door => {
            check_origin(request, &state.config)?;
            let Some(caller) = session(request, state).await? else { return Ok(None) };
            let id = caller.id().to_string();
            request.extensions_mut().insert(caller);
            Ok(Some(id))
        }
        Guard::Page | Guard::Session => {
            let caller = session(request, state).await?.ok_or_else(not_signed_in)?;
            admit_session(request, state, caller).await
        }
        Guard::Api(need) => admit_account(request, state, need).await,
        Guard::Worker => admit_worker(request, state).await,
        Guard::WorkerOr(need) => match bearer(request) {
            Some(secret) if secret.starts_with(WORKER_BEARER_PREFIX) => admit_worker(request, state).await,
            Some(_) | None => admit_account(request, state, need).await,
        },
    }
}

async fn admit_account(
    request: &mut ServiceRequest,
    state: &AppState,
    need: Need,
) -> Result<Option<String>, Error> {
    let Some(secret) = bearer(request) else {
        let caller = session(request, state).await?.ok_or_else(not_signed_in)?;
        has_role(&caller, need)?;
        return admit_session(request, state, caller).await;
    };
    let caller = token(secret, state).await?;
    if let Via::Token { scopes, .. } = &caller.via
        && !scopes.iter().any(|scope| scope.covers(need))
    {
        let detail = "this API token has not the scope for that: make one that has, on your account page";
        return Err(Error::new(ProblemCode::NotAllowed, detail));
    }
    has_role(&caller, need)?;
    let id = caller.id().to_string();
    request.extensions_mut().insert(caller);
    Ok(Some(id))
}

async fn admit_session(
    request: &mut ServiceRequest,
    state: &AppState,
    caller: SignedIn,
) -> Result<Option<String>, Error> {
    check_origin(request, &state.config)?;
    check_form_token(request, caller.form_token()).await?;
    let id = caller.id().to_string();
    request.extensions_mut().insert(caller);
    Ok(Some(id))
}

async fn admit_worker(request: &ServiceRequest, state: &AppState) -> Result<Option<String>, Error> {
    let secret = bearer(request).filter(|secret| secret.starts_with(WORKER_BEARER_PREFIX));
    let hash = known_hash(secret.ok_or_else(not_a_worker)?);
    let worker = state.store.worker_by_bearer(&hash).await?.ok_or_else(not_a_worker)?;
    let id = worker.id.to_string();
    request.extensions_mut().insert(WorkerCaller { worker });
    Ok(Some(id))
}

async fn session(request: &ServiceRequest, state: &AppState) -> Result<Option<SignedIn>, Error> {
    let Some(cookie) = request.cookie(cookie_name(state.is_secure(request.request()))) else {
        return Ok(None);
    };
    let now = state.wall();
    let found = state.store.session_by_secret(&known_hash(cookie.value()), now).await?;
    let Some((session, account)) = found else { return Ok(None) };
    if account.disabled_at.is_some() {
        return Ok(None);
    }
    if session.last_used_at.until(now) >= SESSION_TOUCH_EVERY {
        state.store.touch_session(session.id, session_end(now), now).await?;
    }
    let form_token = form_token(cookie.value());
    Ok(Some(SignedIn { account, via: Via::Session { id: session.id, form_token } }))
}

async fn token(secret: &str, state: &AppState) -> Result<SignedIn, Error> {
    if !secret.starts_with(TOKEN_PREFIX) {
        return Err(not_signed_in());
    }
    let now = state.wall();
    let found = state.store.token_by_secret(&known_hash(secret), now).await?;
    let (token, account) = found.ok_or_else(not_signed_in)?;
    if account.disabled_at.is_some() {
        return Err(not_signed_in());
    }
    if token.last_used_at.is_none_or(|last| last.until(now) >= SESSION_TOUCH_EVERY) {
        state.store.touch_token(token.id, now).await?;
    }
    let scopes = token.scopes.split(',').filter_map(Scope::parse).collect();
    Ok(SignedIn { account, via: Via::Token { id: token.id, scopes } })
}

fn has_role(caller: &SignedIn, need: Need) -> Result<(), Error> {
    match need.role() {
        Some(role) if !caller.account.roles.contains(&role) => {
            let detail = format!("this account lacks the role {role}: ask the operator for it");
            Err(Error::new(ProblemCode::NotAllowed, detail))
        }
        Some(_) | None => Ok(()),
    }
}

fn bearer(request: &ServiceRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

fn state_of(request: &ServiceRequest) -> Result<web::Data<AppState>, Error> {
    let state = request.app_data::<web::Data<AppState>>().cloned();
    state.ok_or_else(|| Error::internal("the application state is missing"))
}

fn wants_sign_in(guard: Guard, request: &ServiceRequest, refusal: &Error) -> bool {
    guard == Guard::Page && refusal.code() == ProblemCode::NotSignedIn && request.method() == Method::GET
}

fn sign_in_address(request: &ServiceRequest) -> String {
    let wanted = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", wanted).finish();
    format!("/sign-in?{query}")
}

/// The form in which a secret is looked up. An over-long text is none of ours and costs no hashing.
fn known_hash(secret: &str) -> String {
    if secret.len() > SECRET_CHARS_MAX { String::new() } else { hash_secret(secret) }
}

fn not_signed_in() -> Error {
    Error::new(ProblemCode::NotSignedIn, "sign in, or send an API token as `Authorization: Bearer pct_…`")
}

fn not_a_worker() -> Error {
    let detail = "only a connected worker may do that, with the bearer of its newest connection";
    Error::new(ProblemCode::NotSignedIn, detail)
}
