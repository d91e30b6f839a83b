//! The side of whoever asks.

use std::io;

use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::traits::tokio::Stream as _;
use pictor_actors::units::Millis;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::{Answer, LINE_BYTES_MAX, Request, name};
use crate::config::DataDir;

/// A worker that lives answers within this.
const ANSWER_MAX: Millis = Millis::from_secs(8);

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no worker runs with this data folder: start it with `pictor-worker run`")]
    NotRunning,
    /// Somebody does and says nothing.
    #[error("the worker does not answer: look at `pictor-worker logs`, and restart it if that does not help")]
    Silent,
    /// The socket broke.
    #[error("the worker could not be asked")]
    Broken(#[source] io::Error),
}

/// Asks the worker that runs with this data folder.
pub async fn ask(data: &DataDir, request: &Request) -> Result<Answer, ControlError> {
    let asked = timeout(ANSWER_MAX.to_duration(), exchange(data, request)).await;
    asked.unwrap_or(Err(ControlError::Silent))
}

async fn exchange(data: &DataDir, request: &Request) -> Result<Answer, ControlError> {
    let stream = connected(data).await?;
    let (receive, mut send) = tokio::io::split(stream);
    let mut text = serde_json::to_vec(request).map_err(|error| ControlError::Broken(error.into()))?;
    text.push(b'\n');
    send.write_all(&text).await.map_err(ControlError::Broken)?;
    send.flush().await.map_err(ControlError::Broken)?;
    let mut line = String::new();
    let mut reader = BufReader::new(receive.take(LINE_BYTES_MAX as u64));
    reader.read_line(&mut line).await.map_err(ControlError::Broken)?;
    serde_json::from_str(&line).map_err(|error| ControlError::Broken(error.into()))
}

async fn connected(data: &DataDir) -> Result<Stream, ControlError> {
    for name in name::to_ask(data) {
        match Stream::connect(name).await {
            Ok(stream) => return Ok(stream),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(error) => return Err(ControlError::Broken(error)),
        }
    }
    Err(ControlError::NotRunning)
}
