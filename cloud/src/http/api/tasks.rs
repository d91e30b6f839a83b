//! Tasks and log of a job.

use actix_web::web::{Data, Json, Path, Query};
use pictor_actors::ids::JobId;
use pictor_cloud_api::jobs::{LogLine, Task};
use pictor_cloud_api::page::{Page, PageQuery};

use crate::http::guards::SignedIn;
use crate::http::present;
use crate::http::problem::Answer;
use crate::http::state::AppState;

/// The job's tasks so far, in the order of their frames; later ones are cut while it runs.
#[utoipa::path(get, path = "/api/v1/jobs/{job}/tasks", operation_id = "list_tasks", tag = "jobs",
    params(("job" = String, Path), PageQuery), responses((status = 200, body = Page<Task>)))]
pub async fn list_tasks(
    caller: SignedIn,
    state: Data<AppState>,
    job: Path<JobId>,
    query: Query<PageQuery>,
) -> Answer<Json<Page<Task>>> {
    let job = state.store.job_of(caller.id(), job.into_inner()).await?;
    let rows = state.store.tasks_of(job.id, &present::page_request(&query)?).await?;
    let holders = present::tasks::holders(&state.store.live_leases_of_job(job.id).await?);
    Ok(Json(present::page(rows, |row| present::tasks::task(&row, &holders))))
}

/// The job's log, oldest first.
#[utoipa::path(get, path = "/api/v1/jobs/{job}/log", operation_id = "job_log", tag = "jobs",
    params(("job" = String, Path), PageQuery), responses((status = 200, body = Page<LogLine>)))]
pub async fn job_log(
    caller: SignedIn,
    state: Data<AppState>,
    job: Path<JobId>,
    query: Query<PageQuery>,
) -> Answer<Json<Page<LogLine>>> {
    let job = state.store.job_of(caller.id(), job.into_inner()).await?;
    let rows = state.store.log_of(job.id, &present::page_request(&query)?).await?;
    Ok(Json(present::page(rows, |row| present::tasks::log_line(&row))))
}
