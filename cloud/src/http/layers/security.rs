//! Headers that every answer carries, whatever made it.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web;

use crate::http::state::AppState;

/// What pages may load and do: everything of our own, nothing of anybody else's, nothing inline.
pub const STRICT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";
/// The API's reference page is made by others: its icons and fonts are written into its style sheet.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; font-src 'self' data:; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";
const DOCS_PATH: &str = "/api/docs";
const FIXED: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
];
const HSTS: &str = "max-age=31536000; includeSubDomains";

/// Adds the headers.
///
/// # Errors
/// Passes on what comes from inside.
pub async fn headers<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let is_docs = request.path().starts_with(DOCS_PATH);
    let state = request.app_data::<web::Data<AppState>>();
    let is_secure = state.is_some_and(|state| state.is_secure(request.request()));
    let pictures = state.and_then(|state| with_pictures_of(state.blobs.direct()?.origin()));
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        set(headers, HeaderName::from_static(name), value);
    }
    match pictures {
        Some(policy) if !is_docs => drop(headers.insert(header::CONTENT_SECURITY_POLICY, policy)),
        Some(_) | None => {
            let policy = if is_docs { DOCS_POLICY } else { STRICT_POLICY };
            set(headers, header::CONTENT_SECURITY_POLICY, policy);
        }
    }
    if is_secure {
        set(headers, header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        set(headers, header::CACHE_CONTROL, "no-store");
    }
    Ok(response)
}

/// Where the storage answers for itself, frames are pictures of its origin: our address leads there.
fn with_pictures_of(origin: &str) -> Option<HeaderValue> {
    let policy = STRICT_POLICY.replacen("img-src 'self'", &format!("img-src 'self' {origin}"), 1);
    HeaderValue::from_str(&policy).ok()
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
