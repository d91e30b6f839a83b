//! When a turn is taken. What a turn does is [`super::turn`].

use std::collections::BTreeMap;
use std::rc::Rc;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::prelude::{Actor, ActorContext, AsyncContext, Context, Handler};
use pictor_actors::debounce::{Debounce, debounced};
use pictor_actors::ids::{JobId, WorkerId};
use pictor_actors::now::Mono;
use pictor_actors::units::Millis;

use super::messages::{SlotDeclined, Wake};
use super::turn::{self, Reach, Taken};
use crate::agents::jobs::{JobsWait, SlotsSeen};
use crate::store::StoreError;

/// Wake-ups within this time make one turn: short beside the 50 ms that may lie between two frames.
const TURNS_APART: Millis = Millis(4);
/// A turn is taken this often without being asked for: tasks whose wait is over, wake-ups that were lost.
const TURN_EVERY: Millis = Millis(2_000);
/// A slot that declined is left alone for so long.
const DECLINED_FOR: Millis = Millis::from_secs(5);

/// The dispatcher. It keeps no copy of anything that counts.
pub struct Dispatcher {
    reach: Rc<Reach>,
    debounce: Debounce,
    /// One turn at a time; what comes meanwhile makes another one.
    is_busy: bool,
    is_due: bool,
    declined: BTreeMap<(WorkerId, u16), Mono>,
    seen: Option<SlotsSeen>,
    waiting: BTreeMap<JobId, Vec<String>>,
}

impl Dispatcher {
    pub(super) fn new(reach: Rc<Reach>) -> Self {
        Self {
            reach,
            debounce: Debounce::new(TURNS_APART),
            is_busy: false,
            is_due: false,
            declined: BTreeMap::new(),
            seen: None,
            waiting: BTreeMap::new(),
        }
    }

    fn wake(&mut self, context: &mut Context<Self>) {
        let now = self.reach.ports.clock.now().mono;
        debounced(self, context, now, |actor| &mut actor.debounce, Self::take_turn);
    }

    fn take_turn(&mut self, context: &mut Context<Self>) {
        if self.is_busy {
            self.is_due = true;
            return;
        }
        self.is_busy = true;
        let now = self.reach.ports.clock.now().mono;
        self.declined.retain(|_, until| *until > now);
        let avoid = self.declined.keys().copied().collect();
        let turn = turn::take(Rc::clone(&self.reach), avoid);
        let told = wrap_future::<_, Self>(turn)
            .map(|taken, actor, context: &mut Context<Self>| actor.on_taken(taken, context));
        context.spawn(told);
    }

    fn on_taken(&mut self, taken: Result<Taken, StoreError>, context: &mut Context<Self>) {
        self.is_busy = false;
        match taken {
            Ok(taken) => self.tell(taken),
            Err(error @ StoreError::Unknown(_)) => {
                tracing::warn!(%error, "a turn may have granted leases that nobody heard of; they expire");
                context.stop();
                return;
            }
            Err(error) => tracing::warn!(%error, "a turn was not taken"),
        }
        if std::mem::take(&mut self.is_due) {
            self.wake(context);
        }
    }

    /// Tells the jobs what has changed for them.
    fn tell(&mut self, taken: Taken) {
        if taken.is_cut_short {
            self.is_due = true;
        }
        if let Some(seen) = taken.seen.filter(|seen| self.seen != Some(*seen)) {
            // If there is no room, the next turn tries again.
            self.seen = self.reach.jobs.try_send(seen).is_ok().then_some(seen);
        }
        if taken.waiting != self.waiting && self.reach.jobs.try_send(JobsWait(taken.waiting.clone())).is_ok()
        {
            self.waiting = taken.waiting;
        }
    }
}

impl Actor for Dispatcher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.wake(context);
        context.run_interval(TURN_EVERY.to_duration(), Self::wake);
    }
}

impl Handler<Wake> for Dispatcher {
    type Result = ();

    fn handle(&mut self, _wake: Wake, context: &mut Context<Self>) {
        self.wake(context);
    }
}

impl Handler<SlotDeclined> for Dispatcher {
    type Result = ();

    fn handle(&mut self, declined: SlotDeclined, _context: &mut Context<Self>) {
        let until = self.reach.ports.clock.now().mono.plus(DECLINED_FOR);
        self.declined.insert((declined.worker, declined.slot), until);
    }
}
