//! The workers' WebSocket: challenge, proof, then messages both ways.
//!
//! Owns the socket: sub-protocol, size of frames, time-outs, order of messages, closing with a reason. What a
//! message means is decided by the worker's actor behind [`crate::agents::Farm`]; the worker's identity is
//! that of the proof and never taken from a message.

mod proof;
mod socket;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, rt, web};
use actix_ws::AggregatedMessageStream;
use pictor_actors::limits::WIRE_FRAME_BYTES_MAX;
use pictor_actors::protocol::SUBPROTOCOL;
use pictor_cloud_api::problem::ProblemCode;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::layers::gates::Gates;
use super::problem::{Answer, Error};
use super::state::AppState;
pub(super) use proof::key_of;
use socket::Socket;

/// `GET /api/v1/link`: opens a worker's socket.
///
/// # Errors `malformed` for anything but a WebSocket with our sub-protocol; `unavailable` when the cloud
/// stops or is full.
pub async fn open(
    request: HttpRequest,
    body: web::Payload,
    state: web::Data<AppState>,
    gates: web::Data<Gates>,
) -> Answer<HttpResponse> {
    if state.farm.shutdown().is_stopping() {
        return Err(Error::unavailable("the cloud stops: come back in a moment"));
    }
    if !asks_for_us(&request) {
        let detail = format!("this address takes WebSockets of workers, with the sub-protocol {SUBPROTOCOL}");
        return Err(Error::new(ProblemCode::Malformed, detail));
    }
    let Some(place) = gates.unproven() else {
        state.metrics.link_refused("too_many");
        return Err(Error::unavailable("too many workers connect at this moment: come back in a moment"));
    };
    let (response, session, messages) = actix_ws::handle_with_protocols(&request, body, &[SUBPROTOCOL])
        .map_err(|error| Error::new(ProblemCode::Malformed, format!("not a WebSocket: {error}")))?;
    let messages: AggregatedMessageStream = messages
        .max_frame_size(WIRE_FRAME_BYTES_MAX)
        .aggregate_continuations()
        .max_continuation_size(WIRE_FRAME_BYTES_MAX);
    let span = tracing::info_span!(parent: None, "link", worker = Empty, link = Empty);
    rt::spawn(Socket::new(state, gates, session, messages).run(place).instrument(span));
    Ok(response)
}

fn asks_for_us(request: &HttpRequest) -> bool {
    request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|asked| asked.trim() == SUBPROTOCOL)
}
