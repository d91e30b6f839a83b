//! The uploader's life: inputs to the outbox, its effects out, one timer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::prelude::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use pictor_actors::now::Mono;
use pictor_actors::units::Millis;
use pictor_worker_domain::outbox::{Key, Outbox};

use super::messages::{CloudDown, CloudUp, DeadlineDue, FrameSpooled, LeaseDropped, SpoolRead, UploadEnded};
use crate::agents::coordinator::OutboxChanged;
use crate::agents::{Workplace, tell};

/// Unwanted frames that are old enough go this often, beside those that go when others come.
const SWEEP_EVERY: Millis = Millis::from_secs(3600);
/// Frames that could not be read are looked at again after this.
const LOOK_AGAIN: Millis = Millis::from_secs(60);

/// The actor.
pub struct Uploader {
    pub(super) place: Arc<Workplace>,
    pub(super) outbox: Outbox,
    pub(super) uploads: BTreeMap<Key, SpawnHandle>,
    timer: Option<(Mono, SpawnHandle)>,
}

impl Uploader {
    /// For the spool of this place.
    #[must_use]
    pub fn new(place: Arc<Workplace>) -> Self {
        Self { place, outbox: Outbox::default(), uploads: BTreeMap::new(), timer: None }
    }

    fn go_on(&mut self, context: &mut Context<Self>) {
        let now = self.place.clock.now().mono;
        while let Some(effect) = self.outbox.next_effect(now) {
            self.run(effect, context);
        }
        let changed = OutboxChanged { depth: self.outbox.depth(), leases: self.outbox.leases() };
        tell(&self.place.doors().coordinator, changed);
        self.arm(now, context);
    }

    fn arm(&mut self, now: Mono, context: &mut Context<Self>) {
        let due = self.outbox.next_deadline();
        if self.timer.as_ref().map(|(at, _)| *at) == due.map(|(at, _)| at) {
            return;
        }
        if let Some((_, timer)) = self.timer.take() {
            context.cancel_future(timer);
        }
        // A frame that is due while all places are taken waits for an upload to end, not for the clock.
        if let Some((at, why)) = due.filter(|(at, _)| *at > now) {
            tracing::trace!(why, "timer set");
            self.timer = Some((at, context.notify_later(DeadlineDue, now.until(at).to_duration())));
        }
    }
}

impl Actor for Uploader {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.look(context);
        self.sweep();
        context.run_interval(SWEEP_EVERY.to_duration(), |uploader, _| uploader.sweep());
    }
}

impl Uploader {
    /// Reads the spool.
    fn look(&mut self, context: &mut Context<Self>) {
        let spool = self.place.spool.clone();
        let reading = tokio::task::spawn_blocking(move || spool.scan());
        context.spawn(reading.into_actor(self).map(|read, _, context| match read {
            Ok(Ok(scanned)) => {
                let entries = scanned.entries.iter().map(|manifest| manifest.entry()).collect();
                context.notify(SpoolRead { entries, unread: scanned.unread });
            }
            // Without the spool nothing can be promised: be built anew, and stop when that does not help.
            Ok(Err(error)) => {
                tracing::error!(%error, "the spool cannot be read");
                actix::prelude::ActorContext::stop(context);
            }
            Err(error) => {
                tracing::error!(%error, "the spool could not be read");
                actix::prelude::ActorContext::stop(context);
            }
        }));
    }

    /// Time passes for unwanted frames although none comes to them.
    fn sweep(&self) {
        let now = self.place.clock.now().wall;
        self.on_disk(move |spool| spool.sweep_unwanted(now));
    }
}

impl Handler<SpoolRead> for Uploader {
    type Result = ();

    fn handle(&mut self, SpoolRead { entries, unread }: SpoolRead, context: &mut Context<Self>) {
        if unread > 0 {
            context.run_later(LOOK_AGAIN.to_duration(), |uploader, context| uploader.look(context));
        }
        let is_first = !self.place.is_spool_read.load(Ordering::SeqCst);
        if is_first && !entries.is_empty() {
            tracing::info!(frames = entries.len(), "frames of an earlier run wait for delivery");
        }
        let now = self.place.clock.now().mono;
        entries.into_iter().for_each(|entry| self.outbox.on_spooled(entry, now));
        self.go_on(context);
        tell(&self.place.doors().coordinator, crate::agents::coordinator::SpoolKnown);
    }
}

impl Handler<FrameSpooled> for Uploader {
    type Result = ();

    fn handle(&mut self, FrameSpooled(entry): FrameSpooled, context: &mut Context<Self>) {
        self.outbox.on_spooled(entry, self.place.clock.now().mono);
        self.go_on(context);
    }
}

impl Handler<CloudUp> for Uploader {
    type Result = ();

    fn handle(&mut self, _: CloudUp, context: &mut Context<Self>) {
        self.outbox.on_up(self.place.clock.now().mono);
        self.go_on(context);
    }
}

impl Handler<CloudDown> for Uploader {
    type Result = ();

    fn handle(&mut self, _: CloudDown, context: &mut Context<Self>) {
        self.outbox.on_down();
        self.go_on(context);
    }
}

impl Handler<LeaseDropped> for Uploader {
    type Result = ();

    fn handle(&mut self, LeaseDropped(lease): LeaseDropped, context: &mut Context<Self>) {
        self.outbox.on_lease_dropped(lease);
        self.go_on(context);
    }
}

impl Handler<UploadEnded> for Uploader {
    type Result = ();

    fn handle(&mut self, UploadEnded { key, ended }: UploadEnded, context: &mut Context<Self>) {
        self.uploads.remove(&key);
        self.outbox.on_ended(key, ended, self.place.clock.now().mono);
        self.go_on(context);
    }
}

impl Handler<DeadlineDue> for Uploader {
    type Result = ();

    fn handle(&mut self, _: DeadlineDue, context: &mut Context<Self>) {
        self.timer = None;
        self.go_on(context);
    }
}
