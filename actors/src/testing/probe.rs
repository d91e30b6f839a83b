//! An actor that only listens: what would have reached another actor is kept for the test to look at.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::prelude::{Actor, Addr, Context, Handler, Message};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::units::Millis;

/// What one kind of message brought to a listening actor. Clones share it.
pub struct Probe<M> {
    received: Arc<Mutex<Vec<M>>>,
    arrived: Arc<Notify>,
}

impl<M> Probe<M>
where
    M: Message<Result = ()> + Send + Unpin + 'static,
{
    /// Starts a listening actor; turn its address into a `Recipient` for the code under test.
    #[must_use]
    pub fn start() -> (Self, Addr<Self>) {
        let probe = Self { received: Arc::default(), arrived: Arc::default() };
        let address = probe.clone().start_actor();
        (probe, address)
    }

    /// Takes what has arrived so far.
    #[must_use]
    pub fn take(&self) -> Vec<M> {
        std::mem::take(&mut *self.lock())
    }

    /// Waits until at least `count` messages are there, and takes all.
    ///
    /// # Panics
    /// When they are not there within `within`.
    pub async fn wait_for(&self, count: usize, within: Millis) -> Vec<M> {
        let enough = async {
            loop {
                let arrived = self.arrived.notified();
                if self.lock().len() >= count {
                    return;
                }
                arrived.await;
            }
        };
        let waited = timeout(within.to_duration(), enough).await;
        assert!(waited.is_ok(), "{} of {count} messages within {} ms", self.lock().len(), within.0);
        self.take()
    }

    fn start_actor(self) -> Addr<Self> {
        Actor::start(self)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<M>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Clone for Probe<M> {
    fn clone(&self) -> Self {
        Self { received: Arc::clone(&self.received), arrived: Arc::clone(&self.arrived) }
    }
}

impl<M: Send + Unpin + 'static> Actor for Probe<M> {
    type Context = Context<Self>;
}

impl<M> Handler<M> for Probe<M>
where
    M: Message<Result = ()> + Send + Unpin + 'static,
{
    type Result = ();

    fn handle(&mut self, message: M, _context: &mut Context<Self>) {
        self.lock().push(message);
        self.arrived.notify_waiters();
    }
}
