//! Nudges over NATS: one subject for all, gathered for some milliseconds so that a burst is one message.
//!
//! A server that is away costs nothing but the nudges: what would be told meanwhile is dropped, since by then
//! everybody has looked. The subject bears a version; what a newer replica says beyond that is passed over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::{Client, ConnectOptions, Event, Subscriber};
use futures_util::StreamExt as _;
use pictor_actors::backoff::Backoff;
use pictor_actors::ids::ReplicaId;
use pictor_actors::units::Millis;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{BadAddress, Bus, Nudge};

/// Where all replicas speak and listen.
const SUBJECT: &str = "pictor.replicas.v1";
/// Nudges within this time are one message: short beside what a person sees.
const GATHERED: Millis = Millis(20);
/// Nudges of one message: some 100 KB, a tenth of what a server takes.
const BATCH: usize = 1_000;
/// Nudges that wait to be sent; more are dropped.
const QUEUE: usize = 8_192;
/// First wait before the server is tried again, and the longest.
const AGAIN: (Millis, Millis) = (Millis(250), Millis::from_secs(5));

/// A connection that is kept up in the background.
pub struct Nats {
    queue: mpsc::Sender<String>,
    is_up: Arc<AtomicBool>,
}

impl Nats {
    /// Begins to connect; returns at once, whether or not a server is there.
    pub async fn open(url: &str, replica: ReplicaId, hear: mpsc::Sender<Nudge>) -> Result<Self, BadAddress> {
        let is_up = Arc::new(AtomicBool::new(false));
        let options = options(replica, Arc::clone(&is_up));
        let client = options.connect(url).await.map_err(|error| BadAddress(error.to_string()))?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let heard = client.subscribe(SUBJECT).await.map_err(|error| BadAddress(error.to_string()))?;
        tokio::spawn(send(client, waiting));
        tokio::spawn(listen(heard, hear));
        Ok(Self { queue, is_up })
    }
}

impl Bus for Nats {
    fn tell(&self, nudge: Nudge) {
        if !self.is_up() {
            return;
        }
        if let Ok(text) = serde_json::to_string(&nudge) {
            let _ = self.queue.try_send(text); // full: whoever does not hear it looks
        }
    }

    fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }
}

fn options(replica: ReplicaId, is_up: Arc<AtomicBool>) -> ConnectOptions {
    ConnectOptions::new()
        .name(format!("pictor-cloud {replica}"))
        .no_echo()
        .retry_on_initial_connect()
        .reconnect_delay_callback(|tries| {
            let mut backoff = Backoff::new(AGAIN.0, AGAIN.1);
            let delays = (0..tries.clamp(1, 16)).map(|_| backoff.failed(getrandom::u64().unwrap_or(0)));
            delays.last().unwrap_or(AGAIN.0).to_duration()
        })
        .event_callback(move |event| {
            note(&event, &is_up);
            std::future::ready(())
        })
}

/// Says once that the server is gone, and once that it is back.
fn note(event: &Event, is_up: &AtomicBool) {
    match event {
        Event::Connected => {
            is_up.store(true, Ordering::Relaxed);
            tracing::info!("bus connected: replicas hear of each other at once");
        }
        Event::Disconnected | Event::Closed => {
            if is_up.swap(false, Ordering::Relaxed) {
                tracing::warn!("bus lost: everything goes on, slower, by looking now and then; trying again");
            }
        }
        other => tracing::debug!(%other, "bus"),
    }
}

async fn send(client: Client, mut waiting: mpsc::Receiver<String>) {
    while let Some(first) = waiting.recv().await {
        sleep(GATHERED.to_duration()).await;
        let mut batch = BTreeSet::from([first]);
        while batch.len() < BATCH
            && let Ok(next) = waiting.try_recv()
        {
            batch.insert(next);
        }
        let texts: Vec<String> = batch.into_iter().collect();
        let message = format!("[{}]", texts.join(","));
        if let Err(error) = client.publish(SUBJECT, message.into()).await {
            tracing::debug!(%error, "a message was not published");
        }
    }
}

async fn listen(mut heard: Subscriber, hear: mpsc::Sender<Nudge>) {
    while let Some(message) = heard.next().await {
        for nudge in read(&message.payload) {
            let _ = hear.try_send(nudge); // full: this replica looks by itself
        }
    }
}

/// What is understood of a message: a newer replica may say more.
fn read(payload: &[u8]) -> Vec<Nudge> {
    let said: Vec<serde_json::Value> = match serde_json::from_slice(payload) {
        Ok(said) => said,
        Err(error) => {
            tracing::debug!(%error, "a message on the bus is not ours");
            return Vec::new();
        }
    };
    said.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect()
}

#[cfg(test)]
mod tests {
    use pictor_actors::ids::{AccountId, JobId, LeaseId, WorkerId};
    use pictor_actors::protocol::CancelReason;

    use super::super::LiveEvent;
    use super::*;

    #[test]
    fn every_nudge_reads_back_and_what_is_not_known_is_passed_over() {
        let (worker, lease, job) = (WorkerId::from_u128(1), LeaseId::from_u128(2), JobId::from_u128(3));
        let live = |event| Nudge::Live { account: AccountId::from_u128(4), event };
        let nudges = [
            Nudge::JobsFree,
            Nudge::Job { job, by_hand: false },
            Nudge::Job { job, by_hand: true },
            Nudge::Wake,
            Nudge::Worker { worker },
            Nudge::Cancel { worker, lease, fence: 7, reason: CancelReason::JobPaused },
            Nudge::Ended { worker, lease },
            live(LiveEvent::WorkerChanged(worker)),
            live(LiveEvent::FrameStored { job, frame: -3 }),
        ];
        let mut texts: Vec<_> = nudges.iter().map(|nudge| serde_json::to_string(nudge).unwrap()).collect();
        texts.insert(4, r#"{"kind":"of_the_future","worker":1}"#.to_owned());
        assert_eq!(read(format!("[{}]", texts.join(",")).as_bytes()), nudges);
        for foreign in ["", "{}", "[1,", "\u{ff}"] {
            assert_eq!(read(foreign.as_bytes()), [], "{foreign}");
        }
    }
}
