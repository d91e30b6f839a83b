//! The API's description, for programs and for people, served from this binary.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Json, Path};
use pictor_cloud_api::problem::ProblemCode;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use super::openapi::description;
use crate::http::problem::{Answer, Error};

/// `OpenAPI` 3.1.
pub async fn openapi() -> Json<OpenApi> {
    Json(description())
}

/// The reference page's own files lie in its folder.
pub async fn to_index() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/api/docs/")).finish()
}

/// What every problem's `type` points to: the table of codes.
pub async fn problems() -> HttpResponse {
    let rows: String = ProblemCode::ALL
        .iter()
        .map(|code| {
            format!("<dt id=\"{0}\">{0} ({1})</dt><dd>{2}</dd>", code.code(), code.status(), code.title())
        })
        .collect();
    let head =
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Problems</title><h1>Problems</h1>";
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(format!("{head}<dl>{rows}</dl></html>"))
}

/// One file of the reference page.
pub async fn file(path: Path<String>) -> Answer<HttpResponse> {
    let config = Arc::new(Config::from("/api/v1/openapi.json"));
    let found =
        utoipa_swagger_ui::serve(&path, config).map_err(|error| Error::internal(error.to_string()))?;
    let file = found.ok_or_else(|| Error::not_found("page"))?;
    let mut response = HttpResponse::Ok();
    if file.gzpipped {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(response.content_type(file.content_type).body(file.bytes.into_owned()))
}
