//! The leases one worker has, as the cloud knows them. Pure: moments come in.
//!
//! The store says which leases are live; this is the copy that a heartbeat can be compared with without
//! asking it.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{JobId, LeaseId, TaskId};
use pictor_actors::limits::OFFER_ANSWER_WITHIN;
use pictor_actors::now::{Mono, Now};
use pictor_actors::protocol::{LeaseRef, Offer};
use pictor_actors::units::{Millis, UnixMillis};

use crate::lease::{LeaseState, Outcome};
use crate::liveness::lost_after;

/// A lease that so many heartbeats in a row do not name is lost on the worker.
const UNNAMED_MAX: u8 = 3;

/// A worker that has so many rendered tasks to deliver for each of its slots gets nothing new: it renders
/// faster than its line carries, and what it has not delivered is lost with its disk.
const DELIVERING_A_SLOT_MAX: usize = 16;
/// Where nothing at all was delivered for so long it is not for want of time: what is refused each time must
/// not keep the worker from other jobs.
const STUCK_AFTER: Millis = Millis::from_secs(600);

/// A live lease as the store says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// The lease, with the fence it was granted under.
    pub lease: LeaseRef,
    /// Its slot.
    pub slot: u16,
    /// Its task.
    pub task: TaskId,
    /// The task's job.
    pub job: JobId,
    /// Where it stands.
    pub state: LeaseState,
    /// `Rendered`: frames are on their way.
    pub outcome: Option<Outcome>,
    /// Silence after which it is lost; nothing: not known at the grant.
    pub lost_after: Option<Millis>,
    /// The attempt began.
    pub started_at: Option<UnixMillis>,
}

/// A lease of the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The task's fence at the grant.
    pub fence: u64,
    /// The slot that it is for.
    pub slot: u16,
    /// Its task.
    pub task: TaskId,
    /// The task's job.
    pub job: JobId,
    /// Frames of this attempt; not known of one from before a reconnect.
    pub frames: Option<u32>,
    /// How far the worker is with it.
    pub stage: Stage,
    /// Silence after which it is lost, where its job had frames to tell.
    lost_after: Option<Millis>,
    /// The attempt began.
    begun_at: Option<Mono>,
    /// All was rendered; known here then.
    rendered_at: Option<Mono>,
    unnamed: u8,
}

impl Held {
    /// Silence after which it is lost. Of a job without a frame as yet, what the first one has taken so far
    /// is the least it will take.
    fn lost_after(&self, least: Millis, now: Mono) -> Millis {
        let known = self.lost_after.map(|known| known.max(least));
        known.unwrap_or_else(|| lost_after(self.begun_at.map(|at| at.until(now)), least))
    }
}

/// How far the worker is with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Sent, not answered.
    Offered {
        /// Taken back then.
        answer_by: Mono,
    },
    /// Taken.
    Accepted,
    /// The attempt has begun.
    Running,
    /// Rendered: it holds no slot any more, but frames are on their way.
    Delivering,
}

impl Stage {
    /// Stages follow each other in this order.
    const fn order(self) -> u8 {
        match self {
            Self::Offered { .. } => 0,
            Self::Accepted => 1,
            Self::Running => 2,
            Self::Delivering => 3,
        }
    }
}

/// What a worker's word about its leases leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Worked on by a slot, but not the worker's: it is to stop them. One that is only named may have frames
    /// on their way, rendered before it ended: whether these still count is decided when they come.
    pub foreign: Vec<LeaseRef>,
    /// The worker's, but it no longer knows of them: they go back.
    pub lost: Vec<LeaseId>,
    /// To be renewed in the store, with the silence after which each is lost.
    pub renew: Vec<(LeaseId, Millis)>,
}

/// The set.
#[derive(Debug, Default)]
pub struct Holdings {
    held: BTreeMap<LeaseId, Held>,
    delivered: Option<Delivered>,
}

/// The youngest of what was delivered.
#[derive(Debug, Clone, Copy)]
struct Delivered {
    rendered_at: Mono,
    at: Mono,
}

impl Holdings {
    /// A stored lease goes out to the worker.
    pub fn offer(&mut self, offer: &Offer, lost_after: Option<Millis>, now: Mono) {
        let held = Held {
            fence: offer.lease.fence,
            slot: offer.slot,
            task: offer.task.task,
            job: offer.task.job,
            frames: u32::try_from(offer.task.frames.len()).ok(),
            stage: Stage::Offered { answer_by: now.plus(OFFER_ANSWER_WITHIN) },
            lost_after,
            begun_at: None,
            rendered_at: None,
            unnamed: 0,
        };
        self.held.insert(offer.lease.lease, held);
    }

    /// The lease, if it is the worker's under that fence.
    #[must_use]
    pub fn get(&self, lease: LeaseRef) -> Option<&Held> {
        self.held.get(&lease.lease).filter(|held| held.fence == lease.fence)
    }

    /// The worker got this far with a lease it has; false where it had got there before. A message that comes
    /// twice or late (said again after a reconnect) leads nowhere back: a lease whose frames are on their way
    /// would hold its slot again.
    pub fn advance(&mut self, lease: LeaseId, stage: Stage, now: Mono) -> bool {
        let Some(held) = self.held.get_mut(&lease).filter(|held| stage.order() > held.stage.order()) else {
            return false;
        };
        held.stage = stage;
        match stage {
            Stage::Running => held.begun_at = held.begun_at.or(Some(now)),
            Stage::Delivering => held.rendered_at = Some(now),
            Stage::Offered { .. } | Stage::Accepted => {}
        }
        true
    }

    /// The lease is over.
    pub fn remove(&mut self, lease: LeaseId) -> Option<Held> {
        self.held.remove(&lease)
    }

    /// The lease is over: its last frame was delivered, or nobody waits for it any more.
    pub fn delivered(&mut self, lease: LeaseId, now: Mono) -> Option<Held> {
        let held = self.held.remove(&lease)?;
        if let Some(rendered_at) = held.rendered_at {
            let youngest = self.delivered.map_or(rendered_at, |before| before.rendered_at.max(rendered_at));
            self.delivered = Some(Delivered { rendered_at: youngest, at: now });
        }
        Some(held)
    }

    /// All of them are over; returns which.
    pub fn clear(&mut self) -> Vec<LeaseId> {
        std::mem::take(&mut self.held).into_keys().collect()
    }

    /// A connection begins: `named` is what the worker says it has, `live` what the store says. Afterwards
    /// the set holds what both agree on. A hello does not tell slots from frames on their way, so nothing is
    /// foreign yet: the first heartbeat tells.
    pub fn reconcile(&mut self, named: &[LeaseRef], live: &[Live], least: Millis, now: Now) -> Compared {
        for row in live {
            let known = self.held.get(&row.lease.lease);
            let mut held = of_row(row, known.and_then(|held| held.frames), now);
            // The row may not say yet that all is rendered.
            if let Some(known) = known.filter(|known| known.stage == Stage::Delivering) {
                (held.stage, held.rendered_at) = (Stage::Delivering, known.rendered_at);
            }
            self.held.insert(row.lease.lease, held);
        }
        let mut compared = Compared::default();
        let named: BTreeSet<LeaseRef> = named.iter().copied().collect();
        let live: BTreeSet<LeaseId> = live.iter().map(|row| row.lease.lease).collect();
        // It may have ended while the worker was connected to another replica; what is not named is given
        // back.
        self.held.retain(|id, held| {
            live.contains(id) || !named.contains(&LeaseRef { lease: *id, fence: held.fence })
        });
        let is_named =
            |id: &LeaseId, held: &Held| named.contains(&LeaseRef { lease: *id, fence: held.fence });
        compared.lost.extend(self.held.iter().filter(|(id, held)| !is_named(id, held)).map(|(id, _)| *id));
        for lost in &compared.lost {
            self.held.remove(lost);
        }
        compared.renew.extend(self.held.iter().map(|(id, held)| (*id, held.lost_after(least, now.mono))));
        compared
    }

    /// A heartbeat names the leases the worker has, among them those `in_slots`. Each is renewed: a lease is
    /// lost by the silence after the last sign of life, not after some sign before.
    pub fn on_heartbeat(
        &mut self,
        in_slots: &BTreeSet<LeaseRef>,
        named: &BTreeSet<LeaseRef>,
        least: Millis,
        now: Mono,
    ) -> Compared {
        let mut compared = Compared::default();
        compared.foreign.extend(in_slots.iter().copied().filter(|lease| self.get(*lease).is_none()));
        for (id, held) in &mut self.held {
            if named.contains(&LeaseRef { lease: *id, fence: held.fence }) {
                held.unnamed = 0;
                compared.renew.push((*id, held.lost_after(least, now)));
                continue;
            }
            // An offer and the heartbeat may have crossed on their way.
            if !matches!(held.stage, Stage::Offered { .. }) {
                held.unnamed += 1;
            }
            if held.unnamed >= UNNAMED_MAX {
                compared.lost.push(*id);
            }
        }
        for lost in &compared.lost {
            self.held.remove(lost);
        }
        compared
    }

    /// Offers that were not answered in time; they are no longer the worker's.
    pub fn take_unanswered(&mut self, now: Mono) -> Vec<LeaseRef> {
        let late: Vec<LeaseRef> = self
            .held
            .iter()
            .filter(|(_, held)| answer_by(held).is_some_and(|by| now >= by))
            .map(|(id, held)| LeaseRef { lease: *id, fence: held.fence })
            .collect();
        for lease in &late {
            self.held.remove(&lease.lease);
        }
        late
    }

    /// When [`Self::take_unanswered`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        self.held.values().filter_map(answer_by).min()
    }

    /// Leases that hold the slot.
    #[must_use]
    pub fn count_on(&self, slot: u16) -> usize {
        self.held.values().filter(|held| held.slot == slot && held.stage != Stage::Delivering).count()
    }

    /// Whether a worker with so many slots is to deliver first what it has rendered. What younger work has
    /// passed by on its way does not count: it is not the line that holds it up.
    #[must_use]
    pub fn is_behind(&self, slots: usize, now: Mono) -> bool {
        let passed = self.delivered.map(|delivered| delivered.rendered_at);
        let waits = |at: &Mono| passed.is_none_or(|passed| *at >= passed);
        let waiting = || self.held.values().filter_map(|held| held.rendered_at).filter(waits);
        let Some(first) = waiting().min() else { return false };
        let moved = self.delivered.map_or(first, |delivered| delivered.at.max(first));
        moved.until(now) < STUCK_AFTER && waiting().count() >= slots.max(1) * DELIVERING_A_SLOT_MAX
    }

    /// How many.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.held.len()
    }
}

fn answer_by(held: &Held) -> Option<Mono> {
    match held.stage {
        Stage::Offered { answer_by } => Some(answer_by),
        Stage::Accepted | Stage::Running | Stage::Delivering => None,
    }
}

fn of_row(row: &Live, frames: Option<u32>, now: Now) -> Held {
    let stage = match (row.outcome, row.state) {
        (Some(Outcome::Rendered), _) => Stage::Delivering,
        // The worker names it, so it has taken it.
        (_, LeaseState::Offered | LeaseState::Accepted) => Stage::Accepted,
        (_, LeaseState::Running | LeaseState::Ended) => Stage::Running,
    };
    Held {
        fence: row.lease.fence,
        slot: row.slot,
        task: row.task,
        job: row.job,
        frames,
        stage,
        lost_after: row.lost_after,
        begun_at: row.started_at.map(|at| Mono(now.mono.0.saturating_sub(at.until(now.wall).0))),
        rendered_at: (stage == Stage::Delivering).then_some(now.mono),
        unnamed: 0,
    }
}

#[cfg(test)]
mod tests {
    use pictor_actors::protocol::TaskSpec;
    use pictor_actors::protocol::assignment::{RenderSettings, TaskLimits};
    use pictor_actors::units::BlobHash;

    use super::*;

    fn lease(n: u128) -> LeaseRef {
        LeaseRef { lease: LeaseId::from_u128(n), fence: 1 }
    }

    fn row(n: u128, state: LeaseState) -> Live {
        let (task, job) = (TaskId::from_u128(n), JobId::from_u128(1));
        Live { lease: lease(n), slot: 0, task, job, state, outcome: None, lost_after: None, started_at: None }
    }

    fn offer(n: u128) -> Offer {
        Offer {
            lease: lease(n),
            slot: 0,
            ahead: false,
            task: TaskSpec {
                task: TaskId::from_u128(n),
                job: JobId::from_u128(1),
                job_name: "lamp".to_owned(),
                attempt: 1,
                frames: vec![1, 2],
                inputs: BlobHash::from_bytes([0; 32]),
                render: RenderSettings::default(),
                limits: TaskLimits { frame_time_ms: 1, memory_bytes: None },
            },
        }
    }

    const LEAST: Millis = Millis::from_secs(60);

    fn at(seconds: u64) -> Now {
        let ms = seconds * 1_000;
        Now { mono: Mono(ms), wall: UnixMillis(i64::try_from(ms).unwrap()) }
    }

    fn reconcile(holdings: &mut Holdings, named: &[LeaseRef], live: &[Live]) -> Compared {
        holdings.reconcile(named, live, LEAST, at(0))
    }

    fn beat(holdings: &mut Holdings, named: &[LeaseRef], at: u64) -> Compared {
        let named = named.iter().copied().collect();
        holdings.on_heartbeat(&named, &named, LEAST, Mono(at))
    }

    fn offered(leases: u128) -> Holdings {
        let mut holdings = Holdings::default();
        (0..leases).for_each(|n| holdings.offer(&offer(n), None, Mono(0)));
        holdings
    }

    fn rendered(holdings: &mut Holdings, n: u128, at: u64) {
        assert!(holdings.advance(lease(n).lease, Stage::Delivering, Mono(at)));
    }

    #[test]
    fn a_worker_is_behind_while_too_much_of_what_it_rendered_is_on_its_way() {
        let mut holdings = offered(20);
        (0..15).for_each(|n| rendered(&mut holdings, n, 100));
        assert!(!holdings.is_behind(1, Mono(200)), "what it holds besides does not count");
        rendered(&mut holdings, 15, 101);
        assert!(holdings.is_behind(1, Mono(200)));
        assert!(!holdings.is_behind(2, Mono(200)), "two slots render twice as much");
        holdings.delivered(lease(3).lease, Mono(201));
        assert!(!holdings.is_behind(1, Mono(202)), "one is delivered");
    }

    #[test]
    fn what_is_refused_each_time_does_not_keep_a_worker_from_other_work() {
        let mut holdings = offered(40);
        (0..16).for_each(|n| rendered(&mut holdings, n, 100));
        assert!(holdings.is_behind(1, Mono(100 + STUCK_AFTER.0 - 1)));
        assert!(!holdings.is_behind(1, Mono(100 + STUCK_AFTER.0)), "nothing moves at all");
        // One of another job gets through and passes the sixteen by: only younger ones make it behind.
        rendered(&mut holdings, 16, 900_000);
        holdings.delivered(lease(16).lease, Mono(900_010));
        assert!(!holdings.is_behind(1, Mono(900_020)));
        (17..33).for_each(|n| rendered(&mut holdings, n, 900_030));
        assert!(holdings.is_behind(1, Mono(900_040)));
    }

    #[test]
    fn on_a_new_connection_only_what_both_know_stays() {
        let mut holdings = Holdings::default();
        let live = [row(1, LeaseState::Running), row(2, LeaseState::Offered), row(3, LeaseState::Accepted)];
        let stale = LeaseRef { fence: 7, ..lease(3) };
        let compared = reconcile(&mut holdings, &[lease(1), stale, lease(9)], &live);
        assert_eq!(compared.foreign, [], "the first heartbeat tells whether a slot works on them");
        assert_eq!(compared.lost, [lease(2).lease, lease(3).lease]);
        assert_eq!(compared.renew, [(lease(1).lease, LEAST)]);
        assert!(holdings.get(lease(1)).is_some() && holdings.len() == 1);
    }

    #[test]
    fn a_lease_that_ended_while_the_worker_was_elsewhere_is_its_no_more() {
        let mut holdings = Holdings::default();
        reconcile(&mut holdings, &[lease(1)], &[row(1, LeaseState::Running)]);
        reconcile(&mut holdings, &[lease(1)], &[]);
        assert_eq!(beat(&mut holdings, &[lease(1)], 0).foreign, [lease(1)], "it is told to stop");
    }

    #[test]
    fn an_offer_that_went_to_the_connection_before_is_given_back() {
        let mut holdings = Holdings::default();
        holdings.offer(&offer(5), None, Mono(0));
        assert_eq!(reconcile(&mut holdings, &[], &[]).lost, [lease(5).lease]);
    }

    #[test]
    fn a_named_lease_is_renewed_and_a_foreign_one_is_to_stop() {
        let mut holdings = Holdings::default();
        reconcile(&mut holdings, &[lease(1)], &[row(1, LeaseState::Running)]);
        let compared = beat(&mut holdings, &[lease(1), lease(2)], 0);
        assert_eq!((compared.renew, compared.foreign), (vec![(lease(1).lease, LEAST)], vec![lease(2)]));
    }

    #[test]
    fn a_long_frame_keeps_its_lease_for_longer() {
        let mut holdings = Holdings::default();
        holdings.offer(&offer(1), Some(Millis::from_secs(300)), Mono(0));
        holdings.offer(&offer(2), None, Mono(0));
        holdings.advance(lease(2).lease, Stage::Running, Mono(1_000));
        let known = Live { lost_after: Some(Millis::from_secs(300)), ..row(1, LeaseState::Running) };
        let first = Live { started_at: Some(UnixMillis(1_000)), ..row(2, LeaseState::Running) };
        let named = [lease(1), lease(2)];
        let mut anew = Holdings::default();
        anew.reconcile(&named, &[known, first], LEAST, at(61));
        for (seconds, second) in [(61, 60), (601, 300), (5_000, 600)] {
            let expected =
                vec![(lease(1).lease, Millis::from_secs(300)), (lease(2).lease, Millis::from_secs(second))];
            assert_eq!(beat(&mut holdings, &named, seconds * 1_000).renew, expected);
            assert_eq!(beat(&mut anew, &named, seconds * 1_000).renew, expected, "after a restart too");
        }
    }

    #[test]
    fn a_lease_the_worker_forgot_is_lost_after_three_heartbeats_but_an_offer_may_be_on_its_way() {
        let mut holdings = Holdings::default();
        holdings.offer(&offer(1), None, Mono(0));
        holdings.offer(&offer(2), None, Mono(0));
        holdings.advance(lease(1).lease, Stage::Accepted, Mono(0));
        for at in 0..2 {
            assert_eq!(beat(&mut holdings, &[], at).lost, []);
        }
        beat(&mut holdings, &[lease(1)], 2);
        for at in 3..5 {
            assert_eq!(beat(&mut holdings, &[], at).lost, []);
        }
        assert_eq!(beat(&mut holdings, &[], 5).lost, [lease(1).lease]);
        assert!(holdings.get(lease(2)).is_some());
    }

    #[test]
    fn an_unanswered_offer_is_taken_back_at_its_time() {
        let mut holdings = Holdings::default();
        holdings.offer(&offer(1), None, Mono(10));
        let by = holdings.next_deadline().unwrap();
        assert_eq!(by, Mono(10).plus(OFFER_ANSWER_WITHIN));
        assert_eq!(holdings.take_unanswered(Mono(by.0 - 1)), []);
        assert_eq!(holdings.take_unanswered(by), [lease(1)]);
        assert_eq!((holdings.next_deadline(), holdings.len()), (None, 0));
    }

    #[test]
    fn a_lease_whose_frames_are_on_their_way_is_not_foreign() {
        let mut holdings = Holdings::default();
        assert_eq!(reconcile(&mut holdings, &[lease(1)], &[]).foreign, []);
        let delivering = BTreeSet::from([lease(1)]);
        assert_eq!(holdings.on_heartbeat(&BTreeSet::new(), &delivering, LEAST, Mono(0)).foreign, []);
        assert_eq!(beat(&mut holdings, &[lease(1)], 1).foreign, [lease(1)], "now a slot works on it");
    }

    #[test]
    fn a_reconnect_leaves_the_slot_of_a_delivering_lease_free() {
        let mut holdings = Holdings::default();
        holdings.offer(&offer(1), None, Mono(0));
        holdings.advance(lease(1).lease, Stage::Delivering, Mono(0));
        reconcile(&mut holdings, &[lease(1)], &[row(1, LeaseState::Running)]);
        assert_eq!((holdings.count_on(0), holdings.len()), (0, 1));
    }

    #[test]
    fn a_word_that_comes_twice_leads_nowhere_back() {
        let mut holdings = Holdings::default();
        holdings.offer(&offer(1), None, Mono(0));
        let stages = [Stage::Accepted, Stage::Running, Stage::Delivering];
        for (at, stage) in stages.into_iter().enumerate() {
            assert!(holdings.advance(lease(1).lease, stage, Mono(0)), "{stage:?}");
            for before in &stages[..=at] {
                assert!(!holdings.advance(lease(1).lease, *before, Mono(0)), "{before:?} after {stage:?}");
                assert_eq!(holdings.get(lease(1)).map(|held| held.stage), Some(stage));
            }
        }
        assert_eq!(holdings.count_on(0), 0, "the slot is still free");
        assert!(!holdings.advance(lease(2).lease, Stage::Running, Mono(0)), "not the worker's");
    }

    #[test]
    fn a_rendered_lease_leaves_its_slot_free() {
        let mut holdings = Holdings::default();
        holdings.offer(&offer(1), None, Mono(0));
        holdings.offer(&offer(2), None, Mono(0));
        assert_eq!((holdings.count_on(0), holdings.count_on(1)), (2, 0));
        holdings.advance(lease(1).lease, Stage::Delivering, Mono(0));
        assert_eq!(holdings.count_on(0), 1);
        let delivering = Live { outcome: Some(Outcome::Rendered), ..row(3, LeaseState::Running) };
        reconcile(&mut holdings, &[lease(3)], &[delivering]);
        assert_eq!(holdings.count_on(0), 0);
    }
}
