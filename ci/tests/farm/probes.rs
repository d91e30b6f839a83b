//! Writes that no cloud should ask for, and that its own shells never do: under another fence, for a lease
//! that is over, of a task that somebody has. Each is tried on a copy of the store, which must not change:
//! a rule that a shell happens to keep is held by the machines too.

use fastrand::Rng;
use pictor_actors::ids::LeaseId;
use pictor_actors::protocol::{FailureClass, LeaseRef};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::lease::{LeaseState, Outcome};
use pictor_cloud_domain::task::{TaskState, Verdict};

use crate::store::{Grant, LeaseRow, NewFrame, Store, TaskRow, Write};
use crate::world::Farm;

/// Events from one try to the next: copies cost time.
const EVERY: u64 = 16;

/// Tries one of them now and then; the first that changes something, in words.
pub fn probe(farm: &Farm) -> Result<(), String> {
    if !farm.steps.is_multiple_of(EVERY) {
        return Ok(());
    }
    // Not from the farm's own numbers: what happens in a seed does not hang on what is tried.
    let mut rng = Rng::with_seed(farm.steps ^ farm.now);
    let (store, now) = (&farm.store, farm.wall());
    let mut tries = of_lease(store, &mut rng, now);
    tries.extend(of_task(store, &mut rng, now));
    for (write, rule) in tries {
        let mut copy = store.clone();
        let said = copy.commit(&write, now);
        copy.changes = store.changes;
        if copy != *store {
            return Err(format!("{rule}, and {write:?} was done: {said:?}"));
        }
    }
    Ok(())
}

fn any<'a, T>(rng: &mut Rng, mut all: impl ExactSizeIterator<Item = T> + 'a) -> Option<T> {
    let count = all.len();
    if count == 0 { None } else { all.nth(rng.usize(0..count)) }
}

/// What is wrong to say of some lease.
fn of_lease(store: &Store, rng: &mut Rng, now: UnixMillis) -> Vec<(Write, &'static str)> {
    // Half of the time a live one: most are over.
    let live: Vec<_> = store.live().collect();
    let chosen = if rng.bool() { any(rng, live.into_iter()) } else { any(rng, store.leases.iter()) };
    let Some((id, row)) = chosen else { return Vec::new() };
    let is_above = rng.bool() || row.life.fence == 0;
    let fence = if is_above { row.life.fence + 1 } else { row.life.fence - 1 };
    let stale = LeaseRef { lease: *id, fence };
    let mut tries: Vec<_> =
        said(stale, store, row).into_iter().map(|write| (write, "that fence was never its own")).collect();
    if row.life.state == LeaseState::Ended {
        let own = LeaseRef { lease: *id, fence: row.life.fence };
        tries.extend(ended(*id, own, row, now).into_iter().map(|write| (write, "the lease was over")));
        if row.life.outcome == Some(Outcome::Cancelled) {
            tries.extend(frame(own, store, row).map(|write| (write, "its creator did not want it")));
        }
        return tries;
    }
    let task = &store.tasks[&row.task];
    let grant = Grant {
        lease: LeaseId::from_u128(u128::MAX),
        task: row.task,
        worker: row.worker,
        slot: row.slot,
        fence_seen: task.life.fence,
    };
    tries.push((granted(grant, now), "somebody had the task"));
    if now < row.life.expires_at {
        let expire = Write::Expire { again: vec![*id], given_up: Vec::new() };
        tries.push((expire, "its time was not over"));
        let expire = Write::Expire { again: Vec::new(), given_up: vec![*id] };
        tries.push((expire, "its time was not over"));
    }
    if row.life.state != LeaseState::Offered {
        let release = Write::Release { leases: vec![*id], outcome: Outcome::NotAnswered };
        tries.push((release, "it was answered"));
    }
    tries
}

/// All that a worker can say of a lease.
fn said(lease: LeaseRef, store: &Store, row: &LeaseRow) -> Vec<Write> {
    let verdict = Verdict::Again { after: Millis(0) };
    let failed = Write::Failed { lease, class: FailureClass::Crash, verdict };
    let mut all = vec![Write::Accepted(lease), Write::Started(lease), Write::Rendered(lease), failed];
    all.extend(frame(lease, store, row));
    all
}

fn ended(id: LeaseId, own: LeaseRef, row: &LeaseRow, now: UnixMillis) -> Vec<Write> {
    let verdict = Verdict::Again { after: Millis(0) };
    vec![
        Write::Accepted(own),
        Write::Started(own),
        Write::Rendered(own),
        Write::Failed { lease: own, class: FailureClass::Crash, verdict },
        Write::Release { leases: vec![id], outcome: Outcome::Released },
        Write::Expire { again: vec![id], given_up: Vec::new() },
        Write::Renew {
            leases: vec![(id, row.life.expires_at.max(now).plus(Millis(1)))],
            signs: Default::default(),
        },
    ]
}

/// A frame of its task that nobody has brought.
fn frame(lease: LeaseRef, store: &Store, row: &LeaseRow) -> Option<Write> {
    let frame = store.frames_left(row.task).first().copied()?;
    Some(Write::Frame(NewFrame { lease, frame, blob: 0 }))
}

/// What is wrong to ask for some task.
fn of_task(store: &Store, rng: &mut Rng, now: UnixMillis) -> Vec<(Write, &'static str)> {
    let Some((id, row)) = any(rng, store.tasks.iter()) else { return Vec::new() };
    let ask = |fence_seen| {
        let lease = LeaseId::from_u128(u128::MAX);
        granted(Grant { lease, task: *id, worker: crate::machine::id_of(0), slot: 0, fence_seen }, now)
    };
    let mut tries = vec![(ask(row.life.fence + 1), "the task had another fence")];
    if row.life.fence > 0 {
        tries.push((ask(row.life.fence - 1), "the task had another fence"));
    }
    if let Some(rule) = why_not(store, row, now) {
        tries.push((ask(row.life.fence), rule));
    }
    tries
}

fn why_not(store: &Store, row: &TaskRow, now: UnixMillis) -> Option<&'static str> {
    if !matches!(store.jobs[&row.job].life.state, JobState::Ready | JobState::Running) {
        return Some("its job was not to be worked on");
    }
    if row.life.state != TaskState::Pending {
        return Some("the task did not wait");
    }
    (row.life.not_before > now).then_some("it was too early for the task")
}

fn granted(grant: Grant, now: UnixMillis) -> Write {
    Write::Grant { grants: vec![grant], until: now.plus(Millis(60_000)) }
}
