//! How many long-lived connections there may be at a time, of each kind.
//!
//! Shared by all HTTP threads as `web::Data<Gates>`. A place is given back when its guard is dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use pictor_actors::ids::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::LimitsConfig;

/// Sockets that have not yet proven whose they are: each may wait ten seconds, so strangers can hold this
/// many.
const UNPROVEN_MAX: usize = 512;
/// Live streams of one account: some people with some tabs each.
const STREAMS_PER_ACCOUNT_MAX: usize = 32;
/// Live streams in all.
const STREAMS_MAX: usize = 4_096;

/// The places.
#[derive(Debug)]
pub struct Gates {
    unproven: Arc<Semaphore>,
    links: Arc<Semaphore>,
    streams: Arc<Mutex<BTreeMap<AccountId, usize>>>,
}

/// A live stream's place.
#[derive(Debug)]
pub struct StreamPlace {
    account: AccountId,
    streams: Arc<Mutex<BTreeMap<AccountId, usize>>>,
}

impl Gates {
    /// All places free.
    #[must_use]
    pub fn new(limits: &LimitsConfig) -> Self {
        let links = usize::try_from(limits.worker_links_max).unwrap_or(usize::MAX);
        Self {
            unproven: Arc::new(Semaphore::new(UNPROVEN_MAX)),
            links: Arc::new(Semaphore::new(links.min(Semaphore::MAX_PERMITS))),
            streams: Arc::default(),
        }
    }

    /// A place for a socket that has just been opened.
    #[must_use]
    pub fn unproven(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.unproven).try_acquire_owned().ok()
    }

    /// A place for a worker that has proven who it is.
    #[must_use]
    pub fn link(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.links).try_acquire_owned().ok()
    }

    /// A place for a live stream of that account.
    #[must_use]
    pub fn stream(&self, account: AccountId) -> Option<StreamPlace> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let own = streams.get(&account).copied().unwrap_or(0);
        if own >= STREAMS_PER_ACCOUNT_MAX || streams.values().sum::<usize>() >= STREAMS_MAX {
            return None;
        }
        streams.insert(account, own + 1);
        Some(StreamPlace { account, streams: Arc::clone(&self.streams) })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = streams.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                streams.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_own_places_and_gets_them_back() {
        let gates = Gates::new(&LimitsConfig::default());
        let (me, other) = (AccountId::from_u128(1), AccountId::from_u128(2));
        let mut places: Vec<_> = (0..STREAMS_PER_ACCOUNT_MAX).map(|_| gates.stream(me).unwrap()).collect();
        assert!(gates.stream(me).is_none());
        assert!(gates.stream(other).is_some());
        places.pop();
        assert!(gates.stream(me).is_some());
        drop(places);
        assert!(gates.streams.lock().unwrap().is_empty());
    }
}
