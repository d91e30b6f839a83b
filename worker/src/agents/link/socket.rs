//! One socket from its opening to its end.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use pictor_actors::protocol::codec::{CodecError, decode, encode};
use pictor_actors::protocol::{FromWorker, Heartbeat, ToWorker};
use pictor_actors::supervise::Door;
use pictor_actors::units::Millis;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::agents::coordinator::{Coordinator, LinkHeard};
use crate::cloud::socket::{CONNECT_MAX, Socket, connect};

/// A peer that does not take a message for this long is gone.
const SEND_MAX: Millis = Millis::from_secs(20);
/// The close handshake; after it the socket is dropped.
const CLOSE_MAX: Millis = Millis(500);
/// The coordinator takes an incoming message within this, or something is very wrong with it.
const TAKE_MAX: Millis = Millis::from_secs(20);

/// The ways into and out of a socket.
pub(super) struct Ways {
    /// Messages to send; its end closes the socket.
    pub said: mpsc::Receiver<String>,
    /// The newest heartbeat to send.
    pub heartbeats: watch::Receiver<Option<Box<Heartbeat>>>,
    /// Who hears what comes.
    pub coordinator: Door<Coordinator>,
    /// The number of this socket.
    pub connection: u64,
}

type Sink = SplitSink<Socket, Message>;

/// Runs a socket to its end; the answer says in words why it ended.
pub(super) async fn run(cloud: &url::Url, ways: Ways) -> String {
    match timeout(CONNECT_MAX.to_duration(), connect(cloud)).await {
        Ok(Ok(socket)) => talk(socket, ways).await,
        Ok(Err(why)) => why,
        Err(_) => "the cloud did not answer in time".to_owned(),
    }
}

async fn talk(socket: Socket, mut ways: Ways) -> String {
    let (mut sink, mut stream) = socket.split();
    loop {
        let out = tokio::select! {
            // A heartbeat overtakes nothing that was said before: its answer tells that all of it was heard.
            biased;
            incoming = stream.next() => match hear(incoming, &ways).await {
                Ok(()) => continue,
                Err(why) => return why,
            },
            said = ways.said.recv() => match said {
                Some(text) => text,
                None => return close(sink, stream).await,
            },
            newer = ways.heartbeats.changed(), if ways.heartbeats.has_changed().is_ok() => {
                let newest = ways.heartbeats.borrow_and_update().clone();
                match newest.filter(|_| newer.is_ok()).map(|beat| encode(&FromWorker::Heartbeat(beat))) {
                    Some(Ok(text)) => text,
                    Some(Err(error)) => {
                        tracing::error!(%error, "a heartbeat could not be written");
                        continue;
                    }
                    None => continue,
                }
            }
        };
        match timeout(SEND_MAX.to_duration(), sink.send(Message::text(out))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "the cloud takes no messages".to_owned(),
        }
    }
}

async fn hear(incoming: Option<Result<Message, Error>>, ways: &Ways) -> Result<(), String> {
    let text = match incoming {
        Some(Ok(Message::Text(text))) => text,
        // Pings are answered by the library; binary frames mean nothing in this protocol.
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {
            return Ok(());
        }
        Some(Ok(Message::Close(frame))) => {
            let reason = frame.map(|frame| frame.reason.to_string()).filter(|reason| !reason.is_empty());
            return Err(
                reason.map_or("the cloud closed".to_owned(), |why| format!("the cloud closed: {why}"))
            );
        }
        Some(Err(error)) => return Err(error.to_string()),
        None => return Err("the line broke".to_owned()),
    };
    let message: ToWorker = match decode(&text) {
        Ok(message) => message,
        Err(CodecError::UnknownType(kind)) => {
            tracing::warn!(kind, "a message of a kind this version does not know is skipped");
            return Ok(());
        }
        Err(error @ (CodecError::TooLarge(_) | CodecError::Malformed(_))) => return Err(error.to_string()),
    };
    let heard = LinkHeard { connection: ways.connection, message };
    ways.coordinator.ask(heard, TAKE_MAX).await.map_err(|error| format!("the coordinator: {error}"))
}

async fn close(mut sink: Sink, mut stream: SplitStream<Socket>) -> String {
    let closing = async {
        let _ = sink.send(Message::Close(None)).await; // an error: it is closed already
        while let Some(Ok(_)) = stream.next().await {}
    };
    let _ = timeout(CLOSE_MAX.to_duration(), closing).await; // a cloud that does not answer is dropped
    "closed by this worker".to_owned()
}
