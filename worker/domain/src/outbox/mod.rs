//! Which finished frame goes up next, and when one may be forgotten: a set with deadlines.
//!
//! The disk is the queue; this is its index. Among jobs, the one with the fewest uploads under way comes
//! first; within a job the oldest frame. A frame leaves only against a receipt, or when the cloud says that
//! nobody wants it. What the cloud refuses otherwise is *parked*: kept, shown, and tried again now and then:
//! never silently lost.

use std::collections::BTreeMap;

use pictor_actors::backoff::Backoff;
use pictor_actors::ids::{JobId, LeaseId};
use pictor_actors::now::Mono;
use pictor_actors::protocol::LeaseRef;
use pictor_actors::units::Millis;

#[cfg(test)]
mod tests;

/// Uploads at a time: enough to hide a round trip, few enough to leave the line to the inputs of the next
/// task.
pub const UPLOADS_MAX: usize = 3;
/// First wait after an upload that did not work.
pub const RETRY_FIRST: Millis = Millis::from_secs(1);
/// Longest wait between two tries of one frame.
pub const RETRY_MAX: Millis = Millis::from_secs(120);
/// A parked frame is tried again this often: a cloud that was mended takes it without anybody's help.
pub const PARKED_RETRY: Millis = Millis::from_secs(3600);

/// One frame of one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The lease under which it was rendered.
    pub lease: LeaseId,
    /// The frame.
    pub frame: i32,
}

/// A frame in the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub lease: LeaseRef,
    /// Which.
    pub frame: i32,
    /// Of which job.
    pub job: JobId,
    /// Bytes on disk.
    pub size: u64,
}

/// How an upload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The cloud gave a receipt.
    Delivered,
    /// 409: nobody wants it any more.
    Superseded,
    /// The cloud was away, busy, or did not answer; certainly or possibly not stored.
    Unavailable {
        /// What the cloud asked to wait, if it said.
        retry_after: Option<Millis>,
        /// For the jitter.
        random: u64,
    },
    /// The cloud refused it for a reason of its own.
    Refused {
        /// In its words.
        text: String,
    },
    /// The file cannot be read or is not what its manifest says.
    Unreadable {
        /// In words.
        text: String,
    },
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send it; [`Outbox::on_ended`] must follow.
    Upload(Key),
    /// Stop sending it; nobody wants it.
    Abort(Key),
    /// It is safe with the cloud: delete it here.
    Delete(Key),
    /// Nobody wants it: put it with the unwanted ones, where it stays for a day.
    Discard(Key),
    /// The last frame of this lease has left.
    LeaseEmptied(LeaseRef),
}

/// The frames that wait.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    frames: BTreeMap<Key, Waiting>,
    arrivals: u64,
    is_up: bool,
    effects: Vec<Effect>,
}

#[derive(Debug, Clone)]
struct Waiting {
    entry: Entry,
    arrival: u64,
    state: State,
    backoff: Backoff,
    trouble: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready { not_before: Mono },
    Sending,
    Parked { until: Mono },
}

/// What the outbox holds, for heartbeat and status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Depth {
    /// Frames.
    pub frames: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that the cloud refused, with its words of one of them.
    pub parked: Option<(u32, String)>,
}

impl Outbox {
    /// A frame came into the spool, now or before a restart. A second entry of the same key is not a new one.
    pub fn on_spooled(&mut self, entry: Entry, now: Mono) {
        self.arrivals += 1;
        let key = entry.key();
        let arrival = self.arrivals;
        self.frames.entry(key).or_insert_with(|| Waiting {
            entry,
            arrival,
            state: State::Ready { not_before: now },
            backoff: Backoff::new(RETRY_FIRST, RETRY_MAX),
            trouble: None,
        });
    }

    /// The cloud can be reached: whatever waited for that, waits no longer.
    pub fn on_up(&mut self, now: Mono) {
        self.is_up = true;
        for waiting in self.frames.values_mut() {
            if let State::Ready { not_before } = &mut waiting.state {
                *not_before = now;
                waiting.backoff.succeeded();
            }
        }
    }

    /// The cloud is away: nothing new is sent.
    pub fn on_down(&mut self) {
        self.is_up = false;
    }

    /// An upload ended. One that was dropped meanwhile is gone whatever its end says.
    pub fn on_ended(&mut self, key: Key, ended: Ended, now: Mono) {
        let Some(waiting) = self.frames.get_mut(&key) else { return };
        match ended {
            Ended::Delivered => self.leave(key, Effect::Delete(key)),
            Ended::Superseded => self.leave(key, Effect::Discard(key)),
            Ended::Unavailable { retry_after, random } => {
                let wait =
                    waiting.backoff.failed(random).max(retry_after.unwrap_or(Millis(0)).min(RETRY_MAX));
                waiting.state = State::Ready { not_before: now.plus(wait) };
            }
            Ended::Refused { text } => {
                waiting.state = State::Parked { until: now.plus(PARKED_RETRY) };
                waiting.trouble = Some(text);
            }
            // Its lease is told nothing: the cloud still waits for this frame and will have it rendered anew.
            Ended::Unreadable { .. } => self.leave(key, Effect::Discard(key)),
        }
    }

    /// The cloud took a lease back: its frames are wanted by nobody.
    pub fn on_lease_dropped(&mut self, lease: LeaseId) {
        let keys: Vec<Key> = self.keys_of(lease).collect();
        for key in keys {
            if self.frames.get(&key).is_some_and(|waiting| waiting.state == State::Sending) {
                self.effects.push(Effect::Abort(key));
            }
            self.leave(key, Effect::Discard(key));
        }
    }

    /// The next thing to do; nothing: wait for [`Outbox::next_deadline`] or an input.
    pub fn next_effect(&mut self, now: Mono) -> Option<Effect> {
        if !self.effects.is_empty() {
            return Some(self.effects.remove(0));
        }
        let sending = self.sending_by_job();
        if !self.is_up || sending.values().sum::<usize>() >= UPLOADS_MAX {
            return None;
        }
        let (key, waiting) = self.frames.iter_mut().filter(|(_, waiting)| waiting.is_due(now)).min_by_key(
            |(_, waiting)| (sending.get(&waiting.entry.job).copied().unwrap_or(0), waiting.arrival),
        )?;
        waiting.state = State::Sending;
        Some(Effect::Upload(*key))
    }

    /// The next moment at which [`Outbox::next_effect`] should be asked again, and what for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Mono, &'static str)> {
        if !self.is_up {
            return None;
        }
        self.frames.values().filter_map(Waiting::deadline).min()
    }

    /// How much waits.
    #[must_use]
    pub fn depth(&self) -> Depth {
        let mut depth = Depth::default();
        for waiting in self.frames.values() {
            depth.frames += 1;
            depth.bytes += waiting.entry.size;
            if let (State::Parked { .. }, Some(text)) = (waiting.state, &waiting.trouble) {
                depth.parked.get_or_insert_with(|| (0, text.clone())).0 += 1;
            }
        }
        depth
    }

    /// The leases of which a frame waits: ascending, each once.
    #[must_use]
    pub fn leases(&self) -> Vec<LeaseRef> {
        let mut leases: Vec<LeaseRef> = self.frames.values().map(|waiting| waiting.entry.lease).collect();
        leases.dedup();
        leases
    }

    /// What waits under this key.
    #[must_use]
    pub fn entry(&self, key: Key) -> Option<&Entry> {
        self.frames.get(&key).map(|waiting| &waiting.entry)
    }

    fn leave(&mut self, key: Key, effect: Effect) {
        let Some(waiting) = self.frames.remove(&key) else { return };
        self.effects.push(effect);
        if self.keys_of(key.lease).next().is_none() {
            self.effects.push(Effect::LeaseEmptied(waiting.entry.lease));
        }
    }

    fn keys_of(&self, lease: LeaseId) -> impl Iterator<Item = Key> + '_ {
        let (first, last) = (Key { lease, frame: i32::MIN }, Key { lease, frame: i32::MAX });
        self.frames.range(first..=last).map(|(key, _)| *key)
    }

    fn sending_by_job(&self) -> BTreeMap<JobId, usize> {
        let mut sending = BTreeMap::new();
        for waiting in self.frames.values().filter(|waiting| waiting.state == State::Sending) {
            *sending.entry(waiting.entry.job).or_default() += 1;
        }
        sending
    }
}

impl Entry {
    /// What names it.
    #[must_use]
    pub const fn key(&self) -> Key {
        Key { lease: self.lease.lease, frame: self.frame }
    }
}

impl Waiting {
    fn is_due(&self, now: Mono) -> bool {
        match self.state {
            State::Ready { not_before } => not_before <= now,
            State::Parked { until } => until <= now,
            State::Sending => false,
        }
    }

    fn deadline(&self) -> Option<(Mono, &'static str)> {
        match self.state {
            State::Ready { not_before } => Some((not_before, "upload")),
            State::Parked { until } => Some((until, "a refused frame again")),
            State::Sending => None,
        }
    }
}
