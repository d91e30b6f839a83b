//! One socket, from its challenge to its end.

use std::time::Duration;

use actix_web::web;
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError, Session};
use pictor_actors::ids::{LinkId, WorkerId};
use pictor_actors::now::Mono;
use pictor_actors::protocol::codec::{CodecError, decode, encode};
use pictor_actors::protocol::{FromWorker, Hello, Refusal, RefusalCode, Retry, ToWorker, Welcome};
use pictor_actors::supervise::Phase;
use pictor_actors::units::Millis;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::proof::{challenge, check_proof, check_reality, check_shape, refusal, refusal_for_now};
use crate::agents::{Busy, LinkOpened};
use crate::http::layers::gates::Gates;
use crate::http::state::AppState;
use crate::store::{StoreError, WorkerRow};

/// From the challenge to the proof.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// A message that the network does not take by then: the line is dead or the worker hangs.
const SENT_WITHIN: Duration = Duration::from_secs(10);
/// Keeps routers from forgetting the line, and finds a dead one.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Without a sound for so long, pongs included, the line is dead.
const SILENT_MAX: Millis = Millis::from_secs(65);
/// Messages to one worker that may wait: two leases for each of 32 slots, and answers.
const OUTBOUND: usize = 128;
/// Messages that are not understood, before a worker is sent away: a newer one may say a few in good faith.
const NOT_UNDERSTOOD_MAX: u32 = 100;

/// A socket under way.
pub(super) struct Socket {
    state: web::Data<AppState>,
    gates: web::Data<Gates>,
    session: Session,
    messages: AggregatedMessageStream,
}

/// Why a socket ends.
enum End {
    /// The other side went, or the line is dead: nobody to tell.
    Gone(&'static str),
    /// We end it, with this word before.
    Refused(Refusal),
    /// The farm has let go of it, its last word is said.
    LetGo,
    /// It only asked, and has its answer.
    Answered,
}

/// What came in.
enum Heard {
    Message(FromWorker),
    /// Something below messages, answered already.
    Nothing,
    NotUnderstood(CodecError),
    End(End),
}

impl Socket {
    pub(super) fn new(
        state: web::Data<AppState>,
        gates: web::Data<Gates>,
        session: Session,
        messages: AggregatedMessageStream,
    ) -> Self {
        Self { state, gates, session, messages }
    }

    /// The whole life. `place` is that of a socket that has not proven whose it is. What is done once is
    /// boxed: else each open socket would keep room for it.
    pub(super) async fn run(mut self, place: OwnedSemaphorePermit) {
        let end = match Box::pin(self.prove()).await {
            Err(end) => end,
            Ok((hello, row)) => {
                drop(place);
                self.go_on(hello, row).await
            }
        };
        Box::pin(self.close(end)).await;
    }

    async fn prove(&mut self) -> Result<(Box<Hello>, Box<WorkerRow>), End> {
        let challenge = challenge(self.state.wall())
            .map_err(|_| End::Refused(refusal_for_now(RefusalCode::Unavailable, "no random numbers")))?;
        let nonce = challenge.nonce.clone();
        self.send(&ToWorker::Challenge(challenge)).await?;
        let shutdown = self.state.farm.shutdown().clone();
        let hello = tokio::select! {
            hello = timeout(HELLO_WITHIN, self.hear_hello()) => hello.unwrap_or_else(|_| {
                let message = "no hello came within ten seconds of the challenge";
                Err(End::Refused(refusal_for_now(RefusalCode::Malformed, message)))
            })?,
            () = shutdown.cancelled() => return Err(End::Refused(stopping())),
        };
        check_shape(&hello).map_err(End::Refused)?;
        check_reality(&hello, self.state.config.simulation.allowed).map_err(End::Refused)?;
        let row = self.known_worker(hello.worker).await.map_err(End::Refused)?;
        check_proof(&hello, &row, &nonce).map_err(End::Refused)?;
        Ok((hello, Box::new(row)))
    }

    async fn hear_hello(&mut self) -> Result<Box<Hello>, End> {
        loop {
            match self.hear().await {
                Heard::Message(FromWorker::Hello(hello)) => return Ok(hello),
                Heard::Nothing => {}
                Heard::End(end) => return Err(end),
                Heard::Message(_) | Heard::NotUnderstood(_) => {
                    let message = "the first message must be a hello that answers the challenge".to_owned();
                    return Err(End::Refused(refusal(RefusalCode::Malformed, message, Retry::Never)));
                }
            }
        }
    }

    async fn known_worker(&self, worker: WorkerId) -> Result<WorkerRow, Refusal> {
        let unknown = || {
            let message =
                "this cloud has no such worker (it may have been removed): import a new configuration file";
            refusal(RefusalCode::UnknownWorker, message.to_owned(), Retry::Never)
        };
        match self.state.store.worker(worker).await {
            Ok(row) if row.removed_at.is_none() => Ok(row),
            Ok(_) | Err(StoreError::NotFound) => Err(unknown()),
            Err(error) => {
                tracing::warn!(%worker, %error, "a worker could not be looked up");
                Err(refusal_for_now(RefusalCode::Unavailable, "the cloud cannot reach its database"))
            }
        }
    }

    /// It would be let in. Nothing is written and no actor hears of it: the worker itself may be connected.
    async fn answer(&mut self, row: &WorkerRow) -> End {
        tracing::info!(worker = %row.id, "a worker asked whether it would be let in");
        let reason = format!("this cloud knows this worker as {:?} and would let it in", row.name);
        match self.send(&ToWorker::Bye { reason, retry_after_ms: 0 }).await {
            Ok(()) => End::Answered,
            Err(end) => end,
        }
    }

    async fn go_on(&mut self, hello: Box<Hello>, row: Box<WorkerRow>) -> End {
        if hello.only_asks { Box::pin(self.answer(&row)).await } else { self.serve(hello, row).await }
    }

    async fn serve(&mut self, hello: Box<Hello>, row: Box<WorkerRow>) -> End {
        let Some(_place) = self.gates.link() else {
            let message = "this cloud has as many workers connected as it may";
            return End::Refused(refusal_for_now(RefusalCode::TooMany, message));
        };
        let (worker, name) = (row.id, row.name.clone());
        drop(row);
        let (outbound, mut to_send) = mpsc::channel(OUTBOUND);
        let puts_directly = self.state.blobs.direct().is_some();
        let opened = LinkOpened { worker, hello: *hello, outbound };
        let welcome = match Box::pin(self.state.farm.link_opened(opened)).await {
            Ok(welcome) => Box::new(Welcome { puts_directly, ..welcome }),
            Err(refusal) => return End::Refused(refusal),
        };
        let link = welcome.link;
        tracing::Span::current()
            .record("worker", tracing::field::display(worker))
            .record("link", tracing::field::display(link));
        tracing::info!(name, "worker connected");
        drop(name);
        let end = self.talk(worker, link, welcome, &mut to_send).await;
        self.state.farm.link_closed(worker, link);
        end
    }

    async fn talk(
        &mut self,
        worker: WorkerId,
        link: LinkId,
        welcome: Box<Welcome>,
        to_send: &mut mpsc::Receiver<Box<ToWorker>>,
    ) -> End {
        if let Err(end) = self.send(&ToWorker::Welcome(welcome)).await {
            return end;
        }
        let shutdown = self.state.farm.shutdown().clone();
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard_at, mut not_understood) = (self.state.now().mono, 0_u32);
        loop {
            tokio::select! {
                // What the farm says comes first, so that its last word (why it lets go) is not lost.
                biased;
                message = to_send.recv() => match message {
                    Some(message) => if let Err(end) = self.send(&message).await { return end },
                    None => return End::LetGo,
                },
                heard = self.hear() => {
                    heard_at = self.state.now().mono;
                    let end = self.take(worker, link, heard, &mut not_understood).await;
                    if let Some(end) = end { return end }
                },
                _ = pings.tick() => if let Some(end) = self.ping(heard_at).await { return end },
                () = shutdown.reached(Phase::Closing) => return End::Refused(stopping()),
            }
        }
    }

    /// Hands a message on; an end where there is nothing more to hear.
    async fn take(
        &self,
        worker: WorkerId,
        link: LinkId,
        heard: Heard,
        not_understood: &mut u32,
    ) -> Option<End> {
        match heard {
            Heard::Nothing => None,
            Heard::End(end) => Some(end),
            Heard::Message(said) => match self.state.farm.link_said(worker, link, said).await {
                Ok(()) => None,
                Err(Busy) => Some(End::Refused(refusal_for_now(
                    RefusalCode::TooMany,
                    "the cloud is too busy to listen",
                ))),
            },
            Heard::NotUnderstood(error) => {
                *not_understood += 1;
                tracing::warn!(%error, "a message was not understood and is skipped");
                (*not_understood > NOT_UNDERSTOOD_MAX).then(|| {
                    let message = "too many messages that this cloud does not understand".to_owned();
                    End::Refused(refusal(RefusalCode::Malformed, message, Retry::Never))
                })
            }
        }
    }

    async fn hear(&mut self) -> Heard {
        let Some(received) = self.messages.recv().await else { return Heard::End(End::Gone("closed")) };
        match received {
            Ok(AggregatedMessage::Text(text)) => match decode(&text) {
                Ok(message) => Heard::Message(message),
                Err(error) => Heard::NotUnderstood(error),
            },
            Ok(AggregatedMessage::Ping(payload)) => match self.session.pong(&payload).await {
                Ok(()) => Heard::Nothing,
                Err(_) => Heard::End(End::Gone("closed")),
            },
            Ok(AggregatedMessage::Pong(_)) => Heard::Nothing,
            Ok(AggregatedMessage::Close(_)) => Heard::End(End::Gone("closed by the worker")),
            Ok(AggregatedMessage::Binary(_)) => {
                let message = "bytes go over HTTP; this socket takes text only".to_owned();
                Heard::End(End::Refused(refusal(RefusalCode::Malformed, message, Retry::Never)))
            }
            Err(ProtocolError::Overflow) => {
                let message = "a message was above the limit of 64 KiB".to_owned();
                Heard::End(End::Refused(refusal(RefusalCode::Malformed, message, Retry::Never)))
            }
            Err(error) => {
                tracing::debug!(%error, "socket failed");
                Heard::End(End::Gone("failed"))
            }
        }
    }

    async fn send(&mut self, message: &ToWorker) -> Result<(), End> {
        let text = encode(message).map_err(|error| {
            tracing::error!(%error, "a message to a worker could not be written");
            End::Gone("unwritable message")
        })?;
        match timeout(SENT_WITHIN, self.session.text(text)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone("closed")),
            Err(_) => Err(End::Gone("does not take its messages")),
        }
    }

    async fn ping(&mut self, heard_at: Mono) -> Option<End> {
        if self.state.now().elapsed(heard_at) >= SILENT_MAX {
            return Some(End::Gone("silent"));
        }
        match timeout(SENT_WITHIN, self.session.ping(b"")).await {
            Ok(Ok(())) => None,
            Ok(Err(_)) => Some(End::Gone("closed")),
            Err(_) => Some(End::Gone("does not take its messages")),
        }
    }

    async fn close(mut self, end: End) {
        let reason = match end {
            End::Gone(why) => {
                tracing::info!(why, "worker's socket is gone");
                CloseReason { code: CloseCode::Away, description: Some(why.to_owned()) }
            }
            End::LetGo | End::Answered => CloseReason { code: CloseCode::Normal, description: None },
            End::Refused(refusal) => {
                self.state.metrics.link_refused(code_name(refusal.code));
                tracing::info!(code = code_name(refusal.code), "worker's socket is refused");
                let description = Some(code_name(refusal.code).to_owned());
                // It may be gone already.
                let _ = self.send(&ToWorker::Refused(refusal)).await;
                CloseReason { code: CloseCode::Policy, description }
            }
        };
        let _ = timeout(SENT_WITHIN, self.session.close(Some(reason))).await;
    }
}

fn stopping() -> Refusal {
    refusal_for_now(RefusalCode::Unavailable, "the cloud stops; leases stay valid")
}

/// The code as the wire writes it, for logs and metrics.
const fn code_name(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::EnrolmentUsed => "enrolment_used",
        RefusalCode::EnrolmentExpired => "enrolment_expired",
        RefusalCode::EnrolmentUnknown => "enrolment_unknown",
        RefusalCode::KeyMismatch => "key_mismatch",
        RefusalCode::BadSignature => "bad_signature",
        RefusalCode::UnknownWorker => "unknown_worker",
        RefusalCode::VersionUnsupported => "version_unsupported",
        RefusalCode::Malformed => "malformed",
        RefusalCode::TooMany => "too_many",
        RefusalCode::Unavailable => "unavailable",
        RefusalCode::Replaced => "replaced",
    }
}
