//! What a worker's actor shows of itself: to the fleet, and by it to pages and to the dispatcher.

use pictor_actors::ids::LeaseId;
use pictor_actors::limits::LEASES_PER_SLOT_MAX;
use pictor_actors::now::Now;
use pictor_actors::protocol::{MetricSample, Pause, PauseReason, SlotFacts, WorkerActivity};
use pictor_actors::units::Millis;
use pictor_cloud_domain::liveness::{Connection, stored_connection};
use pictor_cloud_domain::placement::Absence;

use super::actor::WorkerNode;
use crate::agents::broadcast::{Announce, LiveEvent};
use crate::agents::fleet::{NodeReport, NodeReported, NodeRetired, SlotCapacity};
use crate::agents::worker_live::{SlotLive, WorkerLive};
use crate::store::{HeartbeatRow, WorkerMinuteRow};

impl WorkerNode {
    /// Something changed, without a sign of life.
    pub(super) fn report(&self, now: Now) {
        self.send_report(NodeReport {
            account: self.account,
            live: self.live(now),
            slots: self.capacity(),
            absence: self.absence(),
            offers_seen: self.offers_seen,
            heartbeat: None,
            renew: Vec::new(),
            minute: None,
        });
    }

    /// A sign of life: goes to the store with the fleet's next write.
    pub(super) fn report_sign(
        &mut self,
        sample: Option<MetricSample>,
        renew: Vec<(LeaseId, Millis)>,
        now: Now,
    ) {
        let minute = sample.clone().and_then(|sample| self.readings.push(sample, now.wall)).map(
            |(minute_at, readings)| WorkerMinuteRow {
                worker_id: self.id,
                minute_at,
                readings: serde_json::to_value(readings).unwrap_or_default(),
            },
        );
        let heartbeat = self.link.as_ref().map(|link| HeartbeatRow {
            worker: self.id,
            link_id: link.id,
            at: now.wall,
            sample,
            // The fleet's to say.
            live: None,
        });
        self.send_report(NodeReport {
            account: self.account,
            live: self.live(now),
            slots: self.capacity(),
            absence: self.absence(),
            offers_seen: self.offers_seen,
            heartbeat,
            renew,
            minute,
        });
    }

    /// The actor is no longer needed: the fleet lets it go.
    pub(super) fn retire(&self) {
        if let Some(fleet) = self.wiring.fleet.get() {
            // Lost: it asks again at its next deadline.
            let _ = fleet.try_send(NodeRetired(self.id));
        }
    }

    fn send_report(&self, report: NodeReport) {
        if let Some(fleet) = self.wiring.fleet.get() {
            // Lost when the fleet has more than it can take; the next heartbeat brings another.
            let _ = fleet.try_send(NodeReported(Box::new(report)));
        }
        let event = LiveEvent::WorkerChanged(self.id);
        let _ = self.wiring.broadcast.try_send(Announce { account: self.account, event });
    }

    fn connection(&self, now: Now) -> Connection {
        match self.liveness.connection() {
            Connection::Never => {
                stored_connection(self.last_heartbeat_at, self.wiring.timing.limits, now.wall)
            }
            known @ (Connection::Online | Connection::Stale | Connection::Offline) => known,
        }
    }

    fn live(&self, now: Now) -> WorkerLive {
        let connection = self.connection(now);
        let is_here = connection != Connection::Offline;
        WorkerLive {
            worker: self.id,
            connection,
            activity: self.activity.clone().filter(|_| is_here),
            online_since: self.link.as_ref().map(|link| link.since),
            last_heartbeat_at: self.last_heartbeat_at,
            slots: self.slots.iter().map(|facts| self.slot_live(facts, is_here)).collect(),
            sample: self.readings.newest().or(self.last_sample.as_ref()).cloned(),
            standing: self.standing.clone(),
        }
    }

    fn slot_live(&self, facts: &SlotFacts, is_here: bool) -> SlotLive {
        let Some(status) = self.statuses.get(&facts.slot).filter(|_| is_here) else {
            return SlotLive::unseen(facts);
        };
        let held = status.lease.and_then(|lease| self.holdings.get(lease));
        SlotLive {
            phase: Some(status.phase),
            lease: status.lease.map(|lease| lease.lease),
            job: held.map(|held| held.job),
            task: held.map(|held| held.task),
            frame: status.frame,
            frame_done: status.frame_done,
            frames_done: status.frames_done,
            frames_total: held.and_then(|held| held.frames),
            ..SlotLive::unseen(facts)
        }
    }

    /// Slots that may have a task now, full ones included.
    fn capacity(&self) -> Vec<SlotCapacity> {
        let is_here = self.link.is_some() && self.liveness.connection() == Connection::Online;
        let absence = self.absence();
        // One that is behind could do the work, only not now: its slots are full.
        let is_behind = absence == Some(Absence::Delivering);
        if !is_here || absence.is_some() && !is_behind {
            return Vec::new();
        }
        let held = |slot| if is_behind { LEASES_PER_SLOT_MAX } else { self.holdings.count_on(slot) };
        self.slots
            .iter()
            .filter(|facts| facts.enabled)
            .map(|facts| SlotCapacity {
                worker: self.id,
                slot: facts.slot,
                engines: facts.engines.clone(),
                gpu_memory: self.gpu_memory(facts),
                leases_held: u8::try_from(held(facts.slot)).unwrap_or(u8::MAX),
                warm_job: self.warm.get(&facts.slot).copied(),
                rested: false,
            })
            .collect()
    }

    /// Why it takes nothing, while it is connected.
    fn absence(&self) -> Option<Absence> {
        self.link.as_ref()?;
        match self.liveness.connection() {
            Connection::Online => {}
            Connection::Stale => return Some(Absence::Silent),
            Connection::Never | Connection::Offline => return None,
        }
        match &self.activity {
            Some(WorkerActivity::Paused(pause)) => return Some(paused(pause)),
            Some(WorkerActivity::Updating) => return Some(Absence::Updating),
            Some(WorkerActivity::Error { .. }) => return Some(Absence::Faulty),
            // It has heard of a pause, if there is one, and finishes because of it.
            Some(WorkerActivity::Finishing) if self.pause.is_none() => return Some(Absence::Finishing),
            None
            | Some(
                WorkerActivity::Idle
                | WorkerActivity::Preparing
                | WorkerActivity::Working
                | WorkerActivity::Finishing,
            ) => {}
        }
        if let Some(pause) = &self.pause {
            return Some(paused(pause));
        }
        if !self.slots.iter().any(|facts| facts.enabled) {
            return Some(Absence::NoSlot);
        }
        self.is_behind().then_some(Absence::Delivering)
    }

    /// It renders faster than it delivers.
    pub(super) fn is_behind(&self) -> bool {
        let slots = self.slots.iter().filter(|facts| facts.enabled).count();
        self.holdings.is_behind(slots, self.wiring.now().mono)
    }

    fn gpu_memory(&self, facts: &SlotFacts) -> Option<u64> {
        let pci_id = facts.gpu_pci_id.as_ref()?;
        let gpus = &self.machine.as_ref()?.gpus;
        gpus.iter().find(|gpu| gpu.pci_id == *pci_id).map(|gpu| gpu.memory_bytes)
    }
}

fn paused(pause: &Pause) -> Absence {
    match pause.reason {
        PauseReason::User | PauseReason::Dashboard => Absence::PausedByOwner,
        PauseReason::LowDisk => Absence::LowDisk,
        PauseReason::NoBlender => Absence::NoBlender,
        PauseReason::Other { .. } => Absence::Paused,
    }
}
