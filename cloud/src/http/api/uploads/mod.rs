//! Uploads in parts: begun, sent (through this cloud, or straight into the storage: [`place_parts`],
//! [`commit_parts`]), looked at, completed.

mod direct;

pub use direct::{__path_commit_parts, __path_place_parts, commit_parts, place_parts};

use actix_web::http::header;
use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::ids::UploadId;
use pictor_actors::units::{BlobHash, Millis};
use pictor_cloud_api::problem::ProblemCode;
use pictor_cloud_api::uploads::{NewUpload, Upload};

use crate::http::guards::SignedIn;
use crate::http::layers::body;
use crate::http::present::time;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::ingest::{IngestError, UploadNow, part_count};
use crate::store::UploadState;

/// Ask again after this while an upload is read.
const COMPLETING_RETRY: Millis = Millis::from_secs(2);

/// Begins an upload, or answers with the one of the same declared hash: complete, or with the parts that it
/// has.
#[utoipa::path(post, path = "/api/v1/uploads", operation_id = "begin_upload", tag = "uploads",
    request_body = NewUpload,
    responses(
        (status = 201, body = Upload),
        (status = 200, description = "these bytes are there", body = Upload),
    ))]
pub async fn begin_upload(
    caller: SignedIn,
    state: Data<AppState>,
    new: Json<NewUpload>,
) -> Answer<HttpResponse> {
    let bad_hash = |_| Error::field("blake3", "use 64 lower-case hexadecimal digits, or null");
    let declared = new.blake3.as_deref().map(str::parse::<BlobHash>).transpose().map_err(bad_hash)?;
    let upload = state.ingest.begin_upload(caller.id(), &new.file_name, new.size, declared).await?;
    if upload.row.state == UploadState::Complete {
        return Ok(HttpResponse::Ok().json(shape(&state, &upload)));
    }
    let location = format!("/api/v1/uploads/{}", upload.row.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(shape(&state, &upload)))
}

/// Where an upload stands: which parts are there.
#[utoipa::path(get, path = "/api/v1/uploads/{upload}", operation_id = "get_upload", tag = "uploads",
    params(("upload" = String, Path)), responses((status = 200, body = Upload)))]
pub async fn get_upload(caller: SignedIn, state: Data<AppState>, id: Path<UploadId>) -> Answer<Json<Upload>> {
    Ok(Json(shape(&state, &state.ingest.upload(caller.id(), *id).await?)))
}

/// Stores one part; again replaces it.
#[utoipa::path(put, path = "/api/v1/uploads/{upload}/parts/{part}", operation_id = "put_part",
    tag = "uploads",
    params(("upload" = String, Path), ("part" = u32, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Upload)))]
pub async fn put_part(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    path: Path<(UploadId, u32)>,
    payload: Payload,
) -> Answer<Json<Upload>> {
    let (id, part) = path.into_inner();
    let wanted = state.ingest.part_length(caller.id(), id, part).await?;
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match announced.map(str::parse::<u64>) {
        Some(Ok(found)) if found != wanted => {
            body::discard(payload).await;
            Err(IngestError::PartLength { part, found, wanted }.into())
        }
        Some(_) | None => {
            let ingest = &state.ingest;
            let upload =
                body::receive(payload, |bytes| ingest.put_part(caller.id(), id, part, bytes)).await?;
            Ok(Json(shape(&state, &upload)))
        }
    }
}

/// Joins the parts, checks the hash, unpacks and reads: 200 when done, 202 while it lasts.
#[utoipa::path(post, path = "/api/v1/uploads/{upload}/complete", operation_id = "complete_upload",
    tag = "uploads",
    params(("upload" = String, Path)),
    responses((status = 200, body = Upload), (status = 202, description = "ask again", body = Upload)))]
pub async fn complete_upload(
    caller: SignedIn,
    state: Data<AppState>,
    id: Path<UploadId>,
) -> Answer<HttpResponse> {
    let upload =
        state.ingest.complete_upload(caller.id(), *id).await.map_err(|error| Error::from(&*error))?;
    match upload.row.state {
        UploadState::Complete => Ok(HttpResponse::Ok().json(shape(&state, &upload))),
        UploadState::Open | UploadState::Completing => {
            let wait = COMPLETING_RETRY.0.div_ceil(1000).to_string();
            Ok(HttpResponse::Accepted()
                .insert_header((header::RETRY_AFTER, wait))
                .json(shape(&state, &upload)))
        }
    }
}

/// As the API shows it.
#[must_use]
pub fn shape(state: &AppState, upload: &UploadNow) -> Upload {
    let row = &upload.row;
    Upload {
        id: row.id.to_string(),
        file_name: row.file_name.clone(),
        size: row.size,
        part_size: row.part_size,
        part_count: part_count(row.size, row.part_size),
        parts_stored: upload.parts_stored.clone(),
        blake3: row.blob_hash.map(|hash| hash.to_string()),
        content: row.content.clone(),
        expires_at: time(row.expires_at),
        puts_directly: state.blobs.direct().is_some(),
    }
}

impl From<IngestError> for Error {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Store(error) => error.into(),
            IngestError::Blob(error) => error.into(),
            words => Self::from(&words),
        }
    }
}

/// Of an error that several askers share.
impl From<&IngestError> for Error {
    fn from(error: &IngestError) -> Self {
        let words = error.to_string();
        match error {
            IngestError::Field { field, message } => Self::field(field, message.clone()),
            IngestError::TooLarge { .. } => Self::new(ProblemCode::TooLarge, words),
            IngestError::PartLength { .. } | IngestError::HashMismatch => {
                Self::new(ProblemCode::HashMismatch, words)
            }
            IngestError::Incomplete { .. } => Self::new(ProblemCode::UploadIncomplete, words),
            IngestError::Refused(_) => Self::field("file", words),
            IngestError::NotUploaded => Self::field("blake3", words),
            IngestError::MainNeeded { .. } => Self::new(ProblemCode::MainNeeded, words),
            IngestError::Completing => Self::new(ProblemCode::Conflict, words).retry_after(COMPLETING_RETRY),
            IngestError::Store(error) => shared_store(error),
            IngestError::Blob(error) => shared_blob(error),
        }
    }
}

fn shared_store(error: &crate::store::StoreError) -> Error {
    use crate::store::StoreError;
    match error {
        StoreError::NotFound => StoreError::NotFound.into(),
        StoreError::Conflict(kind) => StoreError::Conflict(*kind).into(),
        StoreError::StaleFence => StoreError::StaleFence.into(),
        StoreError::Unavailable(source) | StoreError::Unknown(source) => {
            Error::unavailable("the database is busy: try again soon").caused_by(source.to_string())
        }
    }
}

fn shared_blob(error: &crate::blobs::BlobError) -> Error {
    use crate::blobs::BlobError;
    let io = |error: &std::io::Error| std::io::Error::new(error.kind(), error.to_string());
    match error {
        BlobError::NotFound => BlobError::NotFound,
        BlobError::TooLarge { limit } => BlobError::TooLarge { limit: *limit },
        BlobError::HashMismatch { found } => BlobError::HashMismatch { found: *found },
        BlobError::Incomplete { found, wanted } => BlobError::Incomplete { found: *found, wanted: *wanted },
        BlobError::BadRange { size } => BlobError::BadRange { size: *size },
        BlobError::DiskFull => BlobError::DiskFull,
        BlobError::Body(error) => BlobError::Body(io(error)),
        BlobError::Away(error) => BlobError::Away(io(error)),
        BlobError::Io(error) => BlobError::Io(io(error)),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::BlobError;

    #[test]
    fn every_refusal_has_its_code_and_says_what_to_do() {
        let full = Error::from(&IngestError::Blob(BlobError::DiskFull));
        assert_eq!((full.code(), full.code().status()), (ProblemCode::DiskFull, 507));
        assert!(full.detail().contains("disk is full"), "{full}");
        let scenes = (0..30).map(|number| format!("s{number}.blend")).collect();
        let main = Error::from(IngestError::MainNeeded { scenes });
        assert_eq!(main.code(), ProblemCode::MainNeeded);
        assert!(
            main.detail().contains("30 .blend files") && main.detail().ends_with("and 10 more"),
            "{main}"
        );
        let missing = Error::from(IngestError::Incomplete { missing: vec![3, 4] });
        assert_eq!(missing.code(), ProblemCode::UploadIncomplete);
        assert!(missing.detail().contains("2 parts are missing, the first is number 3"), "{missing}");
        let io = Error::from(&IngestError::Blob(BlobError::Io(std::io::Error::other("/secret/path"))));
        assert_eq!(io.code(), ProblemCode::Internal);
        assert!(!io.detail().contains("secret"), "causes stay in the log");
    }
}
