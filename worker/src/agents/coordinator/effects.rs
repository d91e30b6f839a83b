//! Does what the session decided, and says what others want said.

use pictor_actors::protocol::{
    AttemptEnded, AttemptOutcome, Cancel, CancelReason, FromWorker, LeaseRef, MachineChanged,
};
use pictor_worker_domain::presence;
use pictor_worker_domain::session::Effect;

use super::actor::Coordinator;
use crate::agents::link::{CloseSocket, OpenSocket, Say, SayHeartbeat};
use crate::agents::runner::Cancelled;
use crate::agents::tell;
use crate::agents::uploader::{CloudDown, CloudUp, LeaseDropped};

/// Ends that are remembered, so that an emptied lease is not ended twice.
const ENDED_MAX: usize = 4_096;

impl Coordinator {
    pub(super) fn run_session(&mut self, effect: Effect) {
        let doors = self.place.doors();
        match effect {
            Effect::OpenSocket => {
                self.line.connection += 1;
                self.line.is_open = true;
                tell(&doors.link, OpenSocket { connection: self.line.connection });
            }
            Effect::SendHello => {
                if let Some(hello) = self.hello() {
                    self.line.told_revision = self.place.known().revision;
                    tell(&doors.link, Say(FromWorker::Hello(Box::new(hello))));
                }
            }
            Effect::SendHeartbeat { seq } => {
                self.unheard.beat(seq);
                tell(&doors.link, SayHeartbeat(Box::new(self.heartbeat(seq))));
            }
            Effect::SendGoodbye => {
                let reason = self.place.shutdown.reason().map_or_else(String::new, |why| why.to_string());
                tell(&doors.link, Say(FromWorker::Goodbye { reason }));
            }
            Effect::CloseSocket => tell(&doors.link, CloseSocket),
            Effect::AnnounceUp => {
                tracing::info!(cloud = %self.place.identity.cloud, "connected");
                self.line.trouble = None;
                self.unheard.say_anew().for_each(|message| tell(&doors.link, Say(message)));
                tell(&doors.uploader, CloudUp);
                self.say_machine();
            }
            Effect::AnnounceDown => {
                self.unheard.line_lost();
                self.place.cloud.set_bearer(None);
                tell(&doors.uploader, CloudDown);
            }
            Effect::Finish => tracing::debug!("the session has ended"),
        }
    }

    /// What the machine is, unless the cloud knows: it may have changed between the hello and the welcome.
    pub(super) fn say_machine(&mut self) {
        let known = self.place.known();
        if known.revision == self.line.told_revision {
            return;
        }
        self.line.told_revision = known.revision;
        let changed = MachineChanged { machine: known.facts.clone(), slots: known.slots.clone() };
        drop(known);
        tell(&self.place.doors().link, Say(FromWorker::MachineChanged(Box::new(changed))));
    }

    /// Says it now if the cloud is there; what must not be lost is kept until it has surely heard it.
    pub(super) fn say(&mut self, message: FromWorker) {
        if let FromWorker::AttemptEnded(ended) = &message {
            self.ended.insert(ended.lease);
            if self.ended.len() > ENDED_MAX {
                self.ended.pop_first();
            }
            tracing::info!(lease.id = %ended.lease.lease, outcome = ?ended.outcome, "attempt ended");
        }
        self.unheard.keep(&message, self.session.is_up());
        if self.session.is_up() {
            tell(&self.place.doors().link, Say(message));
        }
    }

    /// The cloud takes a lease back: whoever holds it stops. Frames that are finished still go out, since the
    /// first to bring a frame is taken, however late; only those of a cancelled job are wanted by nobody.
    pub(super) fn drop_lease(&mut self, lease: LeaseRef, reason: CancelReason) {
        tracing::info!(lease.id = %lease.lease, ?reason, "the cloud takes a lease back");
        let doors = self.place.doors();
        for runner in doors.runners.values() {
            tell(runner, Cancelled(Cancel { lease, reason }));
        }
        self.unheard.forget_end(lease);
        match reason {
            CancelReason::JobPaused | CancelReason::Superseded | CancelReason::NotAnswered => {}
            CancelReason::JobCancelled => tell(&doors.uploader, LeaseDropped(lease.lease)),
        }
    }

    /// A lease of an earlier run has no slot any more: when its frames are delivered, the rest of its task is
    /// free.
    pub(super) fn lease_emptied(&mut self, lease: LeaseRef) {
        let is_in_hand = self.slots.values().any(|report| report.held.contains(&lease));
        if !is_in_hand && !self.ended.remove(&lease) {
            self.say(FromWorker::AttemptEnded(AttemptEnded { lease, outcome: AttemptOutcome::Stopped }));
        }
    }

    /// Whether the disk's state has crossed a line. Between the lines nothing changes, so that it does not
    /// flap.
    pub(super) fn disk_event(&self) -> Option<presence::Event> {
        let settings = &self.place.settings;
        let free_min = settings.disk_free_bytes_min;
        let free = self.disk_free_bytes.unwrap_or(u64::MAX);
        let spooled = self.outbox.bytes;
        if free < free_min || spooled > settings.spool_bytes {
            return Some(presence::Event::DiskLow);
        }
        let is_well_above =
            free >= free_min.saturating_add(free_min / 4) && spooled <= settings.spool_bytes / 4 * 3;
        is_well_above.then_some(presence::Event::DiskFine)
    }
}
