//! The last word on every answer: errors become a problem document or (for a browser) a page, each with the
//! request's id; causes are logged here, once; every request is counted.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use pictor_cloud_api::problem::ProblemCode;
use tracing_actix_web::RequestId;

use crate::http::problem::Error;
use crate::http::state::AppState;
use crate::views::Chrome;
use crate::views::problem::ProblemPage;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Turns whatever comes from inside into an answer that may leave.
///
/// The request is not kept aside here: routing, further in, needs it for itself. What a route leaves undone
/// (an error, a panic) its `limits::keep` has made an answer of.
///
/// # Errors
/// Only those of layers between this one and the routes; there are none.
pub async fn finish<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let state = request.app_data::<web::Data<AppState>>().cloned();
    let began = state.as_ref().map(|state| state.now());
    let mut response = next.call(request).await?.map_into_boxed_body();
    let asked = response.request().clone();
    let id = asked.extensions().get::<RequestId>().map(ToString::to_string);
    if let Some(error) = problem_of(&response) {
        log(&error);
        let allow = response.headers().get(header::ALLOW).cloned();
        response = response.into_response(show(&asked, state.as_ref(), &error, id.clone()));
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    if let Some(value) = id.and_then(|id| HeaderValue::from_str(&id).ok()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if state.as_ref().is_some_and(|state| state.shutdown.is_stopping()) {
        // The next request of this client shall find another replica, or none, and not a line that just ends.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    if let (Some(state), Some(began)) = (state, began) {
        let took = state.now().elapsed(began.mono).to_duration();
        let route = asked.match_pattern().unwrap_or_else(|| "none".into());
        state.metrics.http_request(&route, response.status().as_u16(), took);
    }
    Ok(response)
}

/// The problem an answer stands for: the handler's own, or one for what the framework refused by itself.
fn problem_of(response: &ServiceResponse<BoxBody>) -> Option<Error> {
    let error = response.response().error()?;
    if let Some(own) = error.as_error::<Error>() {
        return Some(own.to_owned());
    }
    let words = error.to_string();
    Some(match response.status() {
        StatusCode::NOT_FOUND => Error::new(ProblemCode::NotFound, "there is nothing at this address"),
        StatusCode::METHOD_NOT_ALLOWED => Error::new(ProblemCode::MethodNotAllowed, words),
        StatusCode::PAYLOAD_TOO_LARGE => Error::new(ProblemCode::TooLarge, words),
        StatusCode::SERVICE_UNAVAILABLE => Error::unavailable("busy: try again soon"),
        status if status.is_client_error() => Error::new(ProblemCode::Malformed, words),
        _ => Error::internal(words),
    })
}

fn log(error: &Error) {
    let cause = error.causes();
    if error.code() == ProblemCode::Internal {
        tracing::error!(%error, cause, "request failed");
    } else if matches!(error.code(), ProblemCode::Unavailable | ProblemCode::DiskFull) {
        tracing::warn!(%error, cause, "request not served");
    } else {
        tracing::debug!(%error, cause, "request refused");
    }
}

fn show(
    request: &HttpRequest,
    state: Option<&web::Data<AppState>>,
    error: &Error,
    id: Option<String>,
) -> HttpResponse {
    let mut response = error.respond(id.clone());
    let Some(state) = state.filter(|_| is_for_a_person(request)) else { return response };
    let problem = error.problem(id);
    let page =
        ProblemPage::new(problem.status, &problem.title, &problem.detail, problem.request_id.as_deref());
    let chrome = Chrome::plain(&problem.title, crate::http::pages::theme_of(request));
    let body = state.views.problem(&chrome, &page);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.set_body(BoxBody::new(body))
}

/// A browser that opened a page, not a program that called the API.
fn is_for_a_person(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    !request.path().starts_with("/api/") && accept.is_some_and(|accept| accept.contains("text/html"))
}
