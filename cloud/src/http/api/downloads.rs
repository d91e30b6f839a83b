//! Frames on their way to the creator: one by one, small, or all in a zip.

use actix_web::http::header;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::ids::JobId;
use pictor_cloud_api::problem::ProblemCode;
use serde::Deserialize;

use crate::http::guards::SignedIn;
use crate::http::layers::send::{self, Sent};
use crate::http::present::jobs::{file_stem, frame_file_name};
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::ingest::thumbnails::{Size, ThumbnailError};
use crate::ingest::zip_stream::ZipEntry;
use crate::store::{FrameRow, JobRow};

/// How a frame is asked for.
#[derive(Debug, Default, Deserialize)]
pub struct FrameQuery {
    /// Present: saved by the browser instead of shown.
    #[serde(default)]
    pub download: Option<String>,
}

/// One frame's file.
#[utoipa::path(get, path = "/api/v1/jobs/{job}/frames/{frame}", operation_id = "frame_bytes", tag = "frames",
    params(("job" = String, Path), ("frame" = i32, Path), ("download" = Option<String>, Query)),
    responses((status = 200, description = "the file"), (status = 206, description = "the range"),
        (status = 307, description = "the storage sends it: follow, without the token")))]
pub async fn frame_bytes(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    path: Path<(JobId, i32)>,
    query: Query<FrameQuery>,
) -> Answer<HttpResponse> {
    let (job, frame) = stored(&caller, &state, path.into_inner()).await?;
    let format = job.settings.format;
    // A browser shows PNG and JPEG; everything else it can only save.
    let is_shown = matches!(format.extension(), "png" | "jpg") && query.download.is_none();
    let save_as = (!is_shown).then(|| frame_file_name(&job, frame.frame));
    let sent = Sent { media_type: format.media_type(), save_as, is_immutable: false };
    if let Some(answer) = send::elsewhere(&request, &state, frame.hash, &sent).await? {
        return Ok(answer);
    }
    send::blob(&request, state.blobs.as_ref(), frame.hash, &sent).await
}

/// How a small picture is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ThumbnailQuery {
    /// `small`: at most 320 pixels wide and high, unless said; `large`: at most 1600.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub size: Size,
}

/// One frame, made small and brought into the range of a screen, so that a browser can show it.
#[utoipa::path(get, path = "/api/v1/jobs/{job}/frames/{frame}/thumbnail", operation_id = "frame_thumbnail",
    tag = "frames", params(("job" = String, Path), ("frame" = i32, Path), ThumbnailQuery),
    responses((status = 200, description = "JPEG, or WebP where it has transparency")))]
pub async fn thumbnail(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    path: Path<(JobId, i32)>,
    query: Query<ThumbnailQuery>,
) -> Answer<HttpResponse> {
    let (job, frame) = stored(&caller, &state, path.into_inner()).await?;
    let tag = format!("\"{}-shown{}\"", frame.hash, query.size.suffix());
    let mut answer = HttpResponse::NotModified();
    answer
        .insert_header((header::ETAG, tag.clone()))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if send::is_known(&request, &tag) {
        return Ok(answer.finish());
    }
    let small = state.ingest.thumbnails().thumbnail(frame.hash, job.settings.format, query.size).await?;
    Ok(answer.status(actix_web::http::StatusCode::OK).content_type(small.media_type).body(small.bytes))
}

/// All stored frames of a job as a zip that is made while it is sent.
#[utoipa::path(get, path = "/api/v1/jobs/{job}/frames.zip", operation_id = "frames_zip", tag = "frames",
    params(("job" = String, Path)), responses((status = 200, description = "the zip")))]
pub async fn frames_zip(caller: SignedIn, state: Data<AppState>, id: Path<JobId>) -> Answer<HttpResponse> {
    let job = state.store.job_of(caller.id(), *id).await?;
    let frames = state.store.frames_of(job.id).await?;
    if frames.is_empty() {
        return Err(Error::new(ProblemCode::Conflict, "no frame is stored yet: wait for the first one"));
    }
    let stem = file_stem(&job.name);
    let entry = |frame: FrameRow| ZipEntry {
        path: format!("{stem}/{}", frame_file_name(&job, frame.frame)),
        hash: frame.hash,
        size: frame.size,
    };
    let entries = frames.into_iter().map(entry).collect();
    let busy = "too many zips are being made: try again in a minute, or load the frames one by one";
    let body = state.ingest.zip(entries).ok_or_else(|| Error::unavailable(busy))?;
    Ok(HttpResponse::Ok()
        .content_type("application/zip")
        .insert_header((header::CONTENT_DISPOSITION, send::attachment(&format!("{stem}.zip"))))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .streaming(body))
}

async fn stored(
    caller: &SignedIn,
    state: &AppState,
    (job, frame): (JobId, i32),
) -> Answer<(JobRow, FrameRow)> {
    let job = state.store.job_of(caller.id(), job).await?;
    let frame = state.store.frame(job.id, frame).await?.ok_or_else(|| Error::not_found("stored frame"))?;
    Ok((job, frame))
}

impl From<ThumbnailError> for Error {
    fn from(error: ThumbnailError) -> Self {
        match error {
            ThumbnailError::NotShown(_) => Self::new(ProblemCode::InvalidInput, error.to_string()),
            ThumbnailError::Busy => Self::unavailable(error.to_string()),
            ThumbnailError::Blob(error) => error.into(),
        }
    }
}
