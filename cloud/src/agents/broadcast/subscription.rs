//! The listener's end.

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc;

use super::messages::LiveEvent;

/// Names an event, so that a page can say up to where it has heard: the start of this process and a running number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// When the process that numbered it began, so that another one's numbers are not mistaken for its own.
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

/// Live events of one topic. A listener that does not keep up gets [`LiveEvent::Resync`] and the end; it comes back
/// with the id it heard last.
#[derive(Debug)]
pub struct Subscription {
    pub(super) events: mpsc::Receiver<Told>,
    pub(super) is_lost: Arc<AtomicBool>,
    pub(super) last: EventId,
}

impl Stream for Subscription {
    type Item = Told;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Told>> {
        match self.events.poll_recv(context) {
            Poll::Ready(Some(told)) => {
                self.last = told.id;
                Poll::Ready(Some(told))
            }
            Poll::Ready(None) if self.is_lost.swap(false, Ordering::AcqRel) => {
                Poll::Ready(Some(Told { id: self.last, event: LiveEvent::Resync }))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}
