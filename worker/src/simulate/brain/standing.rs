//! How a simulated worker stands: in its hello, in its heartbeats, and what of it is news.

use std::collections::BTreeSet;

use pictor_actors::now::Now;
use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::protocol::{Heartbeat, Hello, LeaseRef, SlotStatus, VERSION, WorkerActivity};

use super::Brain;
use crate::machine::Machine;

impl Brain {
    /// The answer to the cloud's challenge; nothing before there was one.
    pub(super) fn hello(&mut self) -> Option<Hello> {
        let who = &self.who;
        Some(Hello {
            version: VERSION,
            worker: who.identity.worker,
            signature: who.key.prove(who.identity.worker, self.nonce.as_deref()?),
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            machine: self.machine.facts(),
            slots: self.facts.clone(),
            held: self.held().into_iter().collect(),
            pause: self.dashboard_pause.clone(),
            only_asks: false,
        })
    }

    pub(super) fn heartbeat(&mut self, seq: u64, now: Now) -> Heartbeat {
        let running: BTreeSet<LeaseRef> =
            self.slots.iter().filter_map(|slot| slot.slot.work()).map(|work| work.lease).collect();
        for (number, slot) in self.slots.iter().enumerate() {
            self.machine.work(number, slot.is_rendering());
        }
        let depth = self.outbox.depth();
        Heartbeat {
            seq,
            activity: self.activity(),
            slots: self.slots.iter().map(|slot| slot.status(now.mono)).collect(),
            held: self.held().difference(&running).copied().collect(),
            sample: Some(self.machine.sample(now.wall)),
            outbox_frames: depth.frames,
            outbox_bytes: depth.bytes,
            disk_free_bytes: self.machine.disk_free_bytes(),
        }
    }

    /// What the cloud should hear of at once when it changes: leases held, slots that begin or end to work.
    pub(super) fn news(&self) -> Vec<(Vec<LeaseRef>, bool)> {
        let of_slot = |slot: &super::SimSlot| (slot.slot.leases(), slot.slot.wire_phase() == SlotPhase::Idle);
        self.slots.iter().map(of_slot).collect()
    }

    fn activity(&self) -> WorkerActivity {
        let does =
            |phases: &[SlotPhase]| self.slots.iter().any(|slot| phases.contains(&slot.slot.wire_phase()));
        let (is_working, is_preparing) =
            (does(&[SlotPhase::Rendering]), does(&[SlotPhase::Fetching, SlotPhase::Loading]));
        match &self.dashboard_pause {
            _ if self.is_stopping => WorkerActivity::Finishing,
            Some(_) if is_working || is_preparing => WorkerActivity::Finishing,
            Some(pause) => WorkerActivity::Paused(pause.clone()),
            None if is_working => WorkerActivity::Working,
            None if is_preparing => WorkerActivity::Preparing,
            None => WorkerActivity::Idle,
        }
    }

    /// Every lease that is worked on, whose frames wait here, or whose end the cloud has not heard yet.
    fn held(&self) -> BTreeSet<LeaseRef> {
        let in_slots = self.slots.iter().flat_map(|slot| slot.slot.leases());
        in_slots.chain(self.outbox.leases()).chain(self.unheard.unsaid_ends()).collect()
    }
}

impl super::SimSlot {
    fn status(&self, now: pictor_actors::now::Mono) -> SlotStatus {
        let work = self.slot.work();
        SlotStatus {
            slot: self.number,
            phase: self.slot.wire_phase(),
            lease: work.map(|work| work.lease),
            frame: work.and_then(|work| work.in_hand),
            frame_done: work.and_then(|work| work.in_hand).and_then(|_| self.done(now)),
            frames_done: work.map_or(0, |work| work.frames_done),
            progress_age_ms: work.map(|_| self.progress_at.until(now).0),
        }
    }
}
