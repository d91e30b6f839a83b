//! What the cloud says and what that means here.

use actix::prelude::Context;
use pictor_actors::protocol::{
    AttemptEnded, AttemptOutcome, CancelReason, Challenge, Decline, DeclineReason, FailureClass, FromWorker,
    HeartbeatAck, LeaseRef, Offer, PauseReason, Refusal, RefusalCode, Retry, ToWorker, VERSION, Welcome,
};
use pictor_actors::supervise::StopReason;
use pictor_actors::units::Millis;
use pictor_worker_domain::presence;
use pictor_worker_domain::session::{self, Event};

use super::actor::Coordinator;
use crate::agents::runner::Offered;
use crate::cloud::standing::CLOCK_OFF_MIN;

/// A cloud that does not speak our version is asked again after this: it may have been updated.
const OTHER_VERSION_AFTER: Millis = Millis::from_secs(60);

impl Coordinator {
    pub(super) fn heard(&mut self, message: ToWorker, context: &mut Context<Self>) {
        match message {
            ToWorker::Challenge(challenge) => self.challenged(challenge, context),
            ToWorker::Welcome(welcome) => self.welcomed(*welcome, context),
            ToWorker::Refused(refusal) => self.refused(refusal, context),
            ToWorker::HeartbeatAck(ack) => self.acked(ack, context),
            ToWorker::Offer(offer) => self.offered(*offer),
            ToWorker::Cancel(cancel) => self.drop_lease(cancel.lease, cancel.reason),
            ToWorker::SetPause { pause } => self.presence(presence::Event::DashboardSaid(pause), context),
            ToWorker::Bye { reason, retry_after_ms } => {
                tracing::info!(%reason, "the cloud says goodbye");
                self.line.trouble = Some(reason);
                self.session(Event::ByeSaid { retry_after: Millis(retry_after_ms) }, context);
            }
        }
    }

    fn challenged(&mut self, challenge: Challenge, context: &mut Context<Self>) {
        let here = self.place.clock.now().wall;
        let off = here.until(challenge.cloud_time).max(challenge.cloud_time.until(here));
        self.line.clock_off = (off >= CLOCK_OFF_MIN).then_some(off);
        if !challenge.versions.contains(&VERSION) {
            let message = format!(
                "the cloud speaks versions {:?} of the protocol, this worker {VERSION}: update the older one",
                challenge.versions
            );
            let retry = Retry::After { ms: OTHER_VERSION_AFTER.0 };
            return self.refused(Refusal { code: RefusalCode::VersionUnsupported, message, retry }, context);
        }
        self.line.nonce = Some(challenge.nonce);
        self.session(Event::Challenged, context);
    }

    fn welcomed(&mut self, welcome: Welcome, context: &mut Context<Self>) {
        self.place.cloud.set_puts_directly(welcome.puts_directly);
        self.place.cloud.set_bearer(Some(&welcome.bearer));
        self.line.name = Some(welcome.worker_name);
        self.line.wallet = welcome.wallet_address;
        self.line.refusal = None;
        for lease in welcome.drop {
            self.drop_lease(lease, CancelReason::Superseded);
        }
        self.session(Event::Welcomed { heartbeat_after: Millis(welcome.heartbeat_after_ms) }, context);
    }

    fn refused(&mut self, refusal: Refusal, context: &mut Context<Self>) {
        tracing::error!(code = ?refusal.code, why = %refusal.message, "the cloud refuses this worker");
        let retry = refusal.retry;
        self.line.refusal = Some(refusal.clone());
        self.session(Event::RefusedBy { retry, random: crate::random() }, context);
        if matches!(self.session.phase, session::Phase::Barred) {
            let why = refusal.message.clone();
            let _ = self.place.barred.set(refusal); // the first one counts
            self.place.shutdown.begin(StopReason::Failed(why));
        }
    }

    fn acked(&mut self, ack: HeartbeatAck, context: &mut Context<Self>) {
        for lease in ack.cancel {
            self.drop_lease(lease, CancelReason::Superseded);
        }
        self.unheard.acked(ack.seq);
        self.session(Event::Acked { seq: ack.seq, next_after: Millis(ack.next_after_ms) }, context);
    }

    fn offered(&mut self, offer: Offer) {
        let lease = offer.lease;
        let Err(reason) = self.hand_on(offer) else { return };
        tracing::debug!(lease.id = %lease.lease, ?reason, "offer declined");
        self.say(FromWorker::Decline(Decline { lease, reason }));
    }

    fn hand_on(&self, offer: Offer) -> Result<(), DeclineReason> {
        if self.is_stopping {
            return Err(DeclineReason::NotAccepting);
        }
        if let Some(pause) = self.presence.pause() {
            return Err(match pause.reason {
                PauseReason::LowDisk => DeclineReason::DiskFull,
                PauseReason::User
                | PauseReason::Dashboard
                | PauseReason::NoBlender
                | PauseReason::Other { .. } => DeclineReason::NotAccepting,
            });
        }
        let cannot = |text: &str| DeclineReason::CannotRun { text: text.to_owned() };
        let known = self.place.known();
        let slot = known.slots.iter().find(|slot| slot.slot == offer.slot && slot.enabled);
        let slot = slot.ok_or_else(|| cannot("the slot is switched off or not there"))?;
        if slot.engines.is_empty() {
            return Err(cannot("nothing that renders was found on this machine as yet"));
        }
        drop(known);
        let runner = self.place.doors().runners.get(&offer.slot).ok_or_else(|| cannot("no such slot"))?;
        runner.try_send(Offered(Box::new(offer))).map_err(|_| DeclineReason::NotAccepting)
    }
}

/// The end of an attempt whose runner broke: its engine died with it.
pub(super) fn lost_with_its_runner(lease: LeaseRef) -> FromWorker {
    let outcome = AttemptOutcome::Failed {
        class: FailureClass::WorkerError,
        message: "a fault of the worker's program ended the attempt; it goes on with the next".to_owned(),
        frame: None,
    };
    FromWorker::AttemptEnded(AttemptEnded { lease, outcome })
}
