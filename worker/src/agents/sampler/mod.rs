//! Takes a sample of the machine each second and hands it to the coordinator, which keeps the newest. It
//! knows no network. Nobody sends to it. Where it sees the disk get low it has cached inputs removed: a
//! worker that takes no work for want of room would otherwise never come to make any.

use std::sync::{Arc, PoisonError};

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::prelude::{Actor, AsyncContext, Context};
use pictor_actors::now::Mono;
use pictor_actors::units::Millis;

use super::coordinator::SampleTaken;
use super::{Workplace, tell};

/// How often: what the worker's page calls live.
const EVERY: Millis = Millis::from_secs(1);

/// Between two tries to make room on a disk that stays low.
const ROOM_EVERY: Millis = Millis::from_secs(30);

/// The actor.
pub struct Sampler {
    place: Arc<Workplace>,
    /// Room is being made, or was a moment ago.
    no_room_before: Option<Mono>,
    /// A driver that hangs must not pile up threads.
    is_sampling: bool,
}

impl Sampler {
    /// Of the machine at this place.
    #[must_use]
    pub fn new(place: Arc<Workplace>) -> Self {
        Self { place, no_room_before: None, is_sampling: false }
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
                Ok(taken) => {
                    if let Some(free) = taken.disk_free_bytes {
                        sampler.keep_room(free);
                    }
                    tell(&sampler.place.doors().coordinator, taken);
                }
                Err(error) => tracing::warn!(%error, "a sample could not be taken"),
            }
        }));
    }

    /// Begins before the worker pauses for want of room, and goes on until that pause would end.
    fn keep_room(&mut self, free: u64) {
        let now = self.place.clock.now().mono;
        let least = self.place.settings.disk_free_bytes_min;
        let is_too_soon = self.no_room_before.is_some_and(|before| now < before);
        if is_too_soon || free >= least.saturating_add(least / 4) {
            return;
        }
        self.no_room_before = Some(now.plus(ROOM_EVERY));
        let inputs = Arc::clone(&self.place.inputs);
        let wanted = least.saturating_add(least / 2) - free;
        // Nobody waits for it: the next samples show what it brought.
        tokio::task::spawn_blocking(move || {
            let freed = inputs.make_room(wanted);
            tracing::info!(free, wanted, freed, "the disk is low: cached inputs were removed");
        });
    }
}

impl Actor for Sampler {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.sample(context);
        context.run_interval(EVERY.to_duration(), Self::sample);
    }
}
