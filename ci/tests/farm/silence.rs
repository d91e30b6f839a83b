//! Signs of life and what follows from their absence: renewals are gathered and written, the sweep takes from
//! the silent what is past its time unless the brake holds. Whether it was right to is worked out here a
//! second time, by hand and with the numbers of the promise.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{LeaseId, WorkerId};
use pictor_actors::now::Now;
use pictor_actors::protocol::LeaseRef;
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::lease::{LeaseState, Outcome};
use pictor_cloud_domain::liveness::{Brake, Census, STORM_MAX};

use crate::cloud::{Caller, LIMITS, policy};
use crate::machine::id_of;
use crate::store::{LEASE_TTL, Write};
use crate::world::Farm;

/// Nothing is taken for so long after a start.
const PATIENCE: Millis = Millis::from_secs(120);
/// Jumps of the clock that the sweep does not notice may shorten a lease by two of them.
const UNNOTICED: u64 = 2 * 30_000;
/// Heartbeats that need not name a lease before it is given back, and some that were under way.
const UNNAMED_MAX: u32 = 3 + 2;

/// What a cloud has heard and not stored yet, and its brake.
pub struct Silence {
    heard: Heard,
    writing: Option<Heard>,
    is_failing: bool,
    is_sweeping: bool,
    last_sweep: Now,
    started: Now,
    brake: Brake,
}

#[derive(Default)]
struct Heard {
    renewals: BTreeMap<LeaseId, Millis>,
    signs: BTreeMap<WorkerId, UnixMillis>,
}

impl Silence {
    pub fn new(now: Now) -> Self {
        Self {
            heard: Heard::default(),
            writing: None,
            is_failing: false,
            is_sweeping: false,
            last_sweep: now,
            started: now,
            brake: Brake::new(PATIENCE, now.mono),
        }
    }

    /// The write of what was heard has ended.
    pub fn written(&mut self, is_done: bool) {
        self.is_failing = !is_done;
        let writing = self.writing.take().unwrap_or_default();
        if is_done {
            return;
        }
        for (lease, after) in writing.renewals {
            self.heard.renewals.entry(lease).or_insert(after);
        }
        for (worker, at) in writing.signs {
            self.heard.signs.entry(worker).or_insert(at);
        }
    }

    fn is_renewing(&self, lease: LeaseId) -> bool {
        let is_in = |heard: &Heard| heard.renewals.contains_key(&lease);
        is_in(&self.heard) || self.writing.as_ref().is_some_and(is_in)
    }
}

impl Farm {
    /// A worker was heard, and with it these leases.
    pub fn heard(&mut self, worker: usize, renew: Vec<(LeaseId, Millis)>) {
        let (now, wall) = (self.now, self.wall());
        renew.iter().for_each(|(lease, _)| self.checks.named(*lease, now));
        let heard = &mut self.cloud().silence.heard;
        heard.renewals.extend(renew);
        heard.signs.insert(id_of(worker), wall);
    }

    pub fn write_renewals(&mut self) {
        let now = self.wall();
        let silence = &mut self.cloud().silence;
        if silence.writing.is_some() || silence.heard.signs.is_empty() {
            return;
        }
        let heard = std::mem::take(&mut silence.heard);
        let leases = heard.renewals.iter().map(|(lease, after)| (*lease, now.plus(*after))).collect();
        let signs = heard.signs.clone();
        silence.writing = Some(heard);
        self.submit(Write::Renew { leases, signs }, Caller::Renewing);
    }

    pub fn sweep(&mut self) {
        let now = self.clock();
        let silences: Vec<Millis> = self.store.signs.values().map(|at| at.until(now.wall)).collect();
        let recent = silences.iter().copied().filter(|silence| *silence < STORM_MAX);
        let stale_after = LIMITS.for_interval(policy().interval(silences.len())).stale_after;
        let census = Census::of(recent, stale_after);
        let silence = &mut self.cloud().silence;
        let last = std::mem::replace(&mut silence.last_sweep, now);
        let steady = now.elapsed(last.mono);
        if steady > Millis(30_000) || last.wall.until(now.wall).0 > steady.0 + 30_000 {
            silence.brake.was_away("it was stopped, or its clock was set", now.mono);
        }
        if silence.is_failing {
            silence.brake.was_away("signs of life could not be stored", now.mono);
        }
        if silence.brake.holds(&census, now.mono).is_some() || silence.is_sweeping {
            return;
        }
        let is_over = |row: &crate::store::LeaseRow| row.life.expires_at <= now.wall;
        let expired = self.store.live().filter(|(_, row)| is_over(row)).map(|(id, _)| *id);
        let expired: Vec<LeaseId> = expired.collect();
        let silence = &self.cloud().silence;
        let expired: Vec<LeaseId> = expired.into_iter().filter(|id| !silence.is_renewing(*id)).collect();
        if !expired.is_empty() {
            self.must_not_hold(&silences, &expired);
        }
        self.expire(expired);
    }

    pub fn sweeping(&mut self, is_sweeping: bool) {
        self.cloud().silence.is_sweeping = is_sweeping;
    }

    pub fn be_patient(&mut self) {
        let now = self.clock();
        self.cloud().silence.brake.was_away("leases could not be released", now.mono);
    }

    /// The promise to silent workers, by hand: not right after a start, not in a storm, not before its time.
    fn must_not_hold(&mut self, silences: &[Millis], expired: &[LeaseId]) {
        let now = self.now;
        if now - self.cloud().silence.started.mono.0 < 120_000 {
            self.checks.breaks("a lease is taken right after a start".to_owned());
        }
        let of: Vec<u64> = silences.iter().map(|silence| silence.0).filter(|ms| *ms < 600_000).collect();
        let silent: Vec<u64> = of.iter().copied().filter(|ms| *ms >= 15_000).collect();
        let together =
            |first: &u64| silent.iter().filter(|ms| (*first..first + 60_000).contains(*ms)).count();
        let most = silent.iter().map(together).max().unwrap_or(0);
        if most * 100 > of.len() * 55 {
            self.checks.breaks(format!("leases are taken while {most} of {} fell silent together", of.len()));
        }
        for lease in expired {
            if let Some(named) = self.checks.last_named(*lease)
                && now - named + UNNOTICED < LEASE_TTL.0
            {
                let ago = now - named;
                self.checks.breaks(format!("{lease} is taken {ago} ms after its worker named it"));
            }
        }
    }

    /// Counts beside the machine under test which leases the worker does not know of.
    pub fn count_unnamed(&mut self, worker: usize, named: &BTreeSet<LeaseRef>) {
        let id = id_of(worker);
        let taken = |state: LeaseState, outcome: Option<Outcome>| {
            matches!(state, LeaseState::Accepted | LeaseState::Running) && outcome.is_none()
        };
        let live: Vec<LeaseRef> = self
            .store
            .live()
            .filter(|(_, row)| row.worker == id && taken(row.life.state, row.life.outcome))
            .map(|(lease, row)| LeaseRef { lease: *lease, fence: row.life.fence })
            .collect();
        let node = self.node(worker);
        node.unnamed.retain(|lease, _| live.iter().any(|of| of.lease == *lease));
        let mut forgotten = None;
        for lease in live {
            let count = node.unnamed.entry(lease.lease).or_default();
            *count = if named.contains(&lease) { 0 } else { *count + 1 };
            if *count > UNNAMED_MAX && node.holdings.get(lease).is_some() {
                forgotten = Some(format!("{} is kept after {count} heartbeats without it", lease.lease));
            }
        }
        if let Some(broken) = forgotten {
            self.checks.breaks(broken);
        }
    }
}
