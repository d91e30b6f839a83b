//! Parts of an upload that go straight into the storage: addresses for some at a time, and the word that
//! they are there. Both calls are harmless to repeat.

use actix_web::web::{Data, Json, Path};
use pictor_actors::ids::UploadId;
use pictor_cloud_api::uploads::{PARTS_AT_A_TIME_MAX, PartPlace, PartPlaces, Parts, Upload};

use super::shape;
use crate::blobs::Address;
use crate::http::guards::SignedIn;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;

/// Addresses of the storage that take these parts by `PUT`; none where parts go through this cloud.
#[utoipa::path(post, path = "/api/v1/uploads/{upload}/places", operation_id = "place_parts", tag = "uploads",
    params(("upload" = String, Path)), request_body = Parts,
    responses((status = 200, body = PartPlaces)))]
pub async fn place_parts(
    caller: SignedIn,
    state: Data<AppState>,
    id: Path<UploadId>,
    parts: Json<Parts>,
) -> Answer<Json<PartPlaces>> {
    check(&parts)?;
    let mut places = Vec::new();
    let mut good_for_ms = None;
    for part in &parts.parts {
        state.ingest.part_wanted(caller.id(), *id, *part).await?;
        let Some(direct) = state.blobs.direct() else { continue };
        let Address { url, headers, good_for } = direct.put_part_at(*id, *part).await?;
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        places.push(PartPlace { part: *part, url, headers: headers.collect() });
        good_for_ms = Some(good_for.0);
    }
    Ok(Json(PartPlaces { places, good_for_ms }))
}

/// These parts were put where `places` said: looked for and noted.
#[utoipa::path(post, path = "/api/v1/uploads/{upload}/parts", operation_id = "commit_parts", tag = "uploads",
    params(("upload" = String, Path)), request_body = Parts,
    responses((status = 200, body = Upload)))]
pub async fn commit_parts(
    caller: SignedIn,
    state: Data<AppState>,
    id: Path<UploadId>,
    parts: Json<Parts>,
) -> Answer<Json<Upload>> {
    check(&parts)?;
    let upload = state.ingest.note_put_parts(caller.id(), *id, &parts.parts).await?;
    Ok(Json(shape(&state, &upload)))
}

fn check(parts: &Parts) -> Answer<()> {
    if parts.parts.is_empty() || parts.parts.len() > PARTS_AT_A_TIME_MAX {
        return Err(Error::field("parts", format!("name 1 to {PARTS_AT_A_TIME_MAX} parts")));
    }
    Ok(())
}
