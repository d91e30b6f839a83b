//! What the cloud says to a simulated worker.

use pictor_actors::now::Now;
use pictor_actors::protocol::{
    CancelReason, Decline, DeclineReason, FromWorker, HeartbeatAck, LeaseRef, Offer, Refusal, Retry,
    ToWorker, Welcome,
};
use pictor_actors::units::Millis;
use pictor_worker_domain::session::Event;
use pictor_worker_domain::slot;

use super::{Brain, Output};

impl Brain {
    pub(super) fn heard(&mut self, message: ToWorker, now: Now) {
        match message {
            ToWorker::Challenge(challenge) => {
                self.nonce = Some(challenge.nonce);
                self.session(Event::Challenged, now);
            }
            ToWorker::Welcome(welcome) => self.welcomed(*welcome, now),
            ToWorker::Refused(refusal) => self.refused(refusal, now),
            ToWorker::HeartbeatAck(ack) => self.acked(ack, now),
            ToWorker::Offer(offer) => self.offered(*offer, now),
            ToWorker::Cancel(cancel) => self.drop_lease(cancel.lease, cancel.reason, now),
            ToWorker::SetPause { pause } => {
                self.dashboard_pause = pause;
                self.session(Event::NewsCame, now);
            }
            ToWorker::Bye { retry_after_ms, .. } => {
                self.session(Event::ByeSaid { retry_after: Millis(retry_after_ms) }, now);
            }
        }
    }

    fn welcomed(&mut self, welcome: Welcome, now: Now) {
        self.out.push(Output::PutDirectly(welcome.puts_directly));
        self.out.push(Output::Bearer(Some(welcome.bearer)));
        for lease in welcome.drop {
            self.drop_lease(lease, CancelReason::Superseded, now);
        }
        self.session(Event::Welcomed { heartbeat_after: Millis(welcome.heartbeat_after_ms) }, now);
    }

    fn refused(&mut self, refusal: Refusal, now: Now) {
        let random = self.dice.roll();
        if refusal.retry == Retry::Never {
            self.out.push(Output::Barred(refusal.message));
        }
        self.session(Event::RefusedBy { retry: refusal.retry, random }, now);
    }

    fn acked(&mut self, ack: HeartbeatAck, now: Now) {
        for lease in ack.cancel {
            self.drop_lease(lease, CancelReason::Superseded, now);
        }
        self.unheard.acked(ack.seq);
        self.session(Event::Acked { seq: ack.seq, next_after: Millis(ack.next_after_ms) }, now);
    }

    fn offered(&mut self, offer: Offer, now: Now) {
        let lease = offer.lease;
        let reason = if self.is_stopping || self.dashboard_pause.is_some() {
            DeclineReason::NotAccepting
        } else {
            match self.slots.iter().position(|slot| slot.number == offer.slot) {
                Some(slot) => return self.take_offer(slot, offer, now),
                None => DeclineReason::CannotRun { text: "no such slot".to_owned() },
            }
        };
        self.say(FromWorker::Decline(Decline { lease, reason }));
    }

    fn take_offer(&mut self, slot: usize, offer: Offer, now: Now) {
        let (lease, job, frames) = (offer.lease, offer.task.job, offer.task.frames.clone());
        self.slots[slot].specs.entry(lease.lease).or_insert(offer.task);
        self.step(slot, slot::Event::Offered { lease, job, frames }, now);
        let held = self.slots[slot].slot.leases();
        self.slots[slot].specs.retain(|lease, _| held.iter().any(|known| known.lease == *lease));
    }

    /// The cloud takes a lease back: whoever holds it stops, and its frames are wanted by nobody, unless its
    /// job is only paused.
    fn drop_lease(&mut self, lease: LeaseRef, reason: CancelReason, now: Now) {
        for slot in 0..self.slots.len() {
            self.step(slot, slot::Event::Cancelled { lease, reason }, now);
        }
        self.unheard.forget_end(lease);
        match reason {
            CancelReason::JobPaused => {}
            CancelReason::JobCancelled | CancelReason::Superseded | CancelReason::NotAnswered => {
                self.outbox.on_lease_dropped(lease.lease);
            }
        }
    }
}
