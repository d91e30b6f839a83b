//! The listener's end.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use futures_util::Stream;
use pictor_actors::fanout::{Heard, Listener};

use super::messages::LiveEvent;

/// Names an event, so that a page can say up to where it has heard: the start of its numbering and a running
/// number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// When the numbering began, so that numbers of another process are not mistaken for its own.
    pub epoch: i64,
    /// From 1.
    pub number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

/// A text that is no event's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an event's id")]
pub struct BadEventId;

impl FromStr for EventId {
    type Err = BadEventId;

    fn from_str(text: &str) -> Result<Self, BadEventId> {
        let (epoch, number) = text.split_once('-').ok_or(BadEventId)?;
        Ok(Self {
            epoch: epoch.parse().map_err(|_| BadEventId)?,
            number: number.parse().map_err(|_| BadEventId)?,
        })
    }
}

/// An event with its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Up to where the listener has heard with this.
    pub id: EventId,
    /// What happened.
    pub event: LiveEvent,
}

/// Live events of one topic. A listener that does not keep up hears [`LiveEvent::Resync`] and the end; it
/// comes back with the id it heard last.
#[derive(Debug)]
pub struct Subscription {
    last: EventId,
    missed: VecDeque<Told>,
    listener: Listener<Told>,
}

impl Subscription {
    pub(super) fn new(last: EventId, missed: Vec<Told>, listener: Listener<Told>) -> Self {
        Self { last, missed: missed.into(), listener }
    }

    /// The newest event before this subscription began (and before what it missed is told).
    #[must_use]
    pub const fn started_after(&self) -> EventId {
        self.last
    }
}

impl Stream for Subscription {
    type Item = Told;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Told>> {
        if let Some(told) = self.missed.pop_front() {
            return Poll::Ready(Some(told));
        }
        match std::task::ready!(Pin::new(&mut self.listener).poll_next(context)) {
            None => Poll::Ready(None),
            Some(Heard::Event(told)) => {
                self.last = told.id;
                Poll::Ready(Some(told))
            }
            Some(Heard::Resync) => Poll::Ready(Some(Told { id: self.last, event: LiveEvent::Resync })),
        }
    }
}
