//! What a worker says, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use actix::prelude::Context;
use pictor_actors::protocol::outcome::FrameState;
use pictor_actors::protocol::{
    CancelReason, FrameProgress, FromWorker, Heartbeat, HeartbeatAck, LeaseRef, MachineChanged, SlotStatus,
    ToWorker, are_slots_sound,
};
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::worker::holdings::Stage;

use super::actor::WorkerNode;
use crate::agents::dispatcher::SlotDeclined;
use crate::agents::jobs::AttemptSaid;

impl WorkerNode {
    /// A message over the present connection.
    pub(super) fn hear(&mut self, said: FromWorker, context: &mut Context<Self>) {
        match said {
            FromWorker::Hello(_) => {
                tracing::warn!(worker = %self.id, "a second hello on one socket");
                self.lose_link();
            }
            FromWorker::MachineChanged(changed) => self.on_machine_changed(*changed, context),
            FromWorker::Heartbeat(heartbeat) => self.on_heartbeat(*heartbeat, context),
            FromWorker::Goodbye { reason } => self.on_goodbye(&reason, context),
            FromWorker::Accept(lease) => self.on_attempt(lease, said, context),
            FromWorker::Decline(ref decline) => self.on_attempt(decline.lease, said, context),
            FromWorker::AttemptStarted(ref started) => self.on_attempt(started.lease, said, context),
            FromWorker::FrameProgress(ref progress) => self.on_attempt(progress.lease, said, context),
            FromWorker::LogLines(ref lines) => self.on_attempt(lines.lease, said, context),
            FromWorker::Warning(ref warning) => self.on_attempt(warning.lease, said, context),
            FromWorker::AttemptEnded(ref ended) => self.on_attempt(ended.lease, said, context),
        }
    }

    /// Leases, statuses and warm slots stay: only what the machine offers is otherwise.
    fn on_machine_changed(&mut self, changed: MachineChanged, context: &mut Context<Self>) {
        if !are_slots_sound(&changed.slots) {
            tracing::warn!(worker = %self.id, "slots without a number of their own are not taken");
            return;
        }
        self.machine = Some(changed.machine);
        self.slots = changed.slots;
        let known: BTreeSet<u16> = self.slots.iter().map(|facts| facts.slot).collect();
        self.statuses.retain(|slot, _| known.contains(slot));
        self.warm.retain(|slot, _| known.contains(slot));
        self.save_machine_soon(context);
        self.report(self.wiring.now());
    }

    fn on_heartbeat(&mut self, heartbeat: Heartbeat, context: &mut Context<Self>) {
        let now = self.wiring.now();
        let Some(link) = &mut self.link else { return };
        if link.last_seq.is_some_and(|last| heartbeat.seq <= last) {
            tracing::debug!(worker = %self.id, seq = heartbeat.seq, "heartbeat out of order is left out");
            return;
        }
        link.last_seq = Some(heartbeat.seq);
        self.wiring.metrics.heartbeat();
        let after =
            self.wiring.timing.policy.next_after(self.wiring.nodes.connected(), super::effects::random());
        self.liveness.on_sign(now.mono, after);
        self.last_heartbeat_at = Some(now.wall);
        let (in_slots, named, least) =
            (in_slots(&heartbeat), named(&heartbeat), self.wiring.timing.lost_after_least(after));
        let compared = self.holdings.on_heartbeat(&in_slots, &named, least, now.mono);
        self.activity = Some(heartbeat.activity);
        self.take_statuses(heartbeat.slots);
        if !compared.lost.is_empty() {
            tracing::warn!(worker = %self.id, leases = ?compared.lost, "worker no longer knows its leases");
        }
        self.release(compared.lost, Outcome::Released, context);
        let ack = HeartbeatAck { seq: heartbeat.seq, next_after_ms: after.0, cancel: compared.foreign };
        self.say(ToWorker::HeartbeatAck(ack));
        self.report_sign(heartbeat.sample, compared.renew, now);
    }

    fn take_statuses(&mut self, statuses: Vec<SlotStatus>) {
        let known: BTreeSet<u16> = self.slots.iter().map(|facts| facts.slot).collect();
        self.statuses = statuses
            .into_iter()
            .filter(|status| known.contains(&status.slot))
            .map(|status| (status.slot, status))
            .collect::<BTreeMap<_, _>>();
    }

    fn on_goodbye(&mut self, reason: &str, context: &mut Context<Self>) {
        tracing::info!(worker = %self.id, reason, "worker leaves");
        let now = self.wiring.now();
        self.liveness.on_goodbye(now.mono);
        self.statuses.clear();
        self.activity = None;
        let leases = self.holdings.clear();
        self.release(leases, Outcome::Released, context);
        if let Some(link) = self.link.as_ref().map(|link| link.id) {
            self.leave_link(link, context);
        }
        self.lose_link();
        self.report(now);
    }

    /// Something about an attempt: taken only under a lease that is the worker's.
    fn on_attempt(&mut self, lease: LeaseRef, said: FromWorker, context: &mut Context<Self>) {
        let Some(held) = self.holdings.get(lease) else {
            // Stale, whatever it is: the worker hears so each time, and then has no more to say about it.
            self.cancel(lease, CancelReason::Superseded);
            return;
        };
        let (job, task, slot) = (held.job, held.task, held.slot);
        // Said late, of an attempt whose slot may have another job's scene loaded by now, it tells nothing.
        if held.stage != Stage::Delivering && matches!(said, FromWorker::AttemptStarted(_)) {
            self.warm.insert(slot, job);
        }
        let has_changed = self.note_attempt(lease, slot, &said);
        self.hand_on(AttemptSaid { job, task, worker: self.id, lease, said }, context);
        if has_changed {
            self.report(self.wiring.now());
        }
    }

    /// Keeps what concerns the worker itself; true if it is worth a report.
    fn note_attempt(&mut self, lease: LeaseRef, slot: u16, said: &FromWorker) -> bool {
        match said {
            FromWorker::Accept(_) => return self.advance(lease, Stage::Accepted),
            FromWorker::AttemptStarted(_) => return self.advance(lease, Stage::Running),
            FromWorker::Decline(decline) => {
                tracing::info!(worker = %self.id, lease = %lease.lease, reason = ?decline.reason, "declined");
                self.holdings.remove(lease.lease);
                // Losing it costs another refusal.
                let declined = SlotDeclined { worker: self.id, slot };
                let _ = self.wiring.work.dispatcher.try_send(declined);
            }
            FromWorker::AttemptEnded(ended) => return self.note_end(lease, &ended.outcome),
            FromWorker::FrameProgress(progress) => self.note_progress(slot, progress),
            FromWorker::LogLines(_) | FromWorker::Warning(_) => return false,
            FromWorker::Hello(_)
            | FromWorker::MachineChanged(_)
            | FromWorker::Heartbeat(_)
            | FromWorker::Goodbye { .. } => return false,
        }
        true
    }

    fn advance(&mut self, lease: LeaseRef, stage: Stage) -> bool {
        self.holdings.advance(lease.lease, stage, self.wiring.now().mono)
    }

    fn note_end(&mut self, lease: LeaseRef, outcome: &pictor_actors::protocol::AttemptOutcome) -> bool {
        use pictor_actors::protocol::AttemptOutcome;
        match outcome {
            AttemptOutcome::Rendered => self.advance(lease, Stage::Delivering),
            AttemptOutcome::Failed { .. } | AttemptOutcome::Stopped => {
                self.holdings.remove(lease.lease).is_some()
            }
        }
    }

    fn note_progress(&mut self, slot: u16, progress: &FrameProgress) {
        let Some(status) = self.statuses.get_mut(&slot) else { return };
        if status.lease != Some(progress.lease) {
            (status.lease, status.frames_done) = (Some(progress.lease), 0);
        }
        status.frame = Some(progress.frame);
        match &progress.state {
            FrameState::Started => status.frame_done = None,
            FrameState::Rendering { done, .. } => status.frame_done = done.or(status.frame_done),
            FrameState::Rendered { .. } => {
                (status.frame, status.frame_done) = (None, None);
                status.frames_done = status.frames_done.saturating_add(1);
            }
        }
    }

    /// Tells the worker to stop a lease.
    pub(super) fn cancel(&mut self, lease: LeaseRef, reason: CancelReason) {
        self.say(ToWorker::Cancel(pictor_actors::protocol::Cancel { lease, reason }));
    }
}

/// The leases that slots work on.
fn in_slots(heartbeat: &Heartbeat) -> BTreeSet<LeaseRef> {
    heartbeat.slots.iter().filter_map(|slot| slot.lease).collect()
}

/// Every lease that the heartbeat names.
fn named(heartbeat: &Heartbeat) -> BTreeSet<LeaseRef> {
    in_slots(heartbeat).into_iter().chain(heartbeat.held.iter().copied()).collect()
}
