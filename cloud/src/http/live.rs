//! Live events as server-sent events: `GET /events?topic=workers|worker:ID|jobs|job:ID`; with `rows=ID,…` of
//! the workers only those, for a page that shows some of very many.
//!
//! Each event carries its id, so that a browser that lost the stream says up to where it has heard
//! (`Last-Event-ID`) and is told what it missed, or to load the page anew (`event: resync`). A stream shows
//! only what belongs to its account and ends when the session or token behind it does.

use std::collections::VecDeque;
use std::str::FromStr;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{Stream, StreamExt as _, stream};
use pictor_actors::ids::{JobId, WorkerId};
use pictor_actors::supervise::Shutdown;
use pictor_actors::units::UnixMillis;
use pictor_cloud_api::problem::ProblemCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::guards::{Need, SignedIn, Via};
use super::layers::gates::{Gates, StreamPlace};
use super::pages;
use super::pages::live::{PartQuery, Shown};
use super::problem::{Answer, Error};
use super::state::AppState;
use crate::agents::broadcast::{EventId, LiveEvent, Subscription, Told, Topic};
use crate::store::{PAGE_ROWS_MAX, TokenRow};
use crate::telemetry::Metrics;

/// A comment so often keeps routers from closing the line; the session is looked at as often.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A browser that lost the stream comes back after this.
const RETRY_MS: u32 = 2_000;

/// What to listen to.
#[derive(Debug, Deserialize)]
pub struct LiveQuery {
    topic: String,
    /// Of all workers only these ids, separated by commas.
    #[serde(default)]
    rows: String,
    /// `json`: machine-readable events instead of pieces of pages.
    format: Option<String>,
    /// What the page shows beside its head.
    #[serde(flatten)]
    part: PartQuery,
}

/// A topic as asked for, before it is known whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Workers,
    Worker(WorkerId),
    Jobs,
    Job(JobId),
}

/// Opens a stream.
///
/// # Errors `invalid_input` for an unknown topic, `not_found` for what is not the account's, `not_allowed`
/// for a token without the scope, `unavailable` when there are too many streams.
pub async fn events(
    request: HttpRequest,
    query: web::Query<LiveQuery>,
    caller: SignedIn,
    state: web::Data<AppState>,
    gates: web::Data<Gates>,
) -> Answer<HttpResponse> {
    let topic = own_topic(&state, &caller, query.topic.parse()?).await?;
    let rows = rows_of(&query.rows)?;
    let place = gates.stream(caller.id()).ok_or_else(|| {
        Error::new(ProblemCode::RateLimited, "too many open pages listen for this account: close some")
    })?;
    let subscription = state.farm.subscribe(topic, rows, last_heard(&request)).await?;
    let is_json = query.format.as_deref() == Some("json");
    let shown = Shown::new(query.into_inner().part);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(frames(Live::new(state, caller, (!is_json).then_some(shown), topic, subscription, place))))
}

/// Unreadable ids count as an id of another process: the page loads anew.
fn last_heard(request: &HttpRequest) -> Option<EventId> {
    let value = request.headers().get("last-event-id")?.to_str().ok().filter(|text| !text.is_empty())?;
    Some(value.parse().unwrap_or(EventId { epoch: 0, number: 0 }))
}

/// Ids of another account's workers may stand there: nothing is told of them.
fn rows_of(text: &str) -> Result<Vec<WorkerId>, Error> {
    let rows = text.split(',').filter(|id| !id.is_empty()).map(str::parse);
    let rows = rows.take(PAGE_ROWS_MAX as usize + 1).collect::<Result<Vec<_>, _>>();
    let wrong = || Error::field("rows", format!("use at most {PAGE_ROWS_MAX} ids of workers"));
    rows.ok().filter(|rows| rows.len() <= PAGE_ROWS_MAX as usize).ok_or_else(wrong)
}

async fn own_topic(state: &AppState, caller: &SignedIn, asked: Asked) -> Result<Topic, Error> {
    let account = caller.id();
    may_read(caller, asked)?;
    match asked {
        Asked::Workers => Ok(Topic::WorkersOf(account)),
        Asked::Jobs => Ok(Topic::JobsOf(account)),
        Asked::Worker(worker) => Ok(Topic::Worker(state.store.worker_of(account, worker).await?.id)),
        Asked::Job(job) => Ok(Topic::Job(state.store.job_of(account, job).await?.id)),
    }
}

fn may_read(caller: &SignedIn, asked: Asked) -> Result<(), Error> {
    let need = match asked {
        Asked::Workers | Asked::Worker(_) => Need::ReadWorkers,
        Asked::Jobs | Asked::Job(_) => Need::ReadJobs,
    };
    match &caller.via {
        Via::Session { .. } => Ok(()),
        Via::Token { scopes, .. } if scopes.iter().any(|scope| scope.covers(need)) => Ok(()),
        Via::Token { .. } => {
            Err(Error::new(ProblemCode::NotAllowed, "this API token has not the scope for that topic"))
        }
    }
}

impl FromStr for Asked {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::field("topic", "use workers, worker:ID, jobs or job:ID");
        match text.split_once(':') {
            None if text == "workers" => Ok(Self::Workers),
            None if text == "jobs" => Ok(Self::Jobs),
            Some(("worker", id)) => id.parse().map(Self::Worker).map_err(|_| wrong()),
            Some(("job", id)) => id.parse().map(Self::Job).map_err(|_| wrong()),
            None | Some(_) => Err(wrong()),
        }
    }
}

/// One stream under way.
struct Live {
    state: web::Data<AppState>,
    caller: SignedIn,
    /// What the listening page shows; nothing: events go out as JSON.
    shown: Option<Shown>,
    topic: Topic,
    subscription: Subscription,
    /// The counts of workers that were told last.
    counted: Option<String>,
    pings: Interval,
    shutdown: Shutdown,
    ready: VecDeque<Bytes>,
    _place: StreamPlace,
    _count: StreamCount,
}

impl Live {
    fn new(
        state: web::Data<AppState>,
        caller: SignedIn,
        shown: Option<Shown>,
        topic: Topic,
        subscription: Subscription,
        place: StreamPlace,
    ) -> Self {
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        let opening = format!("retry: {RETRY_MS}\nid: {}\n\n", subscription.started_after());
        Self {
            shutdown: state.farm.shutdown().clone(),
            _count: StreamCount::new(&state.metrics),
            ready: VecDeque::from([Bytes::from(opening)]),
            state,
            caller,
            shown,
            topic,
            subscription,
            counted: None,
            pings,
            _place: place,
        }
    }

    /// The next piece; `None`: the stream is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(piece);
            }
            tokio::select! {
                told = self.subscription.next() => {
                    let told = told?;
                    let piece = self.piece(told).await;
                    self.ready.extend(piece);
                }
                _ = self.pings.tick() => {
                    if !self.is_caller_still_good().await {
                        return None;
                    }
                    // Some change by time alone, and an event may have been lost.
                    let counts = self.counts(None).await;
                    self.ready.extend(counts);
                    return Some(Bytes::from_static(b": still here\n\n"));
                }
                () = self.shutdown.cancelled() => return None,
            }
        }
    }

    async fn piece(&mut self, told: Told) -> Option<Bytes> {
        if told.event == LiveEvent::Resync {
            return Some(frame(Some(told.id), Some("resync"), r#"{"kind":"resync"}"#));
        }
        if let LiveEvent::WorkersChanged(_) = told.event {
            return self.counts(Some(told.id)).await;
        }
        if let Some(shown) = &mut self.shown {
            let account = self.caller.id();
            let html = pages::live::render(&self.state, account, self.topic, told.event, shown).await?;
            return Some(frame(Some(told.id), None, &html));
        }
        let (kind, value) = as_json(told.event)?;
        Some(frame(Some(told.id), Some(kind), &value.to_string()))
    }

    /// How many workers are at what, if that is otherwise than told last; for pages that list workers.
    async fn counts(&mut self, id: Option<EventId>) -> Option<Bytes> {
        self.shown.as_ref().filter(|_| matches!(self.topic, Topic::WorkersOf(_)))?;
        let html = pages::live::counts(&self.state, self.caller.id()).await?;
        if self.counted.as_ref() == Some(&html) {
            return None;
        }
        let piece = frame(id, None, &html);
        self.counted = Some(html);
        Some(piece)
    }

    /// A store that does not answer ends no stream: the next look may tell.
    async fn is_caller_still_good(&self) -> bool {
        let now = self.state.wall();
        match &self.caller.via {
            Via::Session { id, .. } => match self.state.store.list_sessions(self.caller.id()).await {
                Ok(all) => all.iter().any(|session| session.id == *id && session.expires_at > now),
                Err(_) => true,
            },
            Via::Token { id, .. } => match self.state.store.list_tokens(self.caller.id()).await {
                Ok(all) => all.iter().any(|token| token.id == *id && is_good(token, now)),
                Err(_) => true,
            },
        }
    }
}

fn is_good(token: &TokenRow, now: UnixMillis) -> bool {
    token.revoked_at.is_none() && token.expires_at.is_none_or(|expires_at| expires_at > now)
}

fn frames(live: Live) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
    stream::unfold(live, |mut live| async move { live.next().await.map(|piece| (Ok(piece), live)) })
}

/// One event in the format of the standard: each line of the text behind its own `data:`. Without an id it
/// stands for no event that could be missed.
fn frame(id: Option<EventId>, name: Option<&str>, text: &str) -> Bytes {
    let mut frame = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    if let Some(name) = name {
        frame.push_str("event: ");
        frame.push_str(name);
        frame.push('\n');
    }
    for line in text.split(['\n', '\r']) {
        frame.push_str("data: ");
        frame.push_str(line);
        frame.push('\n');
    }
    frame.push('\n');
    Bytes::from(frame)
}

/// `None`: it is told in another way, or to pages alone.
fn as_json(event: LiveEvent) -> Option<(&'static str, Value)> {
    let (kind, mut value) = match event {
        LiveEvent::WorkerChanged(worker) => ("worker_changed", json!({ "worker": worker })),
        LiveEvent::JobChanged(job) => ("job_changed", json!({ "job": job })),
        LiveEvent::FrameStored { job, frame } => ("frame_stored", json!({ "job": job, "frame": frame })),
        LiveEvent::LogAppended { job } => ("log_appended", json!({ "job": job })),
        LiveEvent::WorkersChanged(_) | LiveEvent::Resync => return None,
    };
    value["kind"] = kind.into();
    Some((kind, value))
}

/// Counts an open stream until it is dropped.
struct StreamCount(Metrics);

impl StreamCount {
    fn new(metrics: &Metrics) -> Self {
        metrics.live_opened();
        Self(metrics.clone())
    }
}

impl Drop for StreamCount {
    fn drop(&mut self) {
        self.0.live_closed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_strictly() {
        let worker = WorkerId::from_u128(5);
        assert_eq!(format!("worker:{worker}").parse::<Asked>().unwrap(), Asked::Worker(worker));
        assert_eq!("jobs".parse::<Asked>().unwrap(), Asked::Jobs);
        for bad in ["", "job", "job:", "worker:job_1", "workers:", "accounts"] {
            assert!(bad.parse::<Asked>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rows_are_read_strictly_and_bounded() {
        let ids = |count| {
            let ids = (1..=count).map(|n| WorkerId::from_u128(n).to_string());
            ids.collect::<Vec<_>>().join(",")
        };
        let most = u128::from(PAGE_ROWS_MAX);
        assert_eq!(rows_of("").unwrap(), []);
        assert_eq!(rows_of(&ids(2)).unwrap(), [WorkerId::from_u128(1), WorkerId::from_u128(2)]);
        assert_eq!(rows_of(&ids(most)).unwrap().len(), PAGE_ROWS_MAX as usize);
        assert!(rows_of(&ids(most + 1)).is_err() && rows_of("worker_").is_err());
    }

    #[test]
    fn each_line_of_a_text_is_marked_so_that_none_can_end_the_event() {
        let id = EventId { epoch: 3, number: 4 };
        let bytes = frame(Some(id), None, "<p>\n\n<b>\r\n");
        let expected = "id: 3-4\ndata: <p>\ndata: \ndata: <b>\ndata: \ndata: \n\n";
        assert_eq!(bytes, Bytes::from_static(expected.as_bytes()));
    }
}
