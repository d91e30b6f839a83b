//! The outside of one simulated worker: its socket and its requests under way. It knows bytes and ends, not
//! what they mean.

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use pictor_actors::now::Mono;
use pictor_actors::protocol::ToWorker;
use pictor_actors::protocol::codec::{CodecError, decode};
use pictor_actors::units::Millis;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::brain::Input;
use crate::cloud::socket::{CONNECT_MAX, Socket, connect_with};

/// A peer that does not take a message for this long is gone.
const SEND_MAX: Millis = Millis::from_secs(20);
/// The close handshake; after it the socket is dropped.
const CLOSE_MAX: Millis = Millis(500);
/// The library's buffers: a message or two, since there are thousands of sockets.
const BUFFER_BYTES: usize = 2 * 1024;
/// Longest sleep at a time.
const SLEEP_MAX: Millis = Millis::from_secs(600);
/// Messages that wait to be sent late; above it the oldest go at once.
const HELD_MAX: usize = 64;

/// Socket and requests.
#[derive(Default)]
pub struct Io {
    socket: Option<Box<Socket>>,
    opening: Option<BoxFuture<'static, Result<Socket, String>>>,
    calls: FuturesUnordered<BoxFuture<'static, Input>>,
    held: Vec<(Mono, String)>,
}

/// Why the waiting is over.
pub enum Woken {
    /// Something happened to the worker.
    Input(Input),
    /// A socket is open.
    Opened,
    /// Something that means nothing.
    Nothing,
    /// Time has passed.
    Time,
    /// The simulation is to end.
    Stop,
}

impl Io {
    /// Opens a socket; an older one is dropped.
    pub fn open(&mut self, cloud: url::Url) {
        self.cut();
        self.opening = Some(Box::pin(async move {
            let opened = timeout(CONNECT_MAX.to_duration(), connect_with(&cloud, BUFFER_BYTES)).await;
            opened.unwrap_or_else(|_| Err("the cloud did not answer in time".to_owned()))
        }));
    }

    /// Drops the socket without a word.
    pub fn cut(&mut self) {
        self.socket = None;
        self.opening = None;
        self.held.clear();
    }

    /// Closes the socket in good order.
    pub async fn close(&mut self) {
        self.opening = None;
        self.held.clear();
        let Some(mut socket) = self.socket.take() else { return };
        let closing = async {
            let _ = socket.send(Message::Close(None)).await; // an error: it is closed already
            while let Some(Ok(_)) = socket.next().await {}
        };
        let _ = timeout(CLOSE_MAX.to_duration(), closing).await; // a cloud that does not answer is dropped
    }

    /// A request under way; its answer comes as an input.
    pub fn call(&mut self, call: BoxFuture<'static, Input>) {
        self.calls.push(call);
    }

    /// Keeps a message back until then.
    pub fn hold(&mut self, at: Mono, text: String) {
        if self.held.len() >= HELD_MAX {
            self.held.iter_mut().min_by_key(|(at, _)| *at).into_iter().for_each(|(at, _)| *at = Mono(0));
        }
        self.held.push((at, text));
    }

    /// When a message that was kept back is due.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.held.iter().map(|(at, _)| *at).min()
    }

    /// Takes the messages whose time has come.
    pub fn take_due(&mut self, now: Mono) -> Vec<String> {
        let (due, held) = std::mem::take(&mut self.held).into_iter().partition(|(at, _)| *at <= now);
        self.held = held;
        let due: Vec<(Mono, String)> = due;
        due.into_iter().map(|(_, text)| text).collect()
    }

    /// Sends all of it; false: there is no socket, or it is broken and gone.
    pub async fn send(&mut self, texts: Vec<String>) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        let sending = async {
            for text in texts {
                socket.feed(Message::text(text)).await?;
            }
            socket.flush().await
        };
        let sent = matches!(timeout(SEND_MAX.to_duration(), sending).await, Ok(Ok(())));
        if !sent {
            self.socket = None;
        }
        sent
    }

    /// Waits until something happens, at most so long; `is_deaf`: only for time and the end. `stop`: nothing
    /// where it was heard before.
    pub async fn next(
        &mut self,
        wait: Millis,
        is_deaf: bool,
        stop: Option<&mut watch::Receiver<bool>>,
    ) -> Woken {
        let (socket, opening, calls) = (&mut self.socket, &mut self.opening, &mut self.calls);
        let stopped = async {
            match stop {
                // An order from before counts too; whoever could give one is gone: the same.
                Some(stop) => drop(stop.wait_for(|stop| *stop).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            opened = async { opening.as_mut().expect("guarded").await }, if opening.is_some() && !is_deaf => {
                *opening = None;
                match opened {
                    Ok(opened) => {
                        *socket = Some(Box::new(opened));
                        Woken::Opened
                    }
                    Err(_) => Woken::Input(Input::Lost),
                }
            }
            heard = heard_from(socket), if socket.is_some() && !is_deaf => {
                let woken = heard_as(heard);
                if matches!(woken, Woken::Input(Input::Lost)) {
                    *socket = None;
                }
                woken
            }
            Some(input) = calls.next(), if !calls.is_empty() && !is_deaf => Woken::Input(input),
            () = sleep(wait.min(SLEEP_MAX).to_duration()) => Woken::Time,
            () = stopped => Woken::Stop,
        }
    }
}

async fn heard_from(socket: &mut Option<Box<Socket>>) -> Option<Result<Message, Error>> {
    socket.as_mut()?.next().await
}

fn heard_as(heard: Option<Result<Message, Error>>) -> Woken {
    let text = match heard {
        Some(Ok(Message::Text(text))) => text,
        // Pings are answered by the library; binary frames mean nothing in this protocol.
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {
            return Woken::Nothing;
        }
        Some(Ok(Message::Close(_)) | Err(_)) | None => return Woken::Input(Input::Lost),
    };
    match decode::<ToWorker>(&text) {
        Ok(message) => Woken::Input(Input::Heard(Box::new(message))),
        Err(CodecError::UnknownType(_)) => Woken::Nothing,
        Err(CodecError::TooLarge(_) | CodecError::Malformed(_)) => Woken::Input(Input::Lost),
    }
}
