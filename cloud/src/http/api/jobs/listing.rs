//! Jobs listed, looked at and changed by hand.

use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::ids::JobId;
use pictor_cloud_api::jobs::{Job, JobChange};
use pictor_cloud_api::page::{Page, PageQuery};
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::job::plan::{check_name, check_priority};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::api::etag::{if_match, versioned};
use crate::http::guards::SignedIn;
use crate::http::present;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::store::{JobPatch, JobRow};

/// Which jobs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// Entries a page, 1 to 200; 50 unless said.
    pub limit: Option<u32>,
    /// From the page before.
    pub cursor: Option<String>,
    /// Only these states, separated by commas (`ready,running`).
    pub state: Option<String>,
    /// Part of the name.
    pub search: Option<String>,
}

/// The account's jobs, newest first.
#[utoipa::path(get, path = "/api/v1/jobs", operation_id = "list_jobs", tag = "jobs",
    params(JobsQuery), responses((status = 200, body = Page<Job>)))]
pub async fn list_jobs(
    caller: SignedIn,
    state: Data<AppState>,
    query: Query<JobsQuery>,
) -> Answer<Json<Page<Job>>> {
    let JobsQuery { limit, cursor, state: wanted, search } = query.into_inner();
    let states = states_of(wanted.as_deref())?;
    let page = present::page_request(&PageQuery { limit, cursor })?;
    let rows = state.store.list_jobs(caller.id(), &states, search.as_deref(), &page).await?;
    let next_cursor = rows.next.map(|cursor| cursor.as_str().to_owned());
    let jobs = present::jobs::load(&state, &rows.rows).await?;
    Ok(Json(Page { items: jobs.into_iter().map(|(job, _)| job).collect(), next_cursor }))
}

/// The states that a query names; none: all.
///
/// # Errors
/// `invalid_input`.
pub fn states_of(text: Option<&str>) -> Answer<Vec<JobState>> {
    let names = text.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            name.parse().map_err(|_| {
                let known: Vec<_> = JobState::ALL.iter().map(|state| state.as_str()).collect();
                Error::field("state", format!("{name:?} is no state of a job: use {}", known.join(", ")))
            })
        })
        .collect()
}

/// One job as it is now. Its `ETag` begins with the version that `If-Match` of a change refers to.
#[utoipa::path(get, path = "/api/v1/jobs/{job}", operation_id = "get_job", tag = "jobs",
    params(("job" = String, Path)), responses((status = 200, body = Job), (status = 304)))]
pub async fn get_job(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    job: Path<JobId>,
) -> Answer<HttpResponse> {
    let row = state.store.job_of(caller.id(), job.into_inner()).await?;
    versioned(&request, row.version, &present::jobs::load_one(&state, &row).await?)
}

/// Changes priority or name; with `If-Match` only if nobody else has changed it meanwhile.
#[utoipa::path(patch, path = "/api/v1/jobs/{job}", operation_id = "change_job", tag = "jobs",
    params(("job" = String, Path), ("If-Match" = Option<String>, Header)), request_body = JobChange,
    responses((status = 200, body = Job), (status = 412, body = pictor_cloud_api::problem::Problem)))]
pub async fn change_job(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    job: Path<JobId>,
    wanted: Json<JobChange>,
) -> Answer<HttpResponse> {
    let row = change(&state, &caller, job.into_inner(), &wanted, if_match(&request)?).await?;
    versioned(&request, row.version, &present::jobs::load_one(&state, &row).await?)
}

/// Changes a job and tells its actor; pages use it as well.
///
/// # Errors
/// `invalid_input`, `not_found`, `precondition_failed`.
pub async fn change(
    state: &AppState,
    caller: &SignedIn,
    job: JobId,
    wanted: &JobChange,
    if_version: Option<i64>,
) -> Answer<JobRow> {
    let name = wanted.name.as_deref().map(check_name).transpose();
    let patch = JobPatch {
        name: name.map_err(|message| Error::field("name", message))?,
        priority: wanted
            .priority
            .map(check_priority)
            .transpose()
            .map_err(|message| Error::field("priority", message))?,
    };
    let row = state.store.update_job(caller.id(), job, &patch, if_version, state.wall()).await?;
    state.farm.job_changed(job);
    Ok(row)
}
