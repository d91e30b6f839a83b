//! Whether the machine takes work now, and if not, why and until when.
//!
//! Several causes can hold at once; each is set and lifted by whoever knows it, and the one shown is the one
//! a person can do something about first. A pause of the owner survives a restart: the effect
//! [`Effect::Save`] says when to write it down. Work that runs is not touched by a pause; stopping it is the
//! owner's own, other wish.

use pictor_actors::protocol::{Pause, PauseReason};
use pictor_actors::units::UnixMillis;

#[cfg(test)]
mod tests;

/// The causes that hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    user: Option<Span>,
    dashboard: Option<Pause>,
    is_disk_low: bool,
    is_engine_missing: bool,
}

/// How long a pause of the owner lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Until somebody resumes.
    Open,
    /// Until then, by the wall clock, so that it also ends while the worker does not run.
    Until(UnixMillis),
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The owner pauses at the machine.
    UserPaused(Span),
    /// The owner resumes at the machine.
    UserResumed,
    /// The owner pauses (or resumes) from the dashboard.
    DashboardSaid(Option<Pause>),
    /// Free disk space fell below what frames and inputs need.
    DiskLow,
    /// It rose well above again.
    DiskFine,
    /// No program that renders is there.
    EngineMissing,
    /// There is one.
    EngineFound,
    /// The moment of [`Presence::next_deadline`] may have come.
    DeadlineDue,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write the owner's pause down (or that there is none).
    Save(Option<Span>),
    /// What is shown changed.
    Announce(Option<Pause>),
}

impl Presence {
    /// As it was written down before a restart.
    #[must_use]
    pub fn restored(user: Option<Span>) -> Self {
        Self { user, ..Self::default() }
    }

    /// The causes after the event, and what to do. Every event has a meaning at every time: no refusal.
    #[must_use]
    pub fn step(mut self, event: Event, now: UnixMillis) -> (Self, Vec<Effect>) {
        let before = (self.user, self.pause());
        match event {
            Event::UserPaused(span) => self.user = Some(span),
            Event::UserResumed => self.user = None,
            Event::DashboardSaid(pause) => self.dashboard = pause,
            Event::DiskLow => self.is_disk_low = true,
            Event::DiskFine => self.is_disk_low = false,
            Event::EngineMissing => self.is_engine_missing = true,
            Event::EngineFound => self.is_engine_missing = false,
            Event::DeadlineDue => {}
        }
        self.end_what_is_over(now);
        let mut effects = Vec::new();
        if before.0 != self.user {
            effects.push(Effect::Save(self.user));
        }
        let pause = self.pause();
        if before.1 != pause {
            effects.push(Effect::Announce(pause));
        }
        (self, effects)
    }

    /// The pause that is in force, by the cause that is shown; nothing: work is welcome.
    #[must_use]
    pub fn pause(&self) -> Option<Pause> {
        let by_user = self.user.map(|span| Pause { reason: PauseReason::User, until: span.end() });
        by_user
            .or_else(|| self.dashboard.clone())
            .or_else(|| {
                self.is_engine_missing.then_some(Pause { reason: PauseReason::NoBlender, until: None })
            })
            .or_else(|| self.is_disk_low.then_some(Pause { reason: PauseReason::LowDisk, until: None }))
    }

    /// The owner's pause from the dashboard, which only the dashboard lifts.
    #[must_use]
    pub const fn dashboard(&self) -> Option<&Pause> {
        self.dashboard.as_ref()
    }

    /// The next moment at which [`Event::DeadlineDue`] is wanted, and what for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(UnixMillis, &'static str)> {
        let user = self.user.and_then(Span::end);
        let dashboard = self.dashboard.as_ref().and_then(|pause| pause.until);
        user.into_iter().chain(dashboard).min().map(|until| (until, "a pause ends"))
    }

    fn end_what_is_over(&mut self, now: UnixMillis) {
        let is_over = |until: Option<UnixMillis>| until.is_some_and(|until| until <= now);
        if is_over(self.user.and_then(Span::end)) {
            self.user = None;
        }
        if is_over(self.dashboard.as_ref().and_then(|pause| pause.until)) {
            self.dashboard = None;
        }
    }
}

impl Span {
    /// When it ends by itself.
    #[must_use]
    pub const fn end(self) -> Option<UnixMillis> {
        match self {
            Self::Open => None,
            Self::Until(until) => Some(until),
        }
    }
}
