//! How the worker stands, in the three forms it is told: hello, heartbeat, status.

use std::collections::BTreeSet;

use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::protocol::{Heartbeat, Hello, LeaseRef, SearchPhase, SlotStatus, VERSION, WorkerActivity};
use pictor_worker_domain::session::Phase;

use super::actor::Coordinator;
use crate::control::{CloudView, Connection, OutboxView, SlotView, WorkerStatus};

impl Coordinator {
    /// The answer to the cloud's challenge; nothing before there was one.
    pub(super) fn hello(&self) -> Option<Hello> {
        let place = &self.place;
        let known = place.known();
        Some(Hello {
            version: VERSION,
            worker: place.identity.worker,
            signature: place.key.prove(place.identity.worker, self.line.nonce.as_deref()?),
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            machine: known.facts.clone(),
            slots: known.slots.clone(),
            held: self.held().into_iter().collect(),
            pause: self.presence.pause(),
            only_asks: false,
        })
    }

    pub(super) fn heartbeat(&self, seq: u64) -> Heartbeat {
        let running: BTreeSet<LeaseRef> =
            self.slots.values().filter_map(|report| report.status.lease).collect();
        Heartbeat {
            seq,
            activity: self.activity(),
            slots: self.slot_statuses(),
            held: self.held().difference(&running).copied().collect(),
            sample: self.sample.clone(),
            outbox_frames: self.outbox.frames,
            outbox_bytes: self.outbox.bytes,
            disk_free_bytes: self.disk_free_bytes,
        }
    }

    pub(super) fn status(&self) -> WorkerStatus {
        let known = self.place.known().clone();
        let slots = known
            .slots
            .iter()
            .map(|facts| {
                let report = self.slots.get(&facts.slot);
                SlotView {
                    slot: facts.slot,
                    gpu: facts.gpu_pci_id.clone(),
                    enabled: facts.enabled,
                    phase: report.map_or(SlotPhase::Idle, |report| report.status.phase),
                    leases: report.map_or(0, |report| report.held.len()),
                    task: report.and_then(|report| report.task.clone()),
                }
            })
            .collect();
        WorkerStatus {
            worker: self.place.identity.worker,
            name: self.line.name.clone().unwrap_or_else(|| self.place.identity.name.clone()),
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: self.place.started_at,
            activity: self.activity(),
            pause: self.presence.pause(),
            cloud: self.cloud_view(),
            wallet_address: self.line.wallet.clone(),
            slots,
            software: known.facts.software.clone(),
            software_search: known.facts.software_search.unwrap_or(SearchPhase::Done),
            no_gpu_because: known.facts.no_gpu_because.clone(),
            outbox: OutboxView {
                frames: self.outbox.frames,
                bytes: self.outbox.bytes,
                refused_frames: self.outbox.parked.as_ref().map_or(0, |(frames, _)| *frames),
                refused_because: self.outbox.parked.as_ref().map(|(_, why)| why.clone()),
            },
            disk_free_bytes: self.disk_free_bytes,
            sample: self.sample.clone(),
        }
    }

    fn cloud_view(&self) -> CloudView {
        let connection = match &self.session.phase {
            Phase::Ready(_) | Phase::Draining { .. } => Connection::Connected,
            Phase::Greeting { .. } => Connection::Connecting,
            Phase::Disconnected { .. } | Phase::Ended => Connection::Away,
            Phase::Barred => Connection::Refused,
        };
        let refusal = self.line.refusal.as_ref().map(|refusal| refusal.message.clone());
        CloudView {
            address: self.place.identity.cloud.to_string(),
            connection,
            since: self.line.since,
            because: refusal.or_else(|| self.line.trouble.clone()),
            clock_off_ms: self.line.clock_off.map(|off| off.0),
        }
    }

    fn activity(&self) -> WorkerActivity {
        let is_doing =
            |phases: &[SlotPhase]| self.slots.values().any(|report| phases.contains(&report.status.phase));
        let is_working = is_doing(&[SlotPhase::Rendering]);
        let known = self.place.known();
        // Nothing to render with as yet is neither idle nor anybody's pause.
        let is_looking = known.is_searching() && !known.can_render();
        drop(known);
        let is_preparing = is_doing(&[SlotPhase::Fetching, SlotPhase::Loading]);
        let pause = self.presence.pause();
        match pause {
            _ if self.is_stopping => WorkerActivity::Finishing,
            Some(_) if is_working || is_preparing => WorkerActivity::Finishing,
            Some(pause) => WorkerActivity::Paused(pause),
            None if is_working => WorkerActivity::Working,
            None if is_preparing || is_looking => WorkerActivity::Preparing,
            None => WorkerActivity::Idle,
        }
    }

    fn slot_statuses(&self) -> Vec<SlotStatus> {
        let now = self.place.clock.now();
        self.place
            .known()
            .slots
            .iter()
            .map(|facts| match self.slots.get(&facts.slot) {
                Some(report) => SlotStatus {
                    progress_age_ms: report.status.lease.map(|_| now.elapsed(report.progress_at.mono).0),
                    ..report.status.clone()
                },
                None => SlotStatus {
                    slot: facts.slot,
                    phase: SlotPhase::Idle,
                    lease: None,
                    frame: None,
                    frame_done: None,
                    frames_done: 0,
                    progress_age_ms: None,
                },
            })
            .collect()
    }

    /// Every lease that is worked on, whose frames wait here, or whose end the cloud has not heard yet.
    fn held(&self) -> BTreeSet<LeaseRef> {
        let in_slots = self.slots.values().flat_map(|report| report.held.iter().copied());
        in_slots.chain(self.outbox_leases.iter().copied()).chain(self.unheard.unsaid_ends()).collect()
    }
}
