//! A worker delivers a frame by way of the storage: it asks where, puts the bytes there, and says that they
//! are there. Both calls are harmless to repeat, in any order; what was put counts only after it was read and
//! hashed here.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pictor_actors::ids::LeaseId;
use pictor_actors::protocol::upload::{FrameAnnounced, FramePlace, PutAddress, PutHeader};
use pictor_cloud_api::problem::ProblemCode;

use super::wanted::{self, Verdict};
use crate::blobs::{Address, BlobError, Stored};
use crate::http::guards::WorkerCaller;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::store::NewFrame;

/// Where the bytes of a frame go: an address of the storage, or nowhere since it is stored, or, with neither,
/// into the `PUT` of the frame.
#[utoipa::path(post, path = "/api/v1/leases/{lease}/frames/{frame}/place", operation_id = "place_frame",
    tag = "worker", params(("lease" = String, Path), ("frame" = i32, Path)),
    request_body(content = Object, description = "fence, hash, size, render_ms"),
    responses((status = 200, description = "put: url, headers, good_for_ms; or receipt")))]
pub async fn place_frame(
    caller: WorkerCaller,
    state: Data<AppState>,
    path: Path<(LeaseId, i32)>,
    announced: Json<FrameAnnounced>,
) -> Answer<Json<FramePlace>> {
    let frame = of(path.into_inner(), *announced);
    wanted::check_size(frame.size, state.config.limits.frame_bytes_max)?;
    let receipt = match wanted::verdict(&state, &caller, &frame).await? {
        Verdict::Stored(receipt) => Some(receipt),
        Verdict::Wanted => None,
    };
    let put = match (state.blobs.direct(), &receipt) {
        (Some(direct), None) => Some(shown(direct.put_frame_at(frame.lease, frame.frame, frame.hash).await?)),
        (Some(_) | None, _) => None,
    };
    Ok(Json(FramePlace { put, receipt }))
}

/// The bytes of a frame lie where `place` said: checked, stored and answered with a receipt.
#[utoipa::path(post, path = "/api/v1/leases/{lease}/frames/{frame}/commit", operation_id = "commit_frame",
    tag = "worker", params(("lease" = String, Path), ("frame" = i32, Path)),
    request_body(content = Object, description = "fence, hash, size, render_ms, as announced before"),
    responses((status = 201, description = "stored: a receipt"), (status = 200, description = "was stored")))]
pub async fn commit_frame(
    caller: WorkerCaller,
    state: Data<AppState>,
    path: Path<(LeaseId, i32)>,
    announced: Json<FrameAnnounced>,
) -> Answer<HttpResponse> {
    let frame = of(path.into_inner(), *announced);
    wanted::check_size(frame.size, state.config.limits.frame_bytes_max)?;
    if let Verdict::Stored(receipt) = wanted::verdict(&state, &caller, &frame).await? {
        return Ok(HttpResponse::Ok().json(receipt));
    }
    let stored = Stored { hash: frame.hash, size: frame.size };
    let taken = match state.blobs.direct() {
        Some(direct) => direct.take_frame(frame.lease, frame.frame, stored).await,
        None => Err(BlobError::NotFound),
    };
    match taken {
        Ok(()) => wanted::keep(&state, &caller, &frame).await,
        Err(BlobError::NotFound) => {
            let detail =
                "the bytes of the frame are not in the storage: ask where to put them, then put them";
            Err(Error::new(ProblemCode::UploadIncomplete, detail))
        }
        Err(error) => Err(error.into()),
    }
}

fn of((lease, frame): (LeaseId, i32), announced: FrameAnnounced) -> NewFrame {
    let FrameAnnounced { fence, hash, size, render_ms } = announced;
    NewFrame { lease, fence, frame, hash, size, render_ms }
}

fn shown(address: Address) -> PutAddress {
    let header = |(name, value): (&str, &str)| PutHeader { name: name.to_owned(), value: value.to_owned() };
    let headers = address.headers.into_iter().map(header);
    PutAddress { url: address.url, headers: headers.collect(), good_for_ms: address.good_for.0 }
}
