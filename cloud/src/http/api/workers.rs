//! The account's workers.

use actix_web::http::header;
use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::{Pause, PauseReason};
use pictor_actors::units::Millis;
use pictor_cloud_api::page::{Page, PageQuery};
use pictor_cloud_api::workers::{NewWorker, PauseWorker, Worker, WorkerChange, WorkerConfiguration};
use pictor_cloud_domain::job::plan::check_name;
use serde::Deserialize;
use utoipa::IntoParams;

use super::etag::tagged;
use crate::http::guards::SignedIn;
use crate::http::present;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::secrets::enrolment::fresh_configuration;
use crate::store::{NewWorkerRow, WorkerSort};

/// Which workers, in which order.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WorkersQuery {
    /// Entries a page, 1 to 200; 50 unless said.
    pub limit: Option<u32>,
    /// From the page before.
    pub cursor: Option<String>,
    /// `name` (unless said), `created`, `updated` or `status`.
    pub sort: Option<String>,
    /// Part of the name.
    pub search: Option<String>,
}

/// Longest pause with an end; longer ones have none.
const PAUSE_MAX: Millis = Millis::from_secs(365 * 24 * 3600);

/// The account's workers.
#[utoipa::path(get, path = "/api/v1/workers", operation_id = "list_workers", tag = "workers",
    params(WorkersQuery), responses((status = 200, body = Page<Worker>)))]
pub async fn list_workers(
    caller: SignedIn,
    state: Data<AppState>,
    query: Query<WorkersQuery>,
) -> Answer<Json<Page<Worker>>> {
    let WorkersQuery { limit, cursor, sort, search } = query.into_inner();
    let sort = sort_of(sort.as_deref())?;
    let page = present::page_request(&PageQuery { limit, cursor })?;
    let rows = state.store.list_workers(caller.id(), sort, search.as_deref(), &page).await?;
    let next_cursor = rows.next.map(|cursor| cursor.as_str().to_owned());
    Ok(Json(Page { items: present::workers::load(&state, rows.rows).await, next_cursor }))
}

/// The order with this name.
///
/// # Errors
/// `invalid_input`.
pub fn sort_of(text: Option<&str>) -> Answer<WorkerSort> {
    match text.unwrap_or("name") {
        "name" => Ok(WorkerSort::Name),
        "created" => Ok(WorkerSort::Created),
        "updated" => Ok(WorkerSort::Updated),
        "status" => Ok(WorkerSort::Status),
        _ => Err(Error::field("sort", "use name, created, updated or status")),
    }
}

/// Names a new worker. Its configuration file is made by `configuration`.
#[utoipa::path(post, path = "/api/v1/workers", operation_id = "create_worker", tag = "workers",
    request_body = NewWorker, responses((status = 201, body = Worker)))]
pub async fn create_worker(
    caller: SignedIn,
    state: Data<AppState>,
    new: Json<NewWorker>,
) -> Answer<HttpResponse> {
    let name = worker_name(&new.name)?;
    let new = NewWorkerRow { id: WorkerId::generate(), account_id: caller.id(), name };
    let row = state.store.create_worker(&new, state.wall()).await?;
    let location = format!("/api/v1/workers/{}", row.id);
    let worker = present::workers::load_one(&state, row).await;
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(worker))
}

/// A checked name of a worker; pages use it for their form.
///
/// # Errors
/// `invalid_input`.
pub fn worker_name(name: &str) -> Answer<String> {
    check_name(name).map_err(|message| Error::field("name", message))
}

/// One worker as it is now.
#[utoipa::path(get, path = "/api/v1/workers/{worker}", operation_id = "get_worker", tag = "workers",
    params(("worker" = String, Path)), responses((status = 200, body = Worker), (status = 304)))]
pub async fn get_worker(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    worker: Path<WorkerId>,
) -> Answer<HttpResponse> {
    let row = state.store.worker_of(caller.id(), worker.into_inner()).await?;
    tagged(&request, &present::workers::load_one(&state, row).await)
}

/// Renames a worker.
#[utoipa::path(patch, path = "/api/v1/workers/{worker}", operation_id = "change_worker", tag = "workers",
    params(("worker" = String, Path)), request_body = WorkerChange, responses((status = 200, body = Worker)))]
pub async fn change_worker(
    caller: SignedIn,
    state: Data<AppState>,
    worker: Path<WorkerId>,
    change: Json<WorkerChange>,
) -> Answer<Json<Worker>> {
    let worker = worker.into_inner();
    let row = match &change.name {
        Some(name) => {
            state.store.rename_worker(caller.id(), worker, &worker_name(name)?, state.wall()).await?
        }
        None => state.store.worker_of(caller.id(), worker).await?,
    };
    Ok(Json(present::workers::load_one(&state, row).await))
}

/// Removes a worker for good: its connection, its key and its files count for nothing.
#[utoipa::path(delete, path = "/api/v1/workers/{worker}", operation_id = "remove_worker", tag = "workers",
    params(("worker" = String, Path)), responses((status = 204)))]
pub async fn remove_worker(
    caller: SignedIn,
    state: Data<AppState>,
    worker: Path<WorkerId>,
) -> Answer<HttpResponse> {
    let worker = worker.into_inner();
    let released = state.store.remove_worker(caller.id(), worker, state.wall()).await?;
    state.farm.worker_removed(worker);
    for lease in released {
        state.farm.job_changed(lease.job_id);
    }
    Ok(HttpResponse::NoContent().finish())
}

/// A fresh one-time configuration file; the one before is dead.
#[utoipa::path(post, path = "/api/v1/workers/{worker}/configuration", operation_id = "make_configuration",
    tag = "workers", params(("worker" = String, Path)),
    responses((status = 201, body = WorkerConfiguration)))]
pub async fn configuration(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    worker: Path<WorkerId>,
) -> Answer<HttpResponse> {
    let row = state.store.worker_of(caller.id(), worker.into_inner()).await?;
    let cloud = state.address(&request)?;
    let fresh = fresh_configuration(&state.store, row.id, &row.name, &cloud, state.wall()).await?;
    Ok(HttpResponse::Created().json(WorkerConfiguration {
        file_name: fresh.file_name,
        content: fresh.content,
        expires_at: present::time(fresh.expires_at),
    }))
}

/// Pauses a worker; it finishes the frames in hand.
#[utoipa::path(put, path = "/api/v1/workers/{worker}/pause", operation_id = "pause_worker", tag = "workers",
    params(("worker" = String, Path)), request_body = PauseWorker, responses((status = 200, body = Worker)))]
pub async fn pause_worker(
    caller: SignedIn,
    state: Data<AppState>,
    worker: Path<WorkerId>,
    pause: Option<Json<PauseWorker>>,
) -> Answer<Json<Worker>> {
    let length = pause.and_then(|pause| pause.for_ms).map(Millis);
    if length.is_some_and(|length| length.0 == 0 || length > PAUSE_MAX) {
        return Err(Error::field("for_ms", "use 1 millisecond to 365 days, or none for until resumed"));
    }
    let until = length.map(|length| state.wall().plus(length));
    let pause = Pause { reason: PauseReason::Dashboard, until };
    Ok(Json(set_pause(&state, &caller, worker.into_inner(), Some(pause)).await?))
}

/// Ends a pause.
#[utoipa::path(delete, path = "/api/v1/workers/{worker}/pause", operation_id = "resume_worker",
    tag = "workers", params(("worker" = String, Path)), responses((status = 200, body = Worker)))]
pub async fn resume_worker(
    caller: SignedIn,
    state: Data<AppState>,
    worker: Path<WorkerId>,
) -> Answer<Json<Worker>> {
    Ok(Json(set_pause(&state, &caller, worker.into_inner(), None).await?))
}

/// Keeps or ends the dashboard's pause of a worker and tells the worker; pages use it as well.
///
/// # Errors
/// `not_found` if it is not the account's.
pub async fn set_pause(
    state: &AppState,
    caller: &SignedIn,
    worker: WorkerId,
    pause: Option<Pause>,
) -> Answer<Worker> {
    state.store.worker_of(caller.id(), worker).await?;
    let row = state.store.set_worker_pause(worker, pause.as_ref(), state.wall()).await?;
    state.farm.set_pause(worker, pause);
    Ok(present::workers::load_one(state, row).await)
}
