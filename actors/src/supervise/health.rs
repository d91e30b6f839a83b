//! Signs of life of kept actors, and the watch over handlers that hold their thread.
//!
//! Two ways of being stuck need two witnesses. An actor whose thread lives but which no longer answers is
//! seen by its keeper (a probe through the actor's own context). A handler that blocks its thread stops the
//! keeper too, and cannot be killed: one watching thread a process sees how long each poll has lasted, says
//! so and spends the restart budget.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak, mpsc};

use super::budget::{RestartBudget, Spending};
use super::door::{KeptState, LastEnd, Restarts};
use super::shutdown::{Shutdown, StopReason};
use crate::now::{Clock, Mono, SystemClock};
use crate::units::Millis;

/// How often the watching thread looks: one wake-up a second is nothing, and a blocked thread is still named
/// soon.
const LOOK_EVERY: Millis = Millis(500);
/// Marks "not being polled"; the first reading of the clock is 0, so moments are kept one higher.
const NOT_POLLED: u64 = 0;

/// What is known of one kept actor; shared by keeper, doors and the watching thread.
pub(super) struct Vitals {
    name: &'static str,
    stuck_after: Option<Millis>,
    shutdown: Shutdown,
    /// Since when the actor's handlers hold the thread: milliseconds of the steady clock plus one.
    polled_since: AtomicU64,
    counted: Mutex<Counted>,
}

struct Counted {
    spending: Spending,
    restarts: Restarts,
    last_end: Option<LastEnd>,
}

impl Vitals {
    pub(super) fn new(
        name: &'static str,
        stuck_after: Option<Millis>,
        budget: RestartBudget,
        shutdown: &Shutdown,
    ) -> Arc<Self> {
        let counted =
            Counted { spending: Spending::new(budget), restarts: Restarts::default(), last_end: None };
        let vitals = Arc::new(Self {
            name,
            stuck_after,
            shutdown: shutdown.clone(),
            polled_since: AtomicU64::new(NOT_POLLED),
            counted: Mutex::new(counted),
        });
        if stuck_after.is_some() {
            watch(&vitals);
        }
        vitals
    }

    pub(super) fn state(&self, is_open: bool) -> KeptState {
        let counted = self.counted();
        KeptState { name: self.name, is_open, restarts: counted.restarts, last_end: counted.last_end.clone() }
    }

    /// Counts an end and spends a restart; when there is none left the whole process is told to stop, and
    /// `false` comes back.
    pub(super) fn ended(&self, end: LastEnd, now: Mono) -> bool {
        let mut counted = self.counted();
        let (counter, words) = match &end {
            LastEnd::Panicked => (&mut counted.restarts.panicked, "a handler panicked".to_owned()),
            LastEnd::Stopped => (&mut counted.restarts.stopped, "it stopped".to_owned()),
            LastEnd::Stuck => (&mut counted.restarts.stuck, "it no longer answers".to_owned()),
            LastEnd::NotBuilt(why) => {
                (&mut counted.restarts.not_built, format!("it could not be built: {why}"))
            }
        };
        *counter += 1;
        counted.last_end = Some(end);
        let left = counted.spending.spend(now);
        drop(counted);
        match left {
            Ok(left) => {
                tracing::warn!(actor = self.name, restarts_left = left, "actor is started anew: {words}");
                true
            }
            Err(spent) => {
                tracing::error!(actor = self.name, "actor is given up: {words}; {spent}");
                self.shutdown
                    .root()
                    .begin(StopReason::ActorGaveUp { actor: self.name, why: format!("{words}; {spent}") });
                false
            }
        }
    }

    /// Notes that the actor is being polled until the guard is dropped.
    pub(super) fn polling(&self) -> impl Drop + '_ {
        struct Polling<'a>(&'a AtomicU64);
        impl Drop for Polling<'_> {
            fn drop(&mut self) {
                self.0.store(NOT_POLLED, Ordering::Relaxed);
            }
        }
        if self.stuck_after.is_some() {
            self.polled_since.store(SystemClock.now().mono.0 + 1, Ordering::Relaxed);
        }
        Polling(&self.polled_since)
    }

    /// Reports a poll that lasts too long; the count starts anew with each report, so that a handler that
    /// never comes back spends the whole budget.
    fn look(&self, now: Mono) {
        let (Some(stuck_after), since) = (self.stuck_after, self.polled_since.load(Ordering::Relaxed)) else {
            return;
        };
        if since == NOT_POLLED || Mono(since - 1).until(now) < stuck_after {
            return;
        }
        let again =
            self.polled_since.compare_exchange(since, now.0 + 1, Ordering::Relaxed, Ordering::Relaxed);
        if again.is_ok() {
            tracing::error!(
                actor = self.name,
                blocked_ms = Mono(since - 1).until(now).0,
                "a handler holds its thread"
            );
            self.ended(LastEnd::Stuck, now);
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds an actor to those the watching thread looks at; the thread starts with the first one.
fn watch(vitals: &Arc<Vitals>) {
    static WATCHED: OnceLock<Watched> = OnceLock::new();
    let watched = WATCHED.get_or_init(|| {
        let watched = Watched::default();
        let theirs = Arc::clone(&watched);
        let started =
            std::thread::Builder::new().name("pictor-watch".to_owned()).spawn(move || look_for_ever(&theirs));
        if let Err(error) = started {
            tracing::error!(%error, "no thread to watch over blocked actors");
        }
        watched
    });
    lock(watched).push(Arc::downgrade(vitals));
}

type Watched = Arc<Mutex<Vec<Weak<Vitals>>>>;

fn lock(watched: &Watched) -> MutexGuard<'_, Vec<Weak<Vitals>>> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look_for_ever(watched: &Watched) {
    // A channel that nobody writes to is the timer: it needs no runtime, which may be what is blocked.
    let (_never, timer) = mpsc::sync_channel::<()>(0);
    while timer.recv_timeout(LOOK_EVERY.to_duration()) == Err(mpsc::RecvTimeoutError::Timeout) {
        let mut alive: Vec<Arc<Vitals>> = Vec::new();
        lock(watched).retain(|weak| weak.upgrade().map(|vitals| alive.push(vitals)).is_some());
        let now = SystemClock.now().mono;
        alive.iter().for_each(|vitals| vitals.look(now));
    }
}
