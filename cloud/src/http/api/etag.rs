//! Entity tags: unchanged resources are answered with 304, and a change can say which version it is of.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use pictor_cloud_api::problem::ProblemCode;
use serde::Serialize;

use crate::http::problem::{Answer, Error};

/// The resource with its tag, or 304 if the client has that one.
///
/// # Errors
/// `internal` if it cannot be written as JSON.
pub fn tagged<T: Serialize>(request: &HttpRequest, resource: &T) -> Answer<HttpResponse> {
    let body = serde_json::to_string(resource).map_err(Error::internal)?;
    let tag = format!("\"{}\"", &blake3::hash(body.as_bytes()).to_hex().as_str()[..32]);
    respond(request, &tag, body)
}

/// The resource with a tag that is its version: the one that [`if_match`] reads back.
///
/// # Errors
/// `internal` if it cannot be written as JSON.
pub fn versioned<T: Serialize>(request: &HttpRequest, version: i64, resource: &T) -> Answer<HttpResponse> {
    let body = serde_json::to_string(resource).map_err(Error::internal)?;
    let hash = blake3::hash(body.as_bytes()).to_hex();
    respond(request, &format!("\"{version}-{}\"", &hash.as_str()[..16]), body)
}

fn respond(request: &HttpRequest, tag: &str, body: String) -> Answer<HttpResponse> {
    let asked = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = asked.is_some_and(|asked| asked.split(',').any(|one| one.trim() == tag));
    let value = HeaderValue::from_str(tag).map_err(Error::internal)?;
    let is_read = request.method().is_safe();
    let status = if is_known && is_read { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = HttpResponse::build(status);
    response.insert_header((header::ETAG, value)).insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if status == StatusCode::NOT_MODIFIED {
        return Ok(response.finish());
    }
    Ok(response.content_type("application/json").body(body))
}

/// The version that the client says its change is of; nothing without `If-Match` or with `*`.
///
/// # Errors
/// `precondition_failed` for a tag that no version of ours has.
pub fn if_match(request: &HttpRequest) -> Answer<Option<i64>> {
    let Some(value) = request.headers().get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.trim_matches('"').split('-').next().and_then(|number| number.parse().ok());
    let detail = "If-Match names no version of this: load it again";
    version.map(Some).ok_or_else(|| Error::new(ProblemCode::PreconditionFailed, detail))
}
