//! One handler for each message; each does one thing, reports and re-arms the timer where it may have moved.

use actix::prelude::{ActorContext, Context, Handler};
use pictor_actors::protocol::{CancelReason, MetricSample, Refusal, RefusalCode, Retry, ToWorker};
use pictor_actors::units::Millis;
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::worker::{self, holdings::Stage};

use super::actor::WorkerNode;
use super::messages::{
    Adopt, Adopted, EndLease, GetSamples, KeyChanged, LinkGone, OfferLease, Remove, ReportNow, Rest, Said,
    SayBye, SetPause, TakeBack,
};

/// Workers come back so soon after the cloud went, or after a machine was enrolled anew.
const COME_BACK_AFTER: Millis = Millis(2_000);

impl Handler<Adopt> for WorkerNode {
    type Result = Result<Adopted, Refusal>;

    fn handle(&mut self, adopt: Adopt, context: &mut Context<Self>) -> Self::Result {
        let adopted = self.adopt(adopt, context);
        self.arm(context);
        adopted
    }
}

impl Handler<Said> for WorkerNode {
    type Result = ();

    fn handle(&mut self, message: Said, context: &mut Context<Self>) {
        if self.link.as_ref().is_some_and(|link| link.id == message.link) {
            self.hear(message.said, context);
            self.arm(context);
        }
    }
}

impl Handler<LinkGone> for WorkerNode {
    type Result = ();

    fn handle(&mut self, LinkGone(link): LinkGone, context: &mut Context<Self>) {
        self.forget_link(link, context);
        // The actor may have dropped it already, because the worker did not take its messages.
        if self.link.as_ref().is_none_or(|own| own.id == link) {
            self.lose_link();
            self.report(self.wiring.now());
            self.arm(context);
        }
    }
}

impl Handler<OfferLease> for WorkerNode {
    type Result = ();

    fn handle(&mut self, message: OfferLease, context: &mut Context<Self>) {
        let (now, lease) = (self.wiring.now(), message.offer.lease);
        self.offers_seen = message.number;
        self.holdings.offer(&message.offer, message.lost_after, now.mono);
        if !self.say(ToWorker::Offer(message.offer)) {
            self.holdings.remove(lease.lease);
            self.release(vec![lease.lease], Outcome::NotAnswered, context);
        }
        self.report(now);
        self.arm(context);
    }
}

impl Handler<TakeBack> for WorkerNode {
    type Result = ();

    fn handle(&mut self, TakeBack(cancel): TakeBack, _context: &mut Context<Self>) {
        // Of a paused job the frame in hand is still delivered; the worker then says that it stopped.
        if cancel.reason != CancelReason::JobPaused {
            self.holdings.remove(cancel.lease.lease);
        }
        self.cancel(cancel.lease, cancel.reason);
        self.report(self.wiring.now());
    }
}

impl Handler<EndLease> for WorkerNode {
    type Result = ();

    fn handle(&mut self, EndLease(lease): EndLease, _context: &mut Context<Self>) {
        let was_behind = self.is_behind();
        let held_a_slot = self
            .holdings
            .delivered(lease, self.wiring.now().mono)
            .is_some_and(|held| held.stage != Stage::Delivering);
        if held_a_slot || was_behind && !self.is_behind() {
            self.report(self.wiring.now());
        }
    }
}

impl Handler<Rest> for WorkerNode {
    type Result = ();

    fn handle(&mut self, rest: Rest, _context: &mut Context<Self>) {
        let Rest { until, reason } = rest;
        self.standing.rest = Some(worker::Rest { until, reason });
        self.report(self.wiring.now());
    }
}

impl Handler<SetPause> for WorkerNode {
    type Result = ();

    fn handle(&mut self, SetPause(pause): SetPause, context: &mut Context<Self>) {
        self.pause = pause.clone();
        self.say(ToWorker::SetPause { pause });
        self.report(self.wiring.now());
        self.arm(context);
    }
}

impl Handler<Remove> for WorkerNode {
    type Result = ();

    fn handle(&mut self, _remove: Remove, context: &mut Context<Self>) {
        self.say(ToWorker::Refused(Refusal {
            code: RefusalCode::UnknownWorker,
            message: "the owner removed this worker".to_owned(),
            retry: Retry::Never,
        }));
        self.retire();
        context.stop();
    }
}

impl Handler<SayBye> for WorkerNode {
    type Result = ();

    fn handle(&mut self, _bye: SayBye, _context: &mut Context<Self>) {
        let reason = "the cloud stops; leases stay valid".to_owned();
        // Beside other replicas soon, but not all workers at the same moment.
        let retry_after_ms = match self.wiring.peers.seen().others {
            0 => COME_BACK_AFTER.0,
            _ => COME_BACK_AFTER.0 / 4 + super::effects::random() % COME_BACK_AFTER.0,
        };
        self.say(ToWorker::Bye { reason, retry_after_ms });
        self.lose_link();
    }
}

impl Handler<ReportNow> for WorkerNode {
    type Result = ();

    fn handle(&mut self, _now: ReportNow, _context: &mut Context<Self>) {
        self.report(self.wiring.now());
    }
}

impl Handler<GetSamples> for WorkerNode {
    type Result = Vec<MetricSample>;

    fn handle(&mut self, _get: GetSamples, _context: &mut Context<Self>) -> Vec<MetricSample> {
        self.readings.recent()
    }
}

impl Handler<KeyChanged> for WorkerNode {
    type Result = ();

    fn handle(&mut self, _changed: KeyChanged, context: &mut Context<Self>) {
        self.say(ToWorker::Refused(Refusal {
            code: RefusalCode::Replaced,
            message: "a machine was just set up as this worker; if that was another one, this one is out"
                .to_owned(),
            retry: Retry::After { ms: COME_BACK_AFTER.0 },
        }));
        self.lose_link();
        self.report(self.wiring.now());
        self.arm(context);
    }
}
