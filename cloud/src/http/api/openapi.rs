//! What the API says about itself. The committed snapshot is `cloud/tests/api/openapi.json`.

use utoipa::openapi::OpenApi as OpenApiDocument;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{accounts, blobs, downloads, frames, jobs, sessions, tasks, tokens, uploads, workers};
use crate::http::enrol;

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
        enrol::enrol,
        workers::list_workers,
        workers::create_worker,
        workers::get_worker,
        workers::change_worker,
        workers::remove_worker,
        workers::configuration,
        workers::pause_worker,
        workers::resume_worker,
        jobs::list_jobs,
        jobs::create_job,
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
        frames::place_frame,
        frames::commit_frame,
        downloads::frames_zip,
        downloads::frame_bytes,
        downloads::thumbnail,
        uploads::begin_upload,
        uploads::get_upload,
        uploads::put_part,
        uploads::place_parts,
        uploads::commit_parts,
        uploads::complete_upload,
        blobs::job_inputs,
        blobs::get_blob,
    ),
    components(schemas(pictor_cloud_api::problem::Problem)),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
struct Description;

/// The description, in a form that does not change from run to run.
#[must_use]
pub fn description() -> OpenApiDocument {
    Description::openapi()
}

/// How programs show who they are; browsers use their session's cookie.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApiDocument) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "an API token, `pct_…`; a connected worker's bearer, `wkb_…`, for its own routes",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}
