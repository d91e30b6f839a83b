//! A simulated fleet in numbers, at one moment.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64};

use pictor_actors::now::{Clock, Mono};
use pictor_actors::units::Millis;
use serde::Serialize;

use super::stats::{Percentiles, Stats};

/// How the fleet stands. The names are stable: programs read them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Seconds since the start.
    pub seconds: f64,
    /// It is the last one, and its lengths are those of the whole run; those of others are of the time since
    /// the one before.
    pub is_last: bool,
    /// How many workers there are.
    pub workers: usize,
    /// Those the cloud has welcomed.
    pub connected: u64,
    /// Milliseconds until all were connected for the first time; nothing before.
    pub all_connected_after_ms: Option<u64>,
    /// Slots that render.
    pub rendering: u64,
    /// Frames with a receipt.
    pub frames: u64,
    /// Frames with a receipt a second, since the report before.
    pub frames_per_second: f64,
    /// Offers taken.
    pub offers: u64,
    /// Attempts that rendered everything.
    pub attempts_done: u64,
    /// Attempts that failed.
    pub attempts_failed: u64,
    /// Welcomes.
    pub welcomes: u64,
    /// Connections that were lost or not opened.
    pub connections_lost: u64,
    /// Uploads that are tried again.
    pub uploads_again: u64,
    /// Frames the cloud refused for reasons of its own.
    pub uploads_refused: u64,
    /// Frames that nobody wanted any more.
    pub unwanted: u64,
    /// Stale deliveries that the cloud refused, as it must.
    pub stale_refused: u64,
    /// Stale deliveries that it took: a fault of the cloud.
    pub stale_taken: u64,
    /// Workers that the cloud has sent away for good.
    pub barred: u64,
    /// Faults played.
    pub faults: u64,
    /// Heartbeat to answer, in milliseconds.
    pub beat_ms: Percentiles,
    /// Task made to its offer at the worker.
    pub offer_ms: Percentiles,
    /// Upload to receipt.
    pub upload_ms: Percentiles,
}

/// Makes the reports.
pub struct Reporter {
    stats: Arc<Stats>,
    workers: usize,
    clock: Arc<dyn Clock>,
    started: Mono,
    before: Before,
}

#[derive(Default)]
struct Before {
    at: Mono,
    frames: u64,
    beat: Vec<u64>,
    offer: Vec<u64>,
    upload: Vec<u64>,
}

impl Reporter {
    /// Of a fleet that starts now.
    #[must_use]
    pub fn new(stats: Arc<Stats>, workers: usize, clock: Arc<dyn Clock>) -> Self {
        let started = clock.now().mono;
        Self { stats, workers, clock, started, before: Before { at: started, ..Before::default() } }
    }

    /// Looks at the fleet; shows a report when it is time for one.
    pub fn look(&mut self, every: Millis, show: &mut impl FnMut(&Report)) {
        let now = self.clock.now().mono;
        if usize::try_from(self.stats.connected.load(Relaxed)).is_ok_and(|count| count >= self.workers) {
            let _ = self.stats.all_connected_after.set(self.started.until(now).0); // the first time counts
        }
        if self.before.at.until(now) < every {
            return;
        }
        show(&self.report(now, false));
        self.before = Before {
            at: now,
            frames: self.stats.frames.load(Relaxed),
            beat: self.stats.beat.counts(),
            offer: self.stats.offer.counts(),
            upload: self.stats.upload.counts(),
        };
    }

    /// The sum of all.
    #[must_use]
    pub fn last(mut self) -> Report {
        self.before = Before { at: self.started, ..Before::default() };
        self.report(self.clock.now().mono, true)
    }

    #[allow(clippy::cast_precision_loss)] // seconds and rates for people
    fn report(&self, now: Mono, is_last: bool) -> Report {
        let (stats, before) = (&self.stats, &self.before);
        let of = |counter: &AtomicU64| counter.load(Relaxed);
        let level = |level: &AtomicI64| u64::try_from(level.load(Relaxed)).unwrap_or(0);
        let span = before.at.until(now).0.max(1) as f64 / 1_000.0;
        Report {
            seconds: self.started.until(now).0 as f64 / 1_000.0,
            is_last,
            workers: self.workers,
            connected: level(&stats.connected),
            all_connected_after_ms: stats.all_connected_after.get().copied(),
            rendering: level(&stats.rendering),
            frames: of(&stats.frames),
            frames_per_second: (of(&stats.frames) - before.frames) as f64 / span,
            offers: of(&stats.offers),
            attempts_done: of(&stats.attempts_done),
            attempts_failed: of(&stats.attempts_failed),
            welcomes: of(&stats.welcomes),
            connections_lost: of(&stats.lost),
            uploads_again: of(&stats.uploads_again),
            uploads_refused: of(&stats.uploads_refused),
            unwanted: of(&stats.unwanted),
            stale_refused: of(&stats.stale_refused),
            stale_taken: of(&stats.stale_taken),
            barred: of(&stats.barred),
            faults: of(&stats.faults),
            beat_ms: stats.beat.since(&before.beat),
            offer_ms: stats.offer.since(&before.offer),
            upload_ms: stats.upload.since(&before.upload),
        }
    }
}

impl Report {
    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let failed = self.attempts_failed + self.uploads_refused;
        let mut line = format!(
            "{}/{} connected, {} rendering, {} frames ({:.0}/s), {failed} failed",
            self.connected, self.workers, self.rendering, self.frames, self.frames_per_second,
        );
        for (name, lengths) in [("beat", self.beat_ms), ("offer", self.offer_ms), ("upload", self.upload_ms)]
        {
            if let (Some(p50), Some(p99)) = (lengths.p50, lengths.p99) {
                line += &format!(", {name} <{p50} ms (p99 <{p99})");
            }
        }
        if self.stale_taken > 0 {
            line += &format!(", {} STALE FRAMES TAKEN", self.stale_taken);
        }
        if self.barred > 0 {
            line += &format!(", {} sent away for good", self.barred);
        }
        line
    }
}
