//! The actor around the hub: one timer, no I/O.

use std::sync::Arc;

use actix::prelude::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use pictor_actors::now::Clock;

use super::hub::Hub;
use super::messages::{Announce, Subscribe};
use super::subscription::Subscription;

/// Owns every open page's queue.
pub struct Broadcast {
    hub: Hub,
    clock: Arc<dyn Clock>,
    timer: Option<SpawnHandle>,
}

impl Broadcast {
    /// Nobody listens yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { hub: Hub::new(clock.now().wall.0), clock, timer: None }
    }

    fn arm(&mut self, context: &mut Context<Self>) {
        if self.timer.is_some() {
            return;
        }
        let Some(at) = self.hub.next_deadline() else { return };
        let after = self.clock.now().mono.until(at).to_duration();
        self.timer = Some(context.run_later(after, |broadcast, context| {
            broadcast.timer = None;
            broadcast.hub.flush(broadcast.clock.now().mono);
            broadcast.arm(context);
        }));
    }
}

impl Actor for Broadcast {
    type Context = Context<Self>;
}

impl Handler<Announce> for Broadcast {
    type Result = ();

    fn handle(&mut self, announce: Announce, context: &mut Context<Self>) {
        self.hub.announce(announce, self.clock.now().mono);
        self.arm(context);
    }
}

impl Handler<Subscribe> for Broadcast {
    type Result = Option<Subscription>;

    fn handle(&mut self, subscribe: Subscribe, _context: &mut Context<Self>) -> Option<Subscription> {
        self.hub.subscribe(subscribe.topic, &subscribe.rows, subscribe.after).ok()
    }
}
