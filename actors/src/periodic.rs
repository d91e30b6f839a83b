//! Activation by timer or nudge, without data: a wake-up says "look again", never what to do, so losing one
//! costs a wait and no work.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::supervise::{Phase, Shutdown};
use crate::units::Millis;

/// Wakes a [`Periodic`]; nudges that come while it works collapse into one.
#[derive(Debug, Clone, Default)]
pub struct Nudge(Arc<Notify>);

impl Nudge {
    /// Says "look again".
    pub fn nudge(&self) {
        self.0.notify_one();
    }
}

/// Why a [`Periodic`] was activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Its time had come.
    Timer,
    /// Somebody nudged.
    Nudged,
}

/// A thing to do again and again.
#[derive(Debug)]
pub struct Periodic {
    every: Millis,
    nudge: Nudge,
}

impl Periodic {
    /// Activated when `every` has passed since the last activation ended, or at a nudge.
    #[must_use]
    pub fn new(every: Millis) -> (Self, Nudge) {
        let nudge = Nudge::default();
        (Self { every, nudge: nudge.clone() }, nudge)
    }

    /// Waits for the next activation; `jitter` is added to the timer, so that many processes do not act at
    /// once.
    pub async fn next(&self, jitter: Millis) -> Activation {
        tokio::select! {
            biased;
            () = self.nudge.0.notified() => Activation::Nudged,
            () = sleep(Millis(self.every.0.saturating_add(jitter.0)).to_duration()) => Activation::Timer,
        }
    }

    /// Runs `act` at each activation until a stop is asked for; an `act` under way is brought to its end, and
    /// holds the drain until then. One runs at a time.
    pub async fn run<W>(
        self,
        name: &'static str,
        shutdown: Shutdown,
        mut jitter: impl FnMut() -> Millis,
        mut act: impl FnMut(Activation) -> W,
    ) where
        W: Future<Output = ()>,
    {
        loop {
            let activation = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                activation = self.next(jitter()) => activation,
            };
            let _held = shutdown.hold(Phase::Draining, name);
            act(activation).await;
        }
    }
}
