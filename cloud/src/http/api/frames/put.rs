//! A worker delivers a frame.
//!
//! In this order: what the headers say is checked, then whether the lease still has its right, and only then
//! the body is read. Doing it twice is harmless; a worker deletes its copy only against the receipt.

use actix_web::http::header;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::faults;
use pictor_actors::ids::LeaseId;
use pictor_actors::protocol::upload::{FENCE_HEADER, HASH_HEADER, RENDER_MS_HEADER};
use pictor_cloud_api::problem::ProblemCode;

use super::wanted::{self, Verdict};
use crate::http::guards::WorkerCaller;
use crate::http::layers::body;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::store::{NewFrame, StoreError};

/// Stores a frame under a lease.
#[utoipa::path(put, path = "/api/v1/leases/{lease}/frames/{frame}", operation_id = "put_frame",
    tag = "worker", params(("lease" = String, Path), ("frame" = i32, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, description = "stored: a receipt"), (status = 200, description = "was stored")))]
pub async fn put_frame(
    request: HttpRequest,
    caller: WorkerCaller,
    state: Data<AppState>,
    path: Path<(LeaseId, i32)>,
    payload: Payload,
) -> Answer<HttpResponse> {
    let (lease, frame) = path.into_inner();
    let announced = announced(&request, lease, frame, state.config.limits.frame_bytes_max)?;
    match wanted::verdict(&state, &caller, &announced).await {
        Ok(Verdict::Wanted) => {
            faults::pass("frame.asked").await.map_err(StoreError::from)?;
            store(&state, &caller, &announced, payload).await
        }
        Ok(Verdict::Stored(receipt)) => {
            body::discard(payload).await;
            Ok(HttpResponse::Ok().json(receipt))
        }
        Err(error) => {
            body::discard(payload).await;
            Err(error)
        }
    }
}

async fn store(
    state: &AppState,
    caller: &WorkerCaller,
    frame: &NewFrame,
    payload: Payload,
) -> Answer<HttpResponse> {
    let blobs = &state.blobs;
    let stored =
        body::receive(payload, |bytes| blobs.put_stream(bytes, Some(frame.hash), frame.size)).await?;
    if stored.size != frame.size {
        let detail = format!("{} bytes came instead of {}: send them again", stored.size, frame.size);
        return Err(Error::new(ProblemCode::HashMismatch, detail));
    }
    wanted::keep(state, caller, frame).await
}

/// What the headers announce, within limits.
fn announced(request: &HttpRequest, lease: LeaseId, frame: i32, size_max: u64) -> Answer<NewFrame> {
    let size: u64 = number(request, header::CONTENT_LENGTH.as_str())?;
    wanted::check_size(size, size_max)?;
    let fence = number(request, FENCE_HEADER)?;
    let render_ms = number(request, RENDER_MS_HEADER)?;
    let hash = number(request, HASH_HEADER)?;
    Ok(NewFrame { lease, fence, frame, hash, size, render_ms })
}

fn number<T: std::str::FromStr>(request: &HttpRequest, name: &str) -> Answer<T> {
    let value = request.headers().get(name).and_then(|value| value.to_str().ok());
    value.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Error::new(ProblemCode::Malformed, format!("the header {name} is missing or not what it should be"))
    })
}
