//! What the cloud counts, in the words of Prometheus.
//!
//! Every label has few values: a route's pattern and never its address, an outcome's name and never an id.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pictor_actors::supervise::KeptState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RestartLabels {
    actor: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    queue: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Everything the cloud counts. Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    http_requests: Family<HttpLabels, Counter>,
    http_seconds: Histogram,
    links: Gauge,
    link_refusals: Family<OutcomeLabels, Counter>,
    heartbeats: Counter,
    offers: Counter,
    leases_ended: Family<OutcomeLabels, Counter>,
    frames_stored: Counter,
    frame_bytes: Counter<u64, AtomicU64>,
    actor_restarts: Family<RestartLabels, Counter>,
    queues: Family<QueueLabels, Gauge>,
    live_streams: Gauge,
    held_back: Gauge,
    store_seconds: Histograms<OperationLabels>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// From a tenth of a millisecond to three seconds, by factors of about three.
fn latency_histogram() -> Histogram {
    Histogram::new([0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0])
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All counters at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("pictor");
        let mut metrics = Self {
            registry: Arc::default(),
            http_requests: Family::default(),
            http_seconds: latency_histogram(),
            links: Gauge::default(),
            link_refusals: Family::default(),
            heartbeats: Counter::default(),
            offers: Counter::default(),
            leases_ended: Family::default(),
            frames_stored: Counter::default(),
            frame_bytes: Counter::default(),
            actor_restarts: Family::default(),
            queues: Family::default(),
            live_streams: Gauge::default(),
            held_back: Gauge::default(),
            store_seconds: Family::new_with_constructor(latency_histogram),
        };
        metrics.register(&mut registry);
        metrics.registry = Arc::new(registry);
        metrics
    }

    /// A request was answered; `route` is the pattern of the route table.
    pub fn http_request(&self, route: &str, status: u16, took: Duration) {
        self.http_requests.get_or_create(&HttpLabels { route: route.to_owned(), status }).inc();
        self.http_seconds.observe(took.as_secs_f64());
    }

    /// A worker's socket was welcomed.
    pub fn link_opened(&self) {
        self.links.inc();
    }

    /// A welcomed socket is gone.
    pub fn link_closed(&self) {
        self.links.dec();
    }

    /// A socket was refused, or closed by us, for this reason.
    pub fn link_refused(&self, reason: &'static str) {
        self.link_refusals.get_or_create(&OutcomeLabels { outcome: reason }).inc();
    }

    /// A heartbeat was taken.
    pub fn heartbeat(&self) {
        self.heartbeats.inc();
    }

    /// Tasks went out to workers.
    pub fn offers(&self, count: u64) {
        self.offers.inc_by(count);
    }

    /// A lease ended so (`completed`, `failed`, `expired` …).
    pub fn lease_ended(&self, outcome: &'static str) {
        self.leases_ended.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// A frame of this many bytes is safe.
    pub fn frame_stored(&self, bytes: u64) {
        self.frames_stored.inc();
        self.frame_bytes.inc_by(bytes);
    }

    /// An actor was built anew, for this reason.
    pub fn actor_restarted(&self, actor: &'static str, reason: &'static str) {
        self.actor_restarts.get_or_create(&RestartLabels { actor, reason }).inc();
    }

    /// What the keeper of an actor has counted so far.
    pub fn actor_restarts(&self, kept: &KeptState) {
        let restarts = kept.restarts;
        for (reason, count) in [
            ("panicked", restarts.panicked),
            ("stopped", restarts.stopped),
            ("stuck", restarts.stuck),
            ("not_built", restarts.not_built),
        ] {
            let labels = RestartLabels { actor: kept.name, reason };
            self.actor_restarts.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
        }
    }

    /// How much waits in a queue at this moment.
    pub fn queue_length(&self, queue: &'static str, length: usize) {
        self.queues.get_or_create(&QueueLabels { queue }).set(i64::try_from(length).unwrap_or(i64::MAX));
    }

    /// A page began to listen to live events.
    pub fn live_opened(&self) {
        self.live_streams.inc();
    }

    /// A page stopped listening.
    pub fn live_closed(&self) {
        self.live_streams.dec();
    }

    /// Whether silent workers keep their leases at present, whatever their time.
    pub fn held_back(&self, is_held: bool) {
        self.held_back.set(i64::from(is_held));
    }

    /// An operation of the store took this long.
    pub fn store_took(&self, operation: &'static str, took: Duration) {
        self.store_seconds.get_or_create(&OperationLabels { operation }).observe(took.as_secs_f64());
    }

    /// All values, as `/metrics` shows them (OpenMetrics text).
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn register(&self, r: &mut Registry) {
        r.register("http_requests", "Requests answered, by route and status", self.http_requests.clone());
        r.register_with_unit(
            "http_request",
            "Time to answer a request",
            Unit::Seconds,
            self.http_seconds.clone(),
        );
        r.register("links", "Workers connected", self.links.clone());
        r.register("link_refusals", "Worker sockets refused, by reason", self.link_refusals.clone());
        r.register("heartbeats", "Heartbeats taken", self.heartbeats.clone());
        r.register("offers", "Tasks offered to workers", self.offers.clone());
        r.register("leases_ended", "Leases ended, by outcome", self.leases_ended.clone());
        r.register("frames_stored", "Frames stored", self.frames_stored.clone());
        r.register_with_unit(
            "frames_stored",
            "Bytes of frames stored",
            Unit::Bytes,
            self.frame_bytes.clone(),
        );
        r.register("actor_restarts", "Actors built anew, by name and reason", self.actor_restarts.clone());
        r.register("queue_length", "Entries waiting, by queue", self.queues.clone());
        r.register("live_streams", "Pages that listen to live events", self.live_streams.clone());
        r.register(
            "leases_held_back",
            "1 while no lease is taken from a silent worker: after a start, or in a storm of silence",
            self.held_back.clone(),
        );
        r.register_with_unit(
            "store_operation",
            "Time of a store operation",
            Unit::Seconds,
            self.store_seconds.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown_with_its_labels() {
        let metrics = Metrics::new();
        metrics.http_request("/api/v1/jobs/{id}", 404, Duration::from_millis(2));
        metrics.lease_ended("expired");
        metrics.actor_restarted("jobs", "panicked");
        metrics.clone().frame_stored(10);
        let text = metrics.render().unwrap();
        for line in [
            r#"pictor_http_requests_total{route="/api/v1/jobs/{id}",status="404"} 1"#,
            r#"pictor_leases_ended_total{outcome="expired"} 1"#,
            r#"pictor_actor_restarts_total{actor="jobs",reason="panicked"} 1"#,
            "pictor_frames_stored_bytes_total 10",
        ] {
            assert!(text.contains(line), "{line} not in\n{text}");
        }
    }
}
