//! Takes a sample of the machine each second and hands it to the coordinator, which keeps the newest. It
//! knows no network. Nobody sends to it.

use std::sync::{Arc, PoisonError};

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::prelude::{Actor, AsyncContext, Context};
use pictor_actors::units::Millis;

use super::coordinator::SampleTaken;
use super::{Workplace, tell};

/// How often: what the worker's page calls live.
const EVERY: Millis = Millis::from_secs(1);

/// The actor.
pub struct Sampler {
    place: Arc<Workplace>,
    /// A driver that hangs must not pile up threads.
    is_sampling: bool,
}

impl Sampler {
    /// Of the machine at this place.
    #[must_use]
    pub fn new(place: Arc<Workplace>) -> Self {
        Self { place, is_sampling: false }
    }

    fn sample(&mut self, context: &mut Context<Self>) {
        if self.is_sampling {
            return;
        }
        self.is_sampling = true;
        let machine = Arc::clone(&self.place.machine);
        let now = self.place.clock.now().wall;
        let sampling = tokio::task::spawn_blocking(move || {
            let mut machine = machine.lock().unwrap_or_else(PoisonError::into_inner);
            SampleTaken { sample: machine.sample(now), disk_free_bytes: machine.disk_free_bytes() }
        });
        context.spawn(sampling.into_actor(self).map(|taken, sampler, _| {
            sampler.is_sampling = false;
            match taken {
                Ok(taken) => tell(&sampler.place.doors().coordinator, taken),
                Err(error) => tracing::warn!(%error, "a sample could not be taken"),
            }
        }));
    }
}

impl Actor for Sampler {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.sample(context);
        context.run_interval(EVERY.to_duration(), Self::sample);
    }
}
