//! An address that stays good across restarts.

use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::prelude::{Actor, Addr, Handler, MailboxError, Message, SendError};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::health::Vitals;
use crate::units::Millis;

/// Where messages for a kept actor go in. Clone it freely; it may be used from any thread.
pub struct Door<A: Actor> {
    pub(super) entry: watch::Receiver<Entry<A>>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) close: Arc<watch::Sender<bool>>,
}

/// What stands behind a door at this moment.
pub(super) enum Entry<A: Actor> {
    Restarting,
    Open(Opening<A>),
    Closed,
}

/// The way in to one life of an actor. The address is used in place and never cloned for a `try_send`: in
/// actix each clone of an address may put one message more into a full mailbox, so that a clone a message is
/// no bound at all.
pub(super) struct Opening<A: Actor> {
    pub(super) address: Addr<A>,
    /// Questions under way; waiting for a place happens here, within the asker's time.
    pub(super) asks: Arc<Semaphore>,
}

/// Why a message was not taken, or its answer did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// The mailbox is full: try later or drop the message; it was not taken.
    #[error("the mailbox is full")]
    Full,
    /// The actor is being rebuilt. From `ask` it may also mean that it died with the question: repeat what is
    /// safe to.
    #[error("the actor is being rebuilt")]
    Restarting,
    /// It has ended for good.
    #[error("the actor has ended")]
    Closed,
    /// No answer in time; the message may yet be handled.
    #[error("no answer in time")]
    TimedOut,
}

/// Restarts, each reason apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restarts {
    /// A handler panicked.
    pub panicked: u64,
    /// It stopped by itself, to be rebuilt.
    pub stopped: u64,
    /// It no longer answered, or a handler held its thread too long.
    pub stuck: u64,
    /// Its factory failed.
    pub not_built: u64,
}

/// Why an actor ended the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastEnd {
    /// A handler panicked.
    Panicked,
    /// It stopped by itself.
    Stopped,
    /// It no longer answered.
    Stuck,
    /// Its factory failed, with the reason.
    NotBuilt(String),
}

/// A kept actor as `/metrics` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptState {
    /// Name given to the keeper.
    pub name: &'static str,
    /// It takes messages at this moment.
    pub is_open: bool,
    /// Restarts since the process started.
    pub restarts: Restarts,
    /// Why it ended the last time, if it ever did.
    pub last_end: Option<LastEnd>,
}

impl<A: Actor> Door<A> {
    /// Puts a message in the mailbox without waiting for an answer.
    ///
    /// # Errors
    /// [`DoorError::Full`], [`DoorError::Restarting`], [`DoorError::Closed`]; in each case the message was
    /// not taken.
    pub fn try_send<M>(&self, message: M) -> Result<(), DoorError>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        match &*self.entry.borrow() {
            Entry::Open(opening) => opening.address.try_send(message).map_err(|error| match error {
                SendError::Full(_) => DoorError::Full,
                SendError::Closed(_) => DoorError::Restarting,
            }),
            Entry::Restarting => Err(DoorError::Restarting),
            Entry::Closed => Err(DoorError::Closed),
        }
    }

    /// Puts a message in the mailbox and waits for its answer; a door that is opening, and a place in the
    /// mailbox, are waited for within the same time. As many questions as the mailbox has places may be under
    /// way.
    ///
    /// # Errors
    /// [`DoorError::Closed`]; [`DoorError::TimedOut`] and [`DoorError::Restarting`], after which nobody knows
    /// whether the message was handled.
    pub async fn ask<M>(&self, message: M, within: Millis) -> Result<M::Result, DoorError>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        let asking = async {
            let (address, asks) = self.opening().await?;
            let _place = asks.acquire().await.map_err(|_| DoorError::Restarting)?;
            address.send(message).await.map_err(|error| match error {
                MailboxError::Closed => DoorError::Restarting,
                MailboxError::Timeout => DoorError::TimedOut,
            })
        };
        timeout(within.to_duration(), asking).await.unwrap_or(Err(DoorError::TimedOut))
    }

    /// Waits until the actor takes messages.
    ///
    /// # Errors
    /// [`DoorError::Closed`] when it has ended for good, [`DoorError::TimedOut`].
    pub async fn opened(&self, within: Millis) -> Result<(), DoorError> {
        timeout(within.to_duration(), self.opening())
            .await
            .map_or(Err(DoorError::TimedOut), |found| found.map(drop))
    }

    /// Lets the actor end for good: it is stopped and not rebuilt. Returns at once.
    pub fn close(&self) {
        self.close.send_replace(true);
    }

    /// Waits until the actor has ended for good.
    pub async fn closed(&self) {
        let mut entry = self.entry.clone();
        // An error means that the keeper is gone, which is closed too.
        let _ = entry.wait_for(|entry| matches!(entry, Entry::Closed)).await;
    }

    /// Restarts and the last reason.
    #[must_use]
    pub fn state(&self) -> KeptState {
        let is_open = matches!(*self.entry.borrow(), Entry::Open(_));
        self.vitals.state(is_open)
    }

    async fn opening(&self) -> Result<(Addr<A>, Arc<Semaphore>), DoorError> {
        let mut entry = self.entry.clone();
        let found = entry
            .wait_for(|entry| !matches!(entry, Entry::Restarting))
            .await
            .map_err(|_| DoorError::Closed)?;
        match &*found {
            Entry::Open(opening) => Ok((opening.address.clone(), Arc::clone(&opening.asks))),
            Entry::Closed | Entry::Restarting => Err(DoorError::Closed),
        }
    }
}

impl<A: Actor> Clone for Door<A> {
    fn clone(&self) -> Self {
        Self { entry: self.entry.clone(), vitals: Arc::clone(&self.vitals), close: Arc::clone(&self.close) }
    }
}

impl<A: Actor> std::fmt::Debug for Door<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Door").field(&self.state()).finish()
    }
}
