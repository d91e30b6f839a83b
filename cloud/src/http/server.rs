//! The HTTP server: the app with its middleware in order, bound to a listener, stopping in time.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::{self, FormConfig, JsonConfig, PathConfig, PayloadConfig, QueryConfig, ServiceConfig};
use actix_web::{App, HttpServer};
use pictor_actors::supervise::{Phase, Shutdown};
use pictor_cloud_api::problem::ProblemCode;
use tracing_actix_web::TracingLogger;

use super::layers::gates::Gates;
use super::layers::limits::SMALL_BODY_BYTES_MAX;
use super::layers::spans::RequestSpan;
use super::layers::{answers, security};
use super::problem::Error;
use super::routes;
use super::state::AppState;

/// A client that has not sent its headers by then is let go.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);
/// An idle connection is kept this long for the next request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Seconds for requests in flight once a stop is asked for; the whole program has ten.
const DRAIN_SECONDS: u64 = 6;
/// Open connections a thread: pages, live streams and workers' sockets of one replica.
const CONNECTIONS_MAX: usize = 12_500;

/// Serves until `shutdown` comes to its draining (before, a load balancer may still send requests) and the
/// requests in flight are answered.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(state: Arc<AppState>, listener: TcpListener, shutdown: Shutdown) -> std::io::Result<()> {
    let _holding = shutdown.hold(Phase::Draining, "http server");
    let state = web::Data::from(state);
    let gates = web::Data::new(Gates::new(&state.config.limits));
    HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(gates.clone())
            .configure(body_limits)
            .configure(routes::configure)
            .default_service(web::to(routes::nothing_here))
            // The last one wrapped is the outermost.
            .wrap(from_fn(answers::finish))
            .wrap(from_fn(security::headers))
            .wrap(TracingLogger::<RequestSpan>::new())
    })
    .client_request_timeout(HEADERS_WITHIN)
    .keep_alive(KEEP_ALIVE)
    .max_connections(CONNECTIONS_MAX)
    .shutdown_timeout(DRAIN_SECONDS)
    .shutdown_signal(async move { shutdown.reached(Phase::Draining).await })
    .listen(listener)?
    .run()
    .await
}

fn body_limits(app: &mut ServiceConfig) {
    app.app_data(PayloadConfig::new(SMALL_BODY_BYTES_MAX))
        .app_data(JsonConfig::default().limit(SMALL_BODY_BYTES_MAX).error_handler(|error, _| refused(&error)))
        .app_data(FormConfig::default().limit(SMALL_BODY_BYTES_MAX).error_handler(|error, _| refused(&error)))
        .app_data(QueryConfig::default().error_handler(|error, _| refused(&error)))
        .app_data(PathConfig::default().error_handler(|error, _| nothing_there(&error).into()));
}

/// An address with something in it that is no id or number; the innermost cause has the words for it.
fn nothing_there(error: &dyn std::error::Error) -> Error {
    let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    Error::new(ProblemCode::NotFound, format!("there is nothing at this address: {why}"))
}

/// What the framework's extractors refuse, in our words.
fn refused<E: actix_web::ResponseError>(error: &E) -> actix_web::Error {
    let code = match error.status_code().as_u16() {
        413 => ProblemCode::TooLarge,
        _ => ProblemCode::Malformed,
    };
    Error::new(code, format!("the request could not be read: {error}")).into()
}
