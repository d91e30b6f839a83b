//! Is it alive, may it have requests, and what does it count.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::problem::{Answer, Error};
use super::state::AppState;
use pictor_actors::units::Millis;
use tokio::time::timeout;

/// A check that takes longer has failed.
const CHECK_WITHIN: Millis = Millis::from_secs(2);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /livez`: the process answers.
pub async fn livez() -> &'static str {
    "ok\n"
}

/// Readiness in full.
#[derive(Debug, Serialize)]
struct Ready {
    is_ready: bool,
    checks: Vec<Check>,
}

/// One thing that must work.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    is_ok: bool,
    /// Without it the cloud may have no requests.
    is_needed: bool,
    /// Why not, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    took_ms: u64,
}

/// `GET /readyz`: every check by name with its time; 503 if one fails that is needed, and while the cloud
/// stops.
pub async fn readyz(state: web::Data<AppState>) -> HttpResponse {
    let is_stopping = state.farm.shutdown().is_stopping();
    let checks = vec![
        check(&state, "database", database(&state)).await,
        // A bucket is away for all replicas at once: that none of them had requests would help nobody.
        Check { is_needed: state.blobs.direct().is_none(), ..check(&state, "blobs", blobs(&state)).await },
        check(&state, "actors", actors(&state)).await,
        check(&state, "accepting", async {
            if is_stopping { Err("the cloud stops".to_owned()) } else { Ok(()) }
        })
        .await,
    ];
    let is_ready = checks.iter().all(|check| check.is_ok || !check.is_needed);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).json(Ready { is_ready, checks })
}

async fn check(state: &AppState, name: &'static str, run: impl Future<Output = Result<(), String>>) -> Check {
    let began = state.now();
    let done = timeout(CHECK_WITHIN.to_duration(), run).await;
    let took = state.now().elapsed(began.mono);
    let why = done.unwrap_or_else(|_| Err(format!("no answer within {} ms", CHECK_WITHIN.0))).err();
    if let Some(why) = &why {
        tracing::warn!(check = name, why, "readiness check failed");
    }
    Check { name, is_ok: why.is_none(), is_needed: true, why, took_ms: took.0 }
}

async fn database(state: &AppState) -> Result<(), String> {
    let began = state.now();
    let probed = state.store.probe().await;
    state.metrics.store_took("probe", state.now().elapsed(began.mono).to_duration());
    // The cause may name hosts and users: it is in the log, not here.
    probed.map_err(|error| error.to_string())
}

async fn blobs(state: &AppState) -> Result<(), String> {
    state.blobs.probe().await.map_err(|error| error.to_string())
}

/// Each actor that there is one of takes messages, and one of them is asked.
async fn actors(state: &AppState) -> Result<(), String> {
    if let Some(closed) = state.farm.kept().into_iter().find(|kept| !kept.is_open) {
        return Err(format!("actor {} is being started anew", closed.name));
    }
    state.farm.answers().await.map_err(|error| error.to_string())
}

/// `GET /metrics`, for Prometheus.
///
/// # Errors
/// Never in practice: writing text cannot fail.
pub async fn metrics(state: web::Data<AppState>) -> Answer<HttpResponse> {
    for kept in state.farm.kept() {
        state.metrics.actor_restarts(&kept);
    }
    state.metrics.held_back(state.farm.held_back().is_some());
    let text = state.metrics.render().map_err(Error::internal)?;
    Ok(HttpResponse::Ok().content_type(OPENMETRICS).body(text))
}
