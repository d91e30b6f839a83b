//! The worker's ways to its cloud: HTTP calls (enrolment, inputs, frames), and opening the socket, over which
//! the link talks (`agents/link`).
//!
//! The client is built at the first call: a worker that has nothing to fetch or deliver does not pay for TLS
//! roots and connection pools. Retrying is the callers' business; here one call is one request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pictor_actors::units::Millis;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

#[cfg(feature = "simulate")]
mod account;
mod calls;
mod direct;
mod moving;
pub mod socket;
pub mod standing;
mod verdict;

pub use calls::{BlobBody, FrameBytes, FrameUpload};
pub use verdict::Verdict;

use moving::Patience;

/// Connecting takes at most this long.
const CONNECT_MAX: Millis = Millis::from_secs(10);
/// Idle connections that one worker keeps.
const IDLE_MAX: usize = 2;
/// A problem document is small; more is not one.
const PROBLEM_BYTES_MAX: usize = 16 * 1024;

/// One cloud.
pub struct Cloud {
    base: Url,
    client: Arc<OnceLock<Client>>,
    idle_max: usize,
    patience: Patience,
    bearer: Mutex<Option<Arc<str>>>,
    puts_directly: AtomicBool,
}

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The cloud is away, busy, or its answer was lost: try again later.
    #[error("the cloud is away: {why}")]
    Away {
        /// In words.
        why: String,
        /// What it asked to wait.
        retry_after: Option<Millis>,
    },
    /// It said no.
    #[error("the cloud refused: {}: {}", .0.code, .0.detail)]
    Problem(Problem),
}

/// What the cloud says when it says no (RFC 9457).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Stable code; empty where the answer was not a problem document.
    pub code: String,
    /// In words.
    pub detail: String,
    /// Try again after this.
    pub retry_after_ms: Option<u64>,
}

impl Cloud {
    /// The cloud at this base address.
    #[must_use]
    pub fn new(base: Url) -> Self {
        Self::for_many(base, IDLE_MAX)
    }

    /// The same for callers of many identities, who keep so many idle connections together; each speaks
    /// through a [`Cloud::sibling`].
    #[must_use]
    pub fn for_many(base: Url, idle_max: usize) -> Self {
        let (client, patience) = (Arc::default(), Patience::default());
        let (bearer, puts_directly) = (Mutex::new(None), AtomicBool::new(false));
        Self { base, client, idle_max, patience, bearer, puts_directly }
    }

    /// The same cloud over the same connections, for a caller with a bearer of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self {
            base: self.base.clone(),
            client: Arc::clone(&self.client),
            idle_max: self.idle_max,
            patience: self.patience,
            bearer: Mutex::new(None),
            puts_directly: AtomicBool::new(false),
        }
    }

    #[cfg(test)]
    fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Its base address.
    #[must_use]
    pub const fn base(&self) -> &Url {
        &self.base
    }

    /// The bearer of the newest connection; nothing: there is none.
    pub fn set_bearer(&self, bearer: Option<&str>) {
        *self.bearer.lock().unwrap_or_else(PoisonError::into_inner) = bearer.map(Arc::from);
    }

    /// Whether frames go straight to the cloud's storage, as the newest welcome said.
    pub fn set_puts_directly(&self, puts_directly: bool) {
        self.puts_directly.store(puts_directly, Ordering::Relaxed);
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }

    fn client(&self) -> Result<&Client, CallError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        install_crypto();
        // No limit on silence here: see `moving`.
        let client = Client::builder()
            .connect_timeout(CONNECT_MAX.to_duration())
            .user_agent(concat!("pictor-worker/", env!("CARGO_PKG_VERSION")))
            .pool_max_idle_per_host(self.idle_max)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| away(&error))?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Sends a request that carries next to nothing.
    async fn sent(&self, request: RequestBuilder) -> Result<Response, CallError> {
        self.judged(self.patience.heard(request.send()).await?).await
    }

    async fn judged(&self, response: Response) -> Result<Response, CallError> {
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(refused(response, self.patience).await)
        }
    }

    /// Adds the bearer; without one the cloud counts as away, which it is.
    fn signed(&self, request: RequestBuilder) -> Result<RequestBuilder, CallError> {
        let bearer = self.bearer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let bearer =
            bearer.ok_or_else(|| CallError::Away { why: "not connected".to_owned(), retry_after: None })?;
        Ok(request.bearer_auth(bearer))
    }
}

/// Makes *ring* the TLS provider of this process; later calls change nothing.
pub fn install_crypto() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default(); // an error: somebody was first
    });
}

fn away(error: &reqwest::Error) -> CallError {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        why = inner.to_string(); // the innermost one says what happened ("connection refused")
        source = inner.source();
    }
    CallError::Away { why, retry_after: None }
}

async fn refused(mut response: Response, patience: Patience) -> CallError {
    let status = response.status();
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = patience.heard(response.chunk()).await {
        body.extend_from_slice(&chunk);
        if body.len() > PROBLEM_BYTES_MAX {
            break;
        }
    }
    let mut problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
    problem.status = status.as_u16();
    if may_pass(status) {
        let why = if problem.detail.is_empty() { status.to_string() } else { problem.detail };
        return CallError::Away { why, retry_after: problem.retry_after_ms.map(Millis) };
    }
    CallError::Problem(problem)
}

/// Answers that say nothing about the request: a bearer that was replaced meanwhile (401) is one of them.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        )
}
