//! Request bodies as streams for the blob store, and bodies that nobody wants.

use std::io;
use std::pin::pin;

use actix_web::web::Payload;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use pictor_actors::units::Millis;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use crate::blobs::BytesIn;

/// Chunks on their way between the connection and the disk: enough to keep both busy, and all the memory one
/// upload takes.
const CHUNKS_IN_FLIGHT: usize = 8;
/// An unwanted body is read to its end within these bounds, so that the client hears why instead of a broken
/// line.
const DISCARD_BYTES_MAX: usize = 64 * 1024 * 1024;
const DISCARD_WITHIN: Millis = Millis::from_secs(10);

/// Hands the body to `take` as a stream that may cross threads, and returns what `take` returns. What `take`
/// leaves unread because it failed is read to its end, within bounds.
pub async fn receive<T, F>(payload: Payload, take: impl FnOnce(BytesIn) -> F) -> T
where
    F: Future<Output = T>,
{
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(CHUNKS_IN_FLIGHT);
    let taken = pin!(take(ReceiverStream::new(receiver).boxed()));
    let forwarded = pin!(forward(payload, sender));
    match select(taken, forwarded).await {
        Either::Left((outcome, forwarded)) => {
            // The stream is gone by now, so this ends with the next chunk.
            if let Ok(Some(rest)) = timeout(DISCARD_WITHIN.to_duration(), forwarded).await {
                discard(rest).await;
            }
            outcome
        }
        Either::Right((_, taken)) => taken.await,
    }
}

/// The body where it was not read to its end.
async fn forward(mut payload: Payload, sender: mpsc::Sender<io::Result<Bytes>>) -> Option<Payload> {
    while let Some(chunk) = payload.next().await {
        let is_last = chunk.is_err();
        if sender.send(chunk.map_err(io::Error::other)).await.is_err() {
            return Some(payload);
        }
        if is_last {
            break;
        }
    }
    None
}

/// Reads an unwanted body to its end, within bounds, before the answer goes out.
pub async fn discard(mut payload: Payload) {
    let mut seen = 0;
    let reading = async {
        while let Some(Ok(chunk)) = payload.next().await {
            seen += chunk.len();
            if seen > DISCARD_BYTES_MAX {
                break;
            }
        }
    };
    // Whoever is slower than that gets a closed line.
    let _ = timeout(DISCARD_WITHIN.to_duration(), reading).await;
}
