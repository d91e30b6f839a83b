//! The side of the worker that runs.

use std::io;
use std::sync::Arc;

use interprocess::local_socket::ListenerOptions;
use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::traits::tokio::Listener as _;
#[cfg(target_os = "linux")]
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use pictor_actors::supervise::StopReason;
use pictor_actors::units::Millis;
use pictor_worker_domain::presence::Span;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::{Answer, LINE_BYTES_MAX, Request, name};
use crate::agents::Workplace;
use crate::agents::coordinator::{GetStatus, PauseAsked, ResumeAsked};
use crate::config::DataDir;

/// Requests at a time; more wait.
const REQUESTS_MAX: usize = 8;
/// A request is read, done and answered within this.
const REQUEST_MAX: Millis = Millis::from_secs(5);
/// Wait after a failed accept (too many open files), so that it does not spin.
const ACCEPT_AGAIN: Millis = Millis::from_secs(1);

/// Listens for requests until it is dropped. The caller holds the instance lock.
pub fn serve(data: &DataDir, place: Arc<Workplace>) -> io::Result<impl Future<Output = ()> + use<>> {
    let options = ListenerOptions::new().name(name::to_listen(data)?);
    // Beside its folder's mode: a data folder that was there before the worker may be open to others.
    #[cfg(target_os = "linux")]
    let options = ListenerOptionsExt::mode(options, 0o600);
    let listener = options.create_tokio()?;
    Ok(accept(listener, place))
}

async fn accept(listener: Listener, place: Arc<Workplace>) {
    let permits = Arc::new(Semaphore::new(REQUESTS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok(stream) => {
                let place = Arc::clone(&place);
                actix_rt::spawn(async move {
                    let answered = timeout(REQUEST_MAX.to_duration(), answer(stream, &place)).await;
                    if let Ok(Err(error)) = answered {
                        tracing::debug!(%error, "a control request was not answered");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket takes nobody");
                sleep(ACCEPT_AGAIN.to_duration()).await;
            }
        }
    }
}

async fn answer(stream: Stream, place: &Workplace) -> io::Result<()> {
    let (receive, mut send) = tokio::io::split(stream);
    let mut line = String::new();
    BufReader::new(receive.take(LINE_BYTES_MAX as u64)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => done(request, place).await,
        Err(error) => Answer::Failed { why: format!("not a request: {error}") },
    };
    let mut text = serde_json::to_vec(&answer).map_err(io::Error::other)?;
    text.push(b'\n');
    send.write_all(&text).await?;
    send.flush().await
}

async fn done(request: Request, place: &Workplace) -> Answer {
    let Some(doors) = place.doors.get() else { return Answer::Starting };
    let coordinator = &doors.coordinator;
    let within = REQUEST_MAX;
    let answered = match request {
        Request::Status => {
            coordinator.ask(GetStatus, within).await.map(|status| Answer::Status(Box::new(status)))
        }
        Request::Pause { until } => {
            let span = until.map_or(Span::Open, Span::Until);
            coordinator.ask(PauseAsked(span), within).await.map(|()| Answer::Done)
        }
        Request::Resume => {
            let resumed = coordinator.ask(ResumeAsked, within).await;
            resumed.map(|answer| Answer::Resumed { still: answer.0 })
        }
        Request::Stop => {
            place.shutdown.begin(StopReason::Asked("the control socket".to_owned()));
            Ok(Answer::Done)
        }
    };
    answered.unwrap_or_else(|error| Answer::Failed { why: error.to_string() })
}
