//! Bounded publish to many: a listener that falls behind is dropped and told so, and never slows the others.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc;

/// The publishing side.
#[derive(Debug)]
pub struct Fanout<T> {
    queue: usize,
    listeners_max: usize,
    listeners: Vec<Sender<T>>,
}

#[derive(Debug)]
struct Sender<T> {
    events: mpsc::Sender<T>,
    lagged: Arc<AtomicBool>,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard<T> {
    /// An event.
    Event(T),
    /// Events were lost and no more will come: look at the whole again and listen anew. The last thing heard.
    Resync,
}

/// One listener: a stream of [`Heard`], which ends when the publisher is gone.
#[derive(Debug)]
pub struct Listener<T> {
    events: mpsc::Receiver<T>,
    lagged: Arc<AtomicBool>,
    is_over: bool,
}

/// No more listeners are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {0} listeners already")]
pub struct TooManyListeners(pub usize);

impl<T: Clone> Fanout<T> {
    /// A publisher to at most `listeners_max` listeners, each with `queue` events waiting at most (at least
    /// 1).
    #[must_use]
    pub const fn new(queue: usize, listeners_max: usize) -> Self {
        Self { queue, listeners_max, listeners: Vec::new() }
    }

    /// A listener that hears all that is published from now on.
    ///
    /// # Errors
    /// When there are as many as allowed.
    pub fn listen(&mut self) -> Result<Listener<T>, TooManyListeners> {
        self.listeners.retain(|listener| !listener.events.is_closed());
        if self.listeners.len() >= self.listeners_max {
            return Err(TooManyListeners(self.listeners.len()));
        }
        let (sender, events) = mpsc::channel(self.queue.max(1));
        let lagged = Arc::new(AtomicBool::new(false));
        self.listeners.push(Sender { events: sender, lagged: Arc::clone(&lagged) });
        Ok(Listener { events, lagged, is_over: false })
    }

    /// Sends to every listener; who has no room is dropped and will hear [`Heard::Resync`].
    pub fn publish(&mut self, event: &T) {
        self.listeners.retain(|listener| match listener.events.try_send(event.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                listener.lagged.store(true, Ordering::Release);
                false
            }
        });
    }

    /// Nobody listens.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.listeners.iter().all(|listener| listener.events.is_closed())
    }
}

impl<T> Stream for Listener<T> {
    type Item = Heard<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Heard<T>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match self.events.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(event)) => Poll::Ready(Some(Heard::Event(event))),
            Poll::Ready(None) => {
                self.is_over = true;
                Poll::Ready(self.lagged.load(Ordering::Acquire).then_some(Heard::Resync))
            }
        }
    }
}

impl<T> Listener<T> {
    /// The next thing heard; `None` when the publisher is gone.
    pub async fn next(&mut self) -> Option<Heard<T>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_slow_listener_is_told_and_the_others_hear_everything() {
        let mut fanout = Fanout::new(2, 10);
        let (mut slow, mut quick) = (fanout.listen().unwrap(), fanout.listen().unwrap());
        let mut heard = Vec::new();
        for event in 0..5 {
            fanout.publish(&event);
            heard.push(quick.next().now_or_never());
        }
        assert_eq!(heard, (0..5).map(|event| Some(Some(Heard::Event(event)))).collect::<Vec<_>>());
        assert_eq!(slow.next().now_or_never(), Some(Some(Heard::Event(0))));
        assert_eq!(slow.next().now_or_never(), Some(Some(Heard::Event(1))));
        assert_eq!(slow.next().now_or_never(), Some(Some(Heard::Resync)));
        assert_eq!(slow.next().now_or_never(), Some(None));
        assert_eq!(quick.next().now_or_never(), None, "still listening");
    }

    #[test]
    fn listeners_are_bounded_and_those_who_left_make_room() {
        let mut fanout = Fanout::<u8>::new(1, 1);
        let first = fanout.listen().unwrap();
        assert_eq!(fanout.listen().err(), Some(TooManyListeners(1)));
        drop(first);
        assert!(fanout.is_idle());
        assert!(fanout.listen().is_ok());
    }
}
