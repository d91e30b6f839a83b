//! Inputs of jobs: the manifest and the files it names, for the workers that render them and the account they
//! are of.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::ids::JobId;
use pictor_actors::protocol::upload::DIRECT_HEADER;
use pictor_actors::units::BlobHash;

use crate::http::guards::{Caller, WorkerCaller};
use crate::http::layers::send::{self, Sent};
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;

/// The manifest of a job's inputs; for a worker only while it holds a lease of the job.
#[utoipa::path(get, path = "/api/v1/jobs/{job}/inputs", operation_id = "job_inputs", tag = "worker",
    params(("job" = String, Path)), responses((status = 200, description = "files with their hashes, JSON")))]
pub async fn job_inputs(
    request: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
    id: Path<JobId>,
) -> Answer<HttpResponse> {
    let job = match &caller {
        Caller::Account(_) => state.store.job_of(caller.account(), *id).await?,
        Caller::Worker(worker) => {
            state.store.job_of_worker(worker.worker.id, *id).await?.ok_or_else(|| Error::not_found("job"))?
        }
    };
    let manifest = job.inputs_hash.ok_or_else(|| Error::not_found("list of files"))?;
    let sent = Sent { media_type: "application/json", save_as: None, is_immutable: false };
    send::blob(&request, state.blobs.as_ref(), manifest, &sent).await
}

/// Stored bytes by their hash, whole or a range: an account its own, a worker the inputs of jobs it holds
/// leases of. A worker is led to the storage only if it says with `pictor-direct` that it follows.
#[utoipa::path(get, path = "/api/v1/blobs/{hash}", operation_id = "get_blob", tag = "worker",
    params(("hash" = String, Path), ("Range" = Option<String>, Header),
        ("pictor-direct" = Option<String>, Header)),
    responses((status = 200, description = "the bytes"), (status = 206, description = "the range"),
        (status = 307, description = "the storage sends them: follow, without the token"),
        (status = 416, body = pictor_cloud_api::problem::Problem)))]
pub async fn get_blob(
    request: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
    hash: Path<String>,
) -> Answer<HttpResponse> {
    let hash: BlobHash = hash.parse().map_err(|_| Error::not_found("file"))?;
    let may_read = match &caller {
        Caller::Account(_) => state.store.account_owns_blob(caller.account(), hash).await?,
        Caller::Worker(worker) => is_input_of(&state, worker, hash).await?,
    };
    if !may_read {
        return Err(Error::not_found("file"));
    }
    // Always a download: the bytes are a stranger's, and a browser must not take them for a page of ours.
    let save_as = Some(hash.to_string());
    let sent = Sent { media_type: "application/octet-stream", save_as, is_immutable: true };
    let follows = match &caller {
        Caller::Account(_) => true,
        Caller::Worker(_) => request.headers().contains_key(DIRECT_HEADER),
    };
    if follows && let Some(answer) = send::elsewhere(&request, &state, hash, &sent).await? {
        return Ok(answer);
    }
    send::blob(&request, state.blobs.as_ref(), hash, &sent).await
}

async fn is_input_of(state: &AppState, caller: &WorkerCaller, hash: BlobHash) -> Answer<bool> {
    for manifest in state.store.inputs_of_worker(caller.worker.id).await? {
        if state.ingest.is_input(manifest, hash).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
