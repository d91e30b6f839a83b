//! What the API says about itself. The committed snapshot is `cloud/tests/api/openapi.json`.

use utoipa::OpenApi;

use super::{accounts, frames, jobs, sessions, tasks, tokens, workers};

/// The description; every `/api/v1` route of the table stands here (a test compares).
#[derive(OpenApi)]
#[openapi(
    info(title = "Pictor", description = "The render farm\u{2019}s HTTP API"),
    paths(
        accounts::get_account,
        accounts::change_account,
        sessions::list_sessions,
        sessions::end_session,
        tokens::list_tokens,
        tokens::create_token,
        tokens::revoke_token,
        workers::list_workers,
        workers::create_worker,
        workers::get_worker,
        workers::change_worker,
        workers::remove_worker,
        workers::make_configuration,
        workers::pause_worker,
        workers::resume_worker,
        jobs::list_jobs,
        jobs::get_job,
        jobs::change_job,
        jobs::pause_job,
        jobs::resume_job,
        jobs::cancel_job,
        jobs::retry_job,
        tasks::list_tasks,
        tasks::job_log,
        frames::list_frames,
        frames::put_frame,
    ),
    components(schemas(pictor_cloud_api::problem::Problem))
)]
pub struct Description;
