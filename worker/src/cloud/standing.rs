//! Asks the cloud whether it would let this worker in, by the link's own handshake: challenge, proof, answer.
//! Nothing changes by it, neither in the cloud nor for a worker that is connected.

use futures_util::{SinkExt, StreamExt};
use pictor_actors::protocol::codec::{decode, encode};
use pictor_actors::protocol::{Challenge, FromWorker, Hello, MachineFacts, Refusal, ToWorker, VERSION};
use pictor_actors::units::{Millis, UnixMillis};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::socket::{CONNECT_MAX, Socket, connect};
use crate::config::{Identity, Key};

/// From the open socket to the cloud's word.
const ANSWERED_WITHIN: Millis = Millis::from_secs(15);
/// Messages of a kind that is not known may come before it.
const MESSAGES_MAX: u32 = 16;

/// Clocks that differ by less are called equal: lines have their delays.
pub const CLOCK_OFF_MIN: Millis = Millis::from_secs(30);

/// What the cloud said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How far this machine's clock is from the cloud's.
    pub clock_off: Millis,
    /// Why it does not let this worker in; nothing: it would.
    pub refusal: Option<Refusal>,
}

/// How the cloud sees the worker of this identity and key. `wall` tells the time of day when it is asked.
///
/// # Errors
/// Why there was no answer, in words.
pub async fn standing(
    identity: &Identity,
    key: &Key,
    wall: impl Fn() -> UnixMillis,
) -> Result<Standing, String> {
    let opening = timeout(CONNECT_MAX.to_duration(), connect(&identity.cloud));
    let mut socket = opening.await.map_err(|_| "it did not answer in time".to_owned())??;
    let answered = timeout(ANSWERED_WITHIN.to_duration(), converse(&mut socket, identity, key, wall)).await;
    let _ = socket.close(None).await; // it may be closed already
    answered.map_err(|_| "it opened a socket and then said nothing".to_owned())?
}

async fn converse(
    socket: &mut Socket,
    identity: &Identity,
    key: &Key,
    wall: impl Fn() -> UnixMillis,
) -> Result<Standing, String> {
    let mut clock_off = None;
    for _ in 0..MESSAGES_MAX {
        let Some(said) = hear(socket).await? else { continue };
        match said {
            ToWorker::Challenge(challenge) => {
                let here = wall();
                clock_off = Some(here.until(challenge.cloud_time).max(challenge.cloud_time.until(here)));
                let hello = FromWorker::Hello(Box::new(question(identity, key, &challenge)));
                let text = encode(&hello).map_err(|error| error.to_string())?;
                socket.send(Message::text(text)).await.map_err(|error| error.to_string())?;
            }
            ToWorker::Refused(refusal) => {
                let clock_off = clock_off.ok_or_else(|| refusal.message.clone())?;
                return Ok(Standing { clock_off, refusal: Some(refusal) });
            }
            // A cloud that does not know the question takes it for the worker itself, and lets it in.
            ToWorker::Bye { .. } | ToWorker::Welcome(_) => {
                let clock_off = clock_off.ok_or("it let this worker in without a proof")?;
                return Ok(Standing { clock_off, refusal: None });
            }
            ToWorker::HeartbeatAck(_)
            | ToWorker::Offer(_)
            | ToWorker::Cancel(_)
            | ToWorker::SetPause { .. } => {}
        }
    }
    Err("it talked of other things".to_owned())
}

/// Of the machine it says nothing: the cloud would not write it down.
fn question(identity: &Identity, key: &Key, challenge: &Challenge) -> Hello {
    Hello {
        // A cloud that does not speak it says so in its refusal.
        version: VERSION,
        worker: identity.worker,
        signature: key.prove(identity.worker, &challenge.nonce),
        app_version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: MachineFacts::default(),
        slots: Vec::new(),
        held: Vec::new(),
        pause: None,
        only_asks: true,
    }
}

/// The next message; nothing for what is none of this protocol's.
async fn hear(socket: &mut Socket) -> Result<Option<ToWorker>, String> {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => Ok(decode(&text).ok()),
        Some(Ok(Message::Close(_))) | None => Err("it closed the socket without a word".to_owned()),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => Ok(None),
        Some(Err(error)) => Err(error.to_string()),
    }
}
