//! Time limits of one route: how long its handler may take and how long a body may stand still.

use std::panic::AssertUnwindSafe;

use actix_web::HttpMessage as _;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use futures_util::{FutureExt as _, StreamExt as _};
use pictor_actors::units::Millis;
use tokio::time::timeout;

use crate::http::problem::Error;
use crate::http::routes::Kind;

/// Most bytes of a JSON body or a form: the largest of ours is a few kilobytes.
pub const SMALL_BODY_BYTES_MAX: usize = 256 * 1024;
/// A handler of a small request that takes longer is given up, and the client told to come back.
const HANDLER_MAX: Millis = Millis::from_secs(30);
/// A streamed body that stands still for this long is given up: a dead line holds no staging file.
const BODY_IDLE_MAX: Millis = Millis::from_secs(60);

/// Middleware of one route: time limits, and the last stop of errors and panics.
///
/// # Errors
/// Never: errors, panics and late handlers are answers.
pub async fn keep<B: MessageBody + 'static>(
    kind: Kind,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let asked = request.request().clone();
    let outcome = match kind {
        Kind::Stream => {
            let payload = request.take_payload();
            request.set_payload(with_idle_limit(payload));
            Ok(unharmed(next.call(request)).await)
        }
        Kind::Plain | Kind::Create | Kind::Secret => {
            timeout(HANDLER_MAX.to_duration(), unharmed(next.call(request))).await
        }
    };
    Ok(match outcome {
        Ok(Ok(response)) => response.map_into_boxed_body(),
        Ok(Err(error)) => ServiceResponse::from_err(error, asked),
        Err(_) => {
            let late = Error::unavailable("this took too long and was given up: try again soon");
            ServiceResponse::from_err(late, asked)
        }
    })
}

/// A panic as an error: the connection and the other requests on this thread go on.
async fn unharmed<T>(
    handling: impl Future<Output = Result<T, actix_web::Error>>,
) -> Result<T, actix_web::Error> {
    AssertUnwindSafe(handling).catch_unwind().await.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<&str>().copied().unwrap_or("a handler panicked").to_owned();
        Err(Error::internal(words).into())
    })
}

fn with_idle_limit(payload: Payload) -> Payload {
    let chunks = futures_util::stream::unfold(Some(payload), |payload| async {
        let mut payload = payload?;
        match timeout(BODY_IDLE_MAX.to_duration(), payload.next()).await {
            Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(payload))),
            Ok(Some(Err(error))) => Some((Err(error), None)),
            Ok(None) => None,
            Err(_) => Some((Err(PayloadError::Incomplete(None)), None)),
        }
    });
    // Readers of forms ask once more after the end.
    Payload::Stream { payload: Box::pin(chunks.fuse()) }
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, HttpResponse, web};

    use super::*;

    #[actix_web::test]
    async fn a_panicking_handler_is_an_answer_and_the_server_goes_on() {
        async fn handler(fails: web::Path<bool>) -> HttpResponse {
            assert!(!*fails, "as asked");
            HttpResponse::Ok().finish()
        }
        for kind in [Kind::Plain, Kind::Stream] {
            let route = web::get().to(handler).wrap(from_fn(move |request, next| keep(kind, request, next)));
            let app = init_service(App::new().route("/{fails}", route)).await;
            for (path, status) in [("/true", 500), ("/false", 200)] {
                let answer = call_service(&app, TestRequest::with_uri(path).to_request()).await;
                assert_eq!(answer.status().as_u16(), status, "{kind:?} {path}");
            }
        }
    }
}
