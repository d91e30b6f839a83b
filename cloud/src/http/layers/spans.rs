//! One log span a request: id, method, route, status, and the ids its path names.
//!
//! Neither the path as sent nor its query is logged: they may hold one-time tokens.

use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use tracing::Span;
use tracing::field::Empty;
use tracing_actix_web::{DefaultRootSpanBuilder, RequestId, RootSpanBuilder};

/// Builds the span of a request.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let span = tracing::info_span!(
            "request",
            request_id = Empty,
            method = %request.method(),
            route = request.match_pattern().unwrap_or_default(),
            job = Empty,
            lease = Empty,
            worker = Empty,
            upload = Empty,
            http.status_code = Empty,
            otel.status_code = Empty,
            exception.message = Empty,
            exception.details = Empty,
        );
        if let Some(id) = request.extensions().get::<RequestId>() {
            span.record("request_id", tracing::field::display(id));
        }
        for segment in request.path().split('/') {
            if let Some(field) = field_of(segment) {
                span.record(field, segment);
            }
        }
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, actix_web::Error>) {
        DefaultRootSpanBuilder::on_request_end(span, outcome);
    }
}

/// Which field an id in the path belongs into; only whole ids, so that nobody writes prose into the log.
fn field_of(segment: &str) -> Option<&'static str> {
    let (prefix, rest) = segment.split_once('_')?;
    let whole = rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    match prefix {
        "job" if whole => Some("job"),
        "lse" if whole => Some("lease"),
        "wrk" if whole => Some("worker"),
        "upl" if whole => Some("upload"),
        _ => None,
    }
}
