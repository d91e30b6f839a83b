//! What must hold after each event, whatever broke.

use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::{JobId, LeaseId, TaskId};
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::job::{self, JobState};
use pictor_cloud_domain::lease::{self, Lease, LeaseState, Outcome};
use pictor_cloud_domain::task::{self, TaskState};

use crate::store::{FrameRow, Store};
use crate::world::Farm;

/// What was true before, and what was promised.
#[derive(Debug, Default)]
pub struct Checks {
    fences: BTreeMap<TaskId, u64>,
    done: BTreeMap<JobId, u32>,
    frames: BTreeMap<(JobId, i32), FrameRow>,
    leases: BTreeMap<LeaseId, Lease>,
    over: BTreeMap<JobId, JobState>,
    /// Frames whose worker was told that they are safe.
    receipts: BTreeSet<(JobId, i32)>,
    /// A worker forgot what nobody had taken.
    forgotten: Option<(JobId, i32)>,
    /// When the cloud last heard of each lease from its worker.
    named: BTreeMap<LeaseId, u64>,
    /// What somebody saw to be wrong where it happened.
    broken: Option<String>,
    /// Changes of the store that were looked at.
    seen: Option<u64>,
}

impl Checks {
    /// A worker is about to be told that a frame is safe.
    pub fn receipt(&mut self, store: &Store, lease: LeaseId, frame: i32) {
        if let Some(row) = store.leases.get(&lease) {
            self.receipts.insert((row.job, frame));
            self.seen = None;
        }
    }

    /// A worker has named a lease to the cloud.
    pub fn named(&mut self, lease: LeaseId, now: u64) {
        self.named.insert(lease, now);
    }

    /// When that was.
    pub fn last_named(&self, lease: LeaseId) -> Option<u64> {
        self.named.get(&lease).copied()
    }

    /// A rule is broken, in words.
    pub fn breaks(&mut self, rule: String) {
        self.broken.get_or_insert(rule);
    }

    /// A worker deletes a frame.
    pub fn deleted(&mut self, job: JobId, frame: i32) {
        if !self.receipts.contains(&(job, frame)) {
            self.forgotten = Some((job, frame));
        }
    }
}

/// Looks at everything; the first rule that is broken, in words.
pub fn look(farm: &mut Farm) -> Result<(), String> {
    let now = farm.wall();
    let (store, checks) = (&farm.store, &mut farm.checks);
    if let Some(frame) = checks.forgotten {
        return Err(format!("frame {frame:?} was deleted by its worker without a receipt"));
    }
    if let Some(rule) = checks.broken.take() {
        return Err(rule);
    }
    if checks.seen.replace(store.changes) != Some(store.changes) {
        tasks(store, checks)?;
        leases(store, checks, now)?;
        frames(store, checks)?;
        jobs(store, checks)?;
    }
    for machine in &farm.machines {
        for slot in &machine.slots {
            slot.holds().map_err(|rule| format!("{}: {rule}", machine.id))?;
        }
    }
    Ok(())
}

fn tasks(store: &Store, checks: &mut Checks) -> Result<(), String> {
    let mut live: BTreeMap<TaskId, u32> = BTreeMap::new();
    for (_, row) in store.live() {
        *live.entry(row.task).or_default() += 1;
    }
    for (id, row) in &store.tasks {
        let say = |rule: &str| Err(format!("{id}: {rule}: {row:?}"));
        if let Err(rule) = task::machine::holds(&row.life) {
            return say(rule);
        }
        let before = checks.fences.insert(*id, row.life.fence).unwrap_or(0);
        if row.life.fence < before {
            return say("its fence fell");
        }
        let live = live.get(id).copied().unwrap_or(0);
        if live > 1 {
            return say("it has several live leases");
        }
        if row.life.is_leased != (live == 1) {
            return say("it and its leases disagree");
        }
        let stored = row.frames.iter().filter(|frame| store.frames.contains_key(&(row.job, **frame))).count();
        if usize::try_from(row.life.frames_done).ok() != Some(stored) {
            return say("it counts other frames than are stored");
        }
    }
    Ok(())
}

fn leases(store: &Store, checks: &mut Checks, now: UnixMillis) -> Result<(), String> {
    for (id, row) in &store.leases {
        lease::machine::holds(&row.life).map_err(|rule| format!("{id}: {rule}: {row:?}"))?;
        let say = |rule: &str| Err(format!("{id}: {rule}: {row:?}"));
        let is_live = row.life.state != LeaseState::Ended;
        match checks.leases.insert(*id, row.life) {
            None => {
                let mut before = store.leases.iter().filter(|(other, of)| *other < id && of.task == row.task);
                if before.any(|(_, of)| of.life.fence >= row.life.fence) {
                    return say("it was granted under a fence that was used before");
                }
            }
            Some(before) if before.state == LeaseState::Ended && before != row.life => {
                return say("it had ended and has changed");
            }
            Some(before) if before.state != LeaseState::Ended && !is_live => {
                if row.life.outcome == Some(Outcome::Expired) && now < before.expires_at {
                    return say("it was taken away before its time");
                }
                let task = &store.tasks[&row.task].life;
                if is_taken_back(row.life.outcome) && task.fence <= row.life.fence && !has_failed(task) {
                    return say("it was taken away and its fence is still in force");
                }
            }
            Some(_) => {}
        }
        let of_job = store.jobs[&row.job].life.state;
        if is_live && !of_job.is_live() {
            return say("it lives on in a job that has ended");
        }
        if is_live && store.tasks[&row.task].life.fence != row.life.fence {
            return Err(format!("{id}: it is live under a fence that is not in force: {row:?}"));
        }
    }
    Ok(())
}

/// The cloud ended it, not its worker.
fn is_taken_back(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Expired | Outcome::NotAnswered | Outcome::Cancelled))
}

/// Nobody gets it any more.
fn has_failed(task: &task::Task) -> bool {
    task.state == TaskState::Failed
}

fn frames(store: &Store, checks: &mut Checks) -> Result<(), String> {
    for (key, before) in &checks.frames {
        if store.frames.get(key) != Some(before) {
            return Err(format!("frame {key:?} was {before:?} and is {:?}", store.frames.get(key)));
        }
    }
    for (key, row) in &store.frames {
        if store.blobs.get(&row.blob) != Some(&true) {
            return Err(format!("frame {key:?} is stored and its bytes are not safe: {row:?}"));
        }
        checks.frames.entry(*key).or_insert_with(|| row.clone());
    }
    for key in &checks.receipts {
        if !store.frames.contains_key(key) {
            return Err(format!("frame {key:?} was acknowledged and is not there"));
        }
    }
    Ok(())
}

fn jobs(store: &Store, checks: &mut Checks) -> Result<(), String> {
    for (id, row) in &store.jobs {
        let say = |rule: &str| Err(format!("{id}: {rule}: {row:?}"));
        if let Err(rule) = job::machine::holds(&row.life) {
            return say(rule);
        }
        if row.frames_done < checks.done.insert(*id, row.frames_done).unwrap_or(0) {
            return say("its progress fell");
        }
        let stored = store.frames.keys().filter(|(job, _)| job == id).count();
        if usize::try_from(row.frames_done).ok() != Some(stored) {
            return say("it counts other frames than are stored");
        }
        let is_final = |state: &JobState| matches!(state, JobState::Completed | JobState::Cancelled);
        let before = checks.over.insert(*id, row.life.state).filter(is_final);
        if before.is_some_and(|before| before != row.life.state) {
            return say("it was over");
        }
        let is_whole = row.frames_done == row.frames_total;
        if row.life.state == JobState::Completed && !is_whole {
            return say("it is complete without all its frames");
        }
        let of_job = || store.tasks.values().filter(|task| task.job == *id);
        if row.life.state == JobState::Failed && !of_job().any(|task| task.life.state == TaskState::Failed) {
            return say("it failed though no task did");
        }
        if row.life.state.is_ended() && of_job().any(|task| !task.life.state.is_ended()) {
            return say("it has ended and a task of it has not");
        }
    }
    Ok(())
}
