//! The storm brake: while it holds, no lease is taken from a silent worker.
//!
//! When most workers fall silent together the fault is likely on the cloud's side, and their work goes on:
//! taking it away would only have it done twice. The same holds for a while after a start, and after a time
//! in which this process could not hear or note them.

use std::fmt;

use pictor_actors::now::Mono;
use pictor_actors::units::Millis;

/// They fell silent together if it was within this.
pub const STORM_WITHIN: Millis = Millis::from_secs(60);
/// More than this many of a hundred workers make a storm.
pub const STORM_PERCENT: usize = 55;
/// A worker that is silent for longer counts no more: by then its longest lease would be lost, so a hall that
/// went for good holds nothing up for ever.
pub const STORM_MAX: Millis = super::lost::LOST_AFTER_MAX;

/// The workers that did not say goodbye, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// So many give signs of life.
    pub online: usize,
    /// How long each of the others has been silent, in any order.
    pub silent: Vec<Millis>,
}

impl Census {
    /// The workers as they were heard last; from `stale_after` on one is silent.
    #[must_use]
    pub fn of(silences: impl IntoIterator<Item = Millis>, stale_after: Millis) -> Self {
        let mut census = Self::default();
        for silence in silences {
            if silence < stale_after {
                census.online += 1;
            } else {
                census.silent.push(silence);
            }
        }
        census
    }

    /// The storm they show, if it is one.
    #[must_use]
    pub fn storm(&self) -> Option<Hold> {
        let mut silent: Vec<_> = self.silent.iter().copied().filter(|silence| *silence < STORM_MAX).collect();
        silent.sort_unstable();
        let of = self.online + silent.len();
        let mut most = 0;
        let mut first = 0;
        for (at, silence) in silent.iter().enumerate() {
            while silence.0 - silent[first].0 >= STORM_WITHIN.0 {
                first += 1;
            }
            most = most.max(at + 1 - first);
        }
        (most * 100 > of * STORM_PERCENT).then_some(Hold::Storm { silent: most, of })
    }
}

/// Why nothing is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The cloud has just started: workers need the time to come back.
    Start,
    /// For a while this process could not hear workers, or not note that it did.
    WasAway {
        /// What kept it, in words.
        why: &'static str,
    },
    /// Most workers fell silent together.
    Storm {
        /// So many within a minute.
        silent: usize,
        /// Of so many.
        of: usize,
    },
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("silent workers keep their tasks for now: ")?;
        match self {
            Self::Start => f.write_str("the cloud has just started, and workers are coming back"),
            Self::WasAway { why } => write!(f, "{why}, so workers may have spoken unheard"),
            Self::Storm { silent, of } => write!(
                f,
                "{silent} of {of} workers fell silent within a minute, which looks like a fault of the \
                 network or of the cloud rather than of the workers"
            ),
        }
    }
}

/// The brake of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brake {
    patience: Millis,
    patient_until: Mono,
    why: Hold,
}

impl Brake {
    /// The brake of a cloud that starts now; it is patient for so long after this, and after each absence.
    #[must_use]
    pub fn new(patience: Millis, now: Mono) -> Self {
        Self { patience, patient_until: now.plus(patience), why: Hold::Start }
    }

    /// This process could not hear or note workers until now.
    pub fn was_away(&mut self, why: &'static str, now: Mono) {
        self.patient_until = self.patient_until.max(now.plus(self.patience));
        self.why = Hold::WasAway { why };
    }

    /// Why nothing may be taken away now; nothing: it may.
    #[must_use]
    pub fn holds(&self, census: &Census, now: Mono) -> Option<Hold> {
        if now < self.patient_until { Some(self.why) } else { census.storm() }
    }
}
