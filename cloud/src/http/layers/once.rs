//! Repeatable creation: a `POST` with an `Idempotency-Key` is done once; the same request again gets the same
//! answer.
//!
//! Keys are kept a day and more. A request that failed by a fault of ours frees its key. An answer that holds
//! a secret is not kept: there a repetition is told that it was done.

use actix_web::body::{BoxBody, MessageBody, to_bytes_limited};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use pictor_actors::ids::AccountId;
use pictor_actors::units::Millis;
use pictor_cloud_api::problem::ProblemCode;

use crate::http::guards::SignedIn;
use crate::http::problem::Error;
use crate::http::routes::Kind;
use crate::http::state::AppState;
use crate::store::Begin;

/// The header.
pub const KEY_HEADER: &str = "idempotency-key";
/// Told on an answer that was given before.
pub const REPLAYED_HEADER: &str = "idempotency-replayed";
const KEY_CHARS_MAX: usize = 128;
/// Answers of creating routes are one small resource.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const IN_FLIGHT_RETRY: Millis = Millis::from_secs(1);

/// Middleware of one route.
///
/// # Errors
/// Never: refusals are answers.
pub async fn keep<B: MessageBody + 'static>(
    kind: Kind,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let keeps_answer = match kind {
        Kind::Plain | Kind::Stream => return Ok(next.call(request).await?.map_into_boxed_body()),
        Kind::Create => true,
        Kind::Secret => false,
    };
    let claim = match claim(&mut request).await {
        Ok(Some(claim)) => claim,
        Ok(None) => return Ok(next.call(request).await?.map_into_boxed_body()),
        Err(refusal) => return Ok(request.error_response(refusal)),
    };
    match claim.begin(keeps_answer).await {
        Ok(None) => {}
        Ok(Some(answer)) => return Ok(request.into_response(answer)),
        Err(refusal) => return Ok(request.error_response(refusal)),
    }
    let kept = request.request().clone();
    let response = match next.call(request).await {
        Ok(response) => response.map_into_boxed_body(),
        Err(error) => ServiceResponse::from_err(error, kept),
    };
    Ok(claim.end(response, keeps_answer).await)
}

/// A key that this request would like to do its work under.
struct Claim {
    state: web::Data<AppState>,
    account: AccountId,
    key: String,
    request_hash: String,
}

async fn claim(request: &mut ServiceRequest) -> Result<Option<Claim>, Error> {
    let Some(value) = request.headers().get(KEY_HEADER) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default().trim().to_owned();
    if key.is_empty() || key.len() > KEY_CHARS_MAX {
        let detail = format!("{KEY_HEADER}: use 1 to {KEY_CHARS_MAX} visible characters");
        return Err(Error::new(ProblemCode::Malformed, detail));
    }
    let missing = || Error::internal("a creating route without an account or state");
    let account = request.extensions().get::<SignedIn>().map(SignedIn::id).ok_or_else(missing)?;
    let state = request.app_data::<web::Data<AppState>>().cloned().ok_or_else(missing)?;
    let body = request
        .extract::<web::Bytes>()
        .await
        .map_err(|error| Error::new(ProblemCode::TooLarge, format!("the body could not be read: {error}")))?;
    let request_hash = hash_of_request(request.request(), &body);
    request.set_payload(Payload::from(body));
    Ok(Some(Claim { state, account, key, request_hash }))
}

/// The same key may only repeat the same request: method, address and body.
fn hash_of_request(request: &HttpRequest, body: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(request.method().as_str().as_bytes());
    hasher.update(b"\n");
    hasher.update(request.uri().path().as_bytes());
    hasher.update(b"\n");
    hasher.update(body);
    hasher.finalize().to_hex().to_string()
}

impl Claim {
    /// Takes the key; an answer where the work is not to be done (again).
    async fn begin(&self, keeps_answer: bool) -> Result<Option<HttpResponse>, Error> {
        let Self { state, account, key, request_hash } = self;
        match state.store.idempotency_begin(*account, key, request_hash, state.wall()).await? {
            Begin::New => Ok(None),
            Begin::Replay { status, body } if keeps_answer => Ok(Some(replay(status, body))),
            Begin::Replay { .. } => {
                let detail = "this was done already and its secret is shown only once: \
                              revoke what was made and ask again with another key";
                Err(Error::new(ProblemCode::Conflict, detail))
            }
            Begin::Mismatch => {
                let detail = "this Idempotency-Key was used for another request: use a fresh one";
                Err(Error::new(ProblemCode::IdempotencyMismatch, detail))
            }
            Begin::InFlight => {
                let detail = "the first request with this Idempotency-Key is still at work";
                Err(Error::new(ProblemCode::Conflict, detail).retry_after(IN_FLIGHT_RETRY))
            }
        }
    }

    /// Keeps a success; frees the key for anything else, since nothing was made.
    async fn end(&self, response: ServiceResponse<BoxBody>, keeps_answer: bool) -> ServiceResponse<BoxBody> {
        let status = response.status();
        if !status.is_success() {
            self.settle(None).await;
            return response;
        }
        if !keeps_answer {
            self.settle(Some((status.as_u16(), ""))).await;
            return response;
        }
        let (request, response) = response.into_parts();
        let (head, body) = response.into_parts();
        let Ok(Ok(bytes)) = to_bytes_limited(body, ANSWER_BYTES_MAX).await else {
            self.settle(Some((status.as_u16(), ""))).await;
            let error = Error::internal("the answer of a creating route cannot be kept");
            return ServiceResponse::from_err(error, request);
        };
        self.settle(Some((status.as_u16(), &String::from_utf8_lossy(&bytes)))).await;
        ServiceResponse::new(request, head.drop_body().set_body(BoxBody::new(bytes)))
    }

    /// A lost note is not an error of the request: the work is done, and the claim is taken over after a
    /// while.
    async fn settle(&self, answer: Option<(u16, &str)>) {
        let Self { state, account, key, .. } = self;
        if let Err(error) = state.store.idempotency_end(*account, key, answer, state.wall()).await {
            tracing::warn!(%error, "the answer under an idempotency key was not kept");
        }
    }
}

fn replay(status: u16, body: String) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::OK))
        .content_type("application/json")
        .insert_header((REPLAYED_HEADER, "true"))
        .body(body)
}
