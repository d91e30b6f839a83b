//! The connection with the cloud as a machine: when to connect, when to say hello, when a sign of life is
//! due, when a silent cloud counts as gone.
//!
//! ```text
//! Disconnected --due--> Greeting --welcome--> Ready --drain--> Draining --drained--> Ended
//!      ^                   | |                  |                 |
//!      |<---- lost --------+ |                  +---- lost ------>| (Disconnected; Ended when draining)
//!      |                     +-- refused for ever --> Barred
//! ```
//!
//! It does not know what a heartbeat carries nor how a socket works. Rendering goes on in every state: a
//! cloud that is away costs nothing but a later delivery.

use pictor_actors::backoff::Backoff;
use pictor_actors::now::Mono;
use pictor_actors::protocol::Retry;
use pictor_actors::units::Millis;

use crate::Refused;

#[cfg(test)]
mod tests;

/// A socket that brought no welcome by then is given up: covers a connect, TLS and the cloud's own start.
pub const GREETING_MAX: Millis = Millis::from_secs(20);
/// First wait after a lost connection; short, because most losses are a restart of the cloud.
pub const RECONNECT_FIRST: Millis = Millis(500);
/// Longest wait between two tries: a cloud that was away for hours is found again within a minute.
pub const RECONNECT_MAX: Millis = Millis::from_secs(60);
/// Early heartbeats (something changed) are at least this far apart.
pub const HEARTBEAT_APART_MIN: Millis = Millis::from_secs(1);
/// A cloud that did not answer for this long, or for three intervals if that is longer, is taken for gone.
pub const SILENCE_MIN: Millis = Millis::from_secs(15);
/// Frames that wait get this long to go out when the worker stops.
pub const DRAIN_MAX: Millis = Millis::from_secs(5);
/// Bounds of the interval the cloud may ask for: neither a flood nor a worker that is never heard of.
const INTERVAL_BOUNDS: (Millis, Millis) = (Millis(100), Millis::from_secs(600));

/// The connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Where it stands.
    pub phase: Phase,
    backoff: Backoff,
}

/// Where the connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// No socket.
    Disconnected {
        /// Next try.
        retry_at: Mono,
    },
    /// A socket is being opened, or waits for the cloud's welcome.
    Greeting {
        /// Given up then.
        deadline: Mono,
    },
    /// Welcome.
    Ready(Pulse),
    /// Welcome, but about to leave: what is finished still goes out.
    Draining {
        /// Signs of life go on.
        pulse: Pulse,
        /// The goodbye is said then at the latest.
        deadline: Mono,
    },
    /// Refused for ever: a person must act.
    Barred,
    /// Left on purpose.
    Ended,
}

/// Signs of life within one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// Number of the last one sent; 0: none yet.
    pub seq: u64,
    /// The interval the cloud asked for last.
    pub interval: Millis,
    /// When the last was sent (or the welcome came).
    pub last_at: Mono,
    /// When the next is due.
    pub next_at: Mono,
    /// When the oldest one without an answer was sent.
    pub unanswered_since: Option<Mono>,
}

/// What can happen to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The cloud asked for proof.
    Challenged,
    /// The cloud let us in.
    Welcomed {
        /// First heartbeat after this.
        heartbeat_after: Millis,
    },
    /// The cloud did not let us in, or throws us out.
    RefusedBy {
        /// When to try again.
        retry: Retry,
        /// For the jitter.
        random: u64,
    },
    /// The cloud closes on purpose.
    ByeSaid {
        /// Come back after this.
        retry_after: Millis,
    },
    /// The socket is gone or could not be opened.
    SocketLost {
        /// For the jitter.
        random: u64,
    },
    /// A heartbeat was answered.
    Acked {
        /// Which.
        seq: u64,
        /// Next one after this.
        next_after: Millis,
    },
    /// Something the cloud should see changed.
    NewsCame,
    /// The worker stops.
    DrainAsked,
    /// Nothing is left to deliver.
    Drained,
    /// The moment of [`Session::next_deadline`] has come.
    DeadlineDue {
        /// For the jitter.
        random: u64,
    },
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Open a socket; its fate comes back as an event.
    OpenSocket,
    /// Sign the challenge and say who we are.
    SendHello,
    /// Send a sign of life with this number.
    SendHeartbeat {
        /// Its number.
        seq: u64,
    },
    /// Say that we leave.
    SendGoodbye,
    /// Close the socket, if there is one.
    CloseSocket,
    /// The cloud can be reached from now on: deliver.
    AnnounceUp,
    /// The cloud is away from now on: keep.
    AnnounceDown,
    /// Nothing more will come from this machine.
    Finish,
}

type Step = Result<(Session, Vec<Effect>), Refused>;

impl Session {
    /// A connection to be opened at once.
    #[must_use]
    pub fn new(now: Mono) -> Self {
        let backoff = Backoff::new(RECONNECT_FIRST, RECONNECT_MAX);
        Self { phase: Phase::Disconnected { retry_at: now }, backoff }
    }

    /// The next moment at which [`Event::DeadlineDue`] is wanted, and what for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Mono, &'static str)> {
        match &self.phase {
            Phase::Disconnected { retry_at } => Some((*retry_at, "connect")),
            Phase::Greeting { deadline } => Some((*deadline, "no welcome")),
            Phase::Ready(pulse) => Some(pulse.next_deadline()),
            Phase::Draining { pulse, deadline } => {
                Some(pulse.next_deadline().min((*deadline, "drained for long enough")))
            }
            Phase::Barred | Phase::Ended => None,
        }
    }

    /// Whether messages to the cloud can go out now.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Ready(_) | Phase::Draining { .. })
    }

    /// The state after the event, and what to do; or a refusal that changes nothing.
    pub fn step(self, event: Event, now: Mono) -> Step {
        match event {
            Event::Challenged => self.challenged(),
            Event::Welcomed { heartbeat_after } => self.welcomed(heartbeat_after, now),
            Event::RefusedBy { retry, random } => self.refused_by(retry, random, now),
            Event::ByeSaid { retry_after } => self.bye_said(retry_after, now),
            Event::SocketLost { random } => self.socket_lost(random, now),
            Event::Acked { seq, next_after } => self.acked(seq, next_after, now),
            Event::NewsCame => self.news_came(now),
            Event::DrainAsked => self.drain_asked(now),
            Event::Drained => self.drained(),
            Event::DeadlineDue { random } => self.deadline_due(random, now),
        }
    }

    fn challenged(self) -> Step {
        match self.phase {
            Phase::Greeting { .. } => Ok((self, vec![Effect::SendHello])),
            Phase::Disconnected { .. }
            | Phase::Ready(_)
            | Phase::Draining { .. }
            | Phase::Barred
            | Phase::Ended => Err(self.refuse("a challenge")),
        }
    }

    fn welcomed(mut self, heartbeat_after: Millis, now: Mono) -> Step {
        match self.phase {
            Phase::Greeting { .. } => {
                self.backoff.succeeded();
                let interval = bounded(heartbeat_after);
                self.phase = Phase::Ready(Pulse {
                    seq: 0,
                    interval,
                    last_at: now,
                    next_at: now.plus(interval),
                    unanswered_since: None,
                });
                Ok((self, vec![Effect::AnnounceUp]))
            }
            Phase::Disconnected { .. }
            | Phase::Ready(_)
            | Phase::Draining { .. }
            | Phase::Barred
            | Phase::Ended => Err(self.refuse("a welcome")),
        }
    }

    fn refused_by(mut self, retry: Retry, random: u64, now: Mono) -> Step {
        let was_up = self.is_up();
        match self.phase {
            Phase::Greeting { .. } | Phase::Ready(_) => {
                self.phase = match retry {
                    Retry::Never => Phase::Barred,
                    Retry::After { ms } => {
                        let wait = self.backoff.failed(random).max(Millis(ms).min(RECONNECT_MAX));
                        Phase::Disconnected { retry_at: now.plus(wait) }
                    }
                };
                Ok((self, closing(was_up)))
            }
            Phase::Draining { .. } => Ok(self.end(vec![Effect::CloseSocket, Effect::AnnounceDown])),
            Phase::Disconnected { .. } | Phase::Barred | Phase::Ended => Err(self.refuse("a refusal")),
        }
    }

    fn bye_said(mut self, retry_after: Millis, now: Mono) -> Step {
        let was_up = self.is_up();
        match self.phase {
            Phase::Greeting { .. } | Phase::Ready(_) => {
                let wait = retry_after.min(RECONNECT_MAX).max(RECONNECT_FIRST);
                self.phase = Phase::Disconnected { retry_at: now.plus(wait) };
                Ok((self, closing(was_up)))
            }
            Phase::Draining { .. } => Ok(self.end(vec![Effect::CloseSocket, Effect::AnnounceDown])),
            Phase::Disconnected { .. } | Phase::Barred | Phase::Ended => Err(self.refuse("a bye")),
        }
    }

    fn socket_lost(self, random: u64, now: Mono) -> Step {
        match self.phase {
            Phase::Greeting { .. } => Ok((self.retry_later(random, now), Vec::new())),
            Phase::Ready(_) => Ok((self.retry_later(random, now), vec![Effect::AnnounceDown])),
            Phase::Draining { .. } => Ok(self.end(vec![Effect::AnnounceDown])),
            Phase::Disconnected { .. } | Phase::Barred | Phase::Ended => Err(self.refuse("a lost socket")),
        }
    }

    fn acked(mut self, seq: u64, next_after: Millis, now: Mono) -> Step {
        match &mut self.phase {
            Phase::Ready(pulse) | Phase::Draining { pulse, .. } if seq > 0 && seq <= pulse.seq => {
                pulse.acked(seq, next_after, now);
                Ok((self, Vec::new()))
            }
            Phase::Disconnected { .. }
            | Phase::Greeting { .. }
            | Phase::Ready(_)
            | Phase::Draining { .. }
            | Phase::Barred
            | Phase::Ended => Err(self.refuse("an answer to a heartbeat")),
        }
    }

    fn news_came(mut self, now: Mono) -> Step {
        match &mut self.phase {
            Phase::Ready(pulse) | Phase::Draining { pulse, .. } => {
                pulse.next_at = pulse.next_at.min(pulse.last_at.plus(HEARTBEAT_APART_MIN).max(now));
                Ok((self, Vec::new()))
            }
            // What changed goes out with the hello.
            Phase::Disconnected { .. } | Phase::Greeting { .. } | Phase::Barred | Phase::Ended => {
                Ok((self, Vec::new()))
            }
        }
    }

    fn drain_asked(mut self, now: Mono) -> Step {
        match self.phase {
            Phase::Ready(pulse) => {
                self.phase = Phase::Draining { pulse, deadline: now.plus(DRAIN_MAX) };
                Ok((self, Vec::new()))
            }
            Phase::Greeting { .. } => Ok(self.end(vec![Effect::CloseSocket])),
            Phase::Disconnected { .. } | Phase::Barred => Ok(self.end(Vec::new())),
            Phase::Draining { .. } | Phase::Ended => Err(self.refuse("a wish to drain")),
        }
    }

    fn drained(self) -> Step {
        match self.phase {
            Phase::Draining { .. } => Ok(self.end(leaving())),
            Phase::Disconnected { .. }
            | Phase::Greeting { .. }
            | Phase::Ready(_)
            | Phase::Barred
            | Phase::Ended => Err(self.refuse("an empty outbox")),
        }
    }

    fn deadline_due(mut self, random: u64, now: Mono) -> Step {
        match &mut self.phase {
            Phase::Disconnected { retry_at } if *retry_at <= now => {
                self.phase = Phase::Greeting { deadline: now.plus(GREETING_MAX) };
                Ok((self, vec![Effect::OpenSocket]))
            }
            Phase::Greeting { deadline } if *deadline <= now => {
                Ok((self.retry_later(random, now), vec![Effect::CloseSocket]))
            }
            Phase::Ready(pulse) if pulse.is_silent(now) => {
                Ok((self.retry_later(random, now), vec![Effect::CloseSocket, Effect::AnnounceDown]))
            }
            Phase::Draining { pulse, deadline } if *deadline <= now || pulse.is_silent(now) => {
                Ok(self.end(leaving()))
            }
            Phase::Ready(pulse) | Phase::Draining { pulse, .. } => {
                let effects = pulse.beat(now);
                Ok((self, effects))
            }
            // A timer may fire early; it is armed again.
            Phase::Disconnected { .. } | Phase::Greeting { .. } => Ok((self, Vec::new())),
            Phase::Barred | Phase::Ended => Err(self.refuse("a deadline")),
        }
    }

    fn retry_later(mut self, random: u64, now: Mono) -> Self {
        let wait = self.backoff.failed(random);
        self.phase = Phase::Disconnected { retry_at: now.plus(wait) };
        self
    }

    fn end(mut self, mut effects: Vec<Effect>) -> (Self, Vec<Effect>) {
        self.phase = Phase::Ended;
        effects.push(Effect::Finish);
        (self, effects)
    }

    fn refuse(&self, event: &'static str) -> Refused {
        Refused { machine: "session", state: self.phase.word(), event }
    }
}

impl Phase {
    /// The state in one word, for logs and the status line.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Disconnected { .. } => "disconnected",
            Self::Greeting { .. } => "greeting",
            Self::Ready(_) => "ready",
            Self::Draining { .. } => "draining",
            Self::Barred => "barred",
            Self::Ended => "ended",
        }
    }
}

impl Pulse {
    fn next_deadline(&self) -> (Mono, &'static str) {
        let beat = (self.next_at, "heartbeat");
        self.unanswered_since.map_or(beat, |since| beat.min((since.plus(self.silence_max()), "silent cloud")))
    }

    fn silence_max(&self) -> Millis {
        Millis(self.interval.0.saturating_mul(3)).max(SILENCE_MIN)
    }

    fn is_silent(&self, now: Mono) -> bool {
        self.unanswered_since.is_some_and(|since| since.plus(self.silence_max()) <= now)
    }

    fn beat(&mut self, now: Mono) -> Vec<Effect> {
        if self.next_at > now {
            return Vec::new();
        }
        self.seq += 1;
        self.last_at = now;
        self.next_at = now.plus(self.interval);
        self.unanswered_since.get_or_insert(now);
        vec![Effect::SendHeartbeat { seq: self.seq }]
    }

    fn acked(&mut self, seq: u64, next_after: Millis, now: Mono) {
        self.interval = bounded(next_after);
        if seq == self.seq {
            self.unanswered_since = None;
            self.next_at = self.last_at.plus(self.interval).max(now);
        } else {
            self.unanswered_since = Some(now);
        }
    }
}

fn bounded(interval: Millis) -> Millis {
    interval.clamp(INTERVAL_BOUNDS.0, INTERVAL_BOUNDS.1)
}

fn closing(was_up: bool) -> Vec<Effect> {
    if was_up { vec![Effect::CloseSocket, Effect::AnnounceDown] } else { vec![Effect::CloseSocket] }
}

fn leaving() -> Vec<Effect> {
    vec![Effect::SendGoodbye, Effect::CloseSocket, Effect::AnnounceDown]
}
