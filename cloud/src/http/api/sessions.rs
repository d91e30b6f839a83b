//! The account's signed-in browsers.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pictor_actors::ids::SessionId;
use pictor_cloud_api::accounts::Session;
use pictor_cloud_api::page::Page;

use crate::http::guards::SignedIn;
use crate::http::present;
use crate::http::problem::Answer;
use crate::http::state::AppState;

/// All sessions of the account, newest first.
#[utoipa::path(get, path = "/api/v1/sessions", operation_id = "list_sessions", tag = "account",
    responses((status = 200, body = Page<Session>)))]
pub async fn list_sessions(caller: SignedIn, state: Data<AppState>) -> Answer<Json<Page<Session>>> {
    let rows = state.store.list_sessions(caller.id()).await?;
    let items = rows.iter().map(|row| present::accounts::session(row, caller.session())).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// Ends a session, also the one that asks.
#[utoipa::path(delete, path = "/api/v1/sessions/{session}", operation_id = "end_session", tag = "account",
    params(("session" = String, Path)), responses((status = 204)))]
pub async fn end_session(
    caller: SignedIn,
    state: Data<AppState>,
    session: Path<SessionId>,
) -> Answer<HttpResponse> {
    state.store.end_session(caller.id(), session.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}
