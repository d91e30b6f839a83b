//! What a creator can do with a job: pause, resume, cancel, retry what failed.
//!
//! Whether its state allows it is the store's condition, so that of two that contradict one wins.

use actix_web::web::{Data, Json, Path};
use pictor_actors::ids::JobId;
use pictor_cloud_api::jobs::Job;
use pictor_cloud_api::problem::ProblemCode;

use crate::http::guards::SignedIn;
use crate::http::present;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::store::{ConflictKind, StoreError, between};

/// An action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobAction {
    /// Hold it: frames in hand are finished, nothing new is handed out.
    Pause,
    /// Go on.
    Resume,
    /// End it for good; stored frames stay.
    Cancel,
    /// Render again what failed.
    Retry,
}

impl JobAction {
    const fn words(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
            Self::Retry => "retried",
        }
    }
}

/// Holds the job: frames in hand are finished, nothing new is handed out.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/pause", operation_id = "pause_job", tag = "jobs",
    params(("job" = String, Path)), responses((status = 200, body = Job)))]
pub async fn pause_job(caller: SignedIn, state: Data<AppState>, job: Path<JobId>) -> Answer<Json<Job>> {
    act(&state, &caller, job.into_inner(), JobAction::Pause).await.map(Json)
}

/// Goes on with a paused job.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/resume", operation_id = "resume_job", tag = "jobs",
    params(("job" = String, Path)), responses((status = 200, body = Job)))]
pub async fn resume_job(caller: SignedIn, state: Data<AppState>, job: Path<JobId>) -> Answer<Json<Job>> {
    act(&state, &caller, job.into_inner(), JobAction::Resume).await.map(Json)
}

/// Ends the job for good; stored frames stay.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/cancel", operation_id = "cancel_job", tag = "jobs",
    params(("job" = String, Path)), responses((status = 200, body = Job)))]
pub async fn cancel_job(caller: SignedIn, state: Data<AppState>, job: Path<JobId>) -> Answer<Json<Job>> {
    act(&state, &caller, job.into_inner(), JobAction::Cancel).await.map(Json)
}

/// Renders again what failed.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/retry", operation_id = "retry_job", tag = "jobs",
    params(("job" = String, Path)), responses((status = 200, body = Job)))]
pub async fn retry_job(caller: SignedIn, state: Data<AppState>, job: Path<JobId>) -> Answer<Json<Job>> {
    act(&state, &caller, job.into_inner(), JobAction::Retry).await.map(Json)
}

/// Does it and tells the job's actor; pages use it as well.
///
/// # Errors
/// `not_found`, or `conflict` if its state does not allow it.
pub async fn act(state: &AppState, caller: &SignedIn, job: JobId, action: JobAction) -> Answer<Job> {
    let before = state.store.job_of(caller.id(), job).await?;
    let now = state.wall();
    let acting = async {
        match action {
            JobAction::Pause => state.store.pause_job(job, now).await.map(drop),
            JobAction::Resume => state.store.resume_job(job, now).await.map(drop),
            JobAction::Cancel => state.store.cancel_job(job, now).await.map(drop),
            JobAction::Retry => state.store.retry_failed(job, now).await.map(drop),
        }
    };
    let done = between("action.before", acting, "action.after").await;
    match done {
        Ok(()) => state.farm.job_changed(job),
        Err(StoreError::Conflict(ConflictKind::State)) => {
            let detail = format!("a job that is {} cannot be {}", before.state, action.words());
            return Err(Error::new(ProblemCode::Conflict, detail));
        }
        Err(error) => return Err(error.into()),
    }
    let row = state.store.job_of(caller.id(), job).await?;
    present::jobs::load_one(state, &row).await
}
