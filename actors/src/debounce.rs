//! Cuts bursts: the first call acts at once, those that follow within the cool-down act together at its end.

use actix::prelude::{Actor, AsyncContext, Context};

use crate::now::Mono;
use crate::units::Millis;

/// The state, pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debounce {
    cool_down: Millis,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Quiet,
    Cooling { until: Mono },
    Due { at: Mono },
}

/// What a call leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Debounced {
    /// Act now.
    ActNow,
    /// Act at this moment: set a timer and call [`Debounce::fired`] then.
    ActAt(Mono),
    /// A timer is set already.
    Waiting,
}

impl Debounce {
    /// At most one action every `cool_down`.
    #[must_use]
    pub const fn new(cool_down: Millis) -> Self {
        Self { cool_down, state: State::Quiet }
    }

    /// Somebody wants an action.
    pub fn called(&mut self, now: Mono) -> Debounced {
        match self.state {
            State::Cooling { until } if now < until => {
                self.state = State::Due { at: until };
                Debounced::ActAt(until)
            }
            State::Quiet | State::Cooling { .. } => {
                self.state = State::Cooling { until: now.plus(self.cool_down) };
                Debounced::ActNow
            }
            State::Due { .. } => Debounced::Waiting,
        }
    }

    /// The timer fired: `true` if it is time to act (a timer may fire early or twice).
    pub fn fired(&mut self, now: Mono) -> bool {
        match self.state {
            State::Due { at } if now >= at => {
                self.state = State::Cooling { until: now.plus(self.cool_down) };
                true
            }
            State::Quiet | State::Cooling { .. } | State::Due { .. } => false,
        }
    }
}

/// Glue for an actor: `act` runs now, or once when the cool-down is over. `debounce` finds the state in the
/// actor.
pub fn debounced<A>(
    actor: &mut A,
    context: &mut Context<A>,
    now: Mono,
    debounce: fn(&mut A) -> &mut Debounce,
    act: fn(&mut A, &mut Context<A>),
) where
    A: Actor<Context = Context<A>>,
{
    match debounce(actor).called(now) {
        Debounced::ActNow => act(actor, context),
        Debounced::Waiting => {}
        Debounced::ActAt(at) => {
            context.run_later(now.until(at).to_duration(), move |actor, context| {
                // The timer is the runtime's, `at` the caller's clock: the deadline itself is what was waited
                // for.
                if debounce(actor).fired(at) {
                    act(actor, context);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn actions_are_apart_and_no_call_is_forgotten(
            cool_down in 1u64..100,
            gaps in proptest::collection::vec(0u64..150, 1..80),
        ) {
            let mut debounce = Debounce::new(Millis(cool_down));
            let (mut now, mut timer, mut acted, mut last_call) = (0, None, Vec::new(), 0);
            for gap in gaps {
                let next = now + gap;
                if let Some(at) = timer.filter(|&at| at <= next) {
                    prop_assert!(debounce.fired(Mono(at)));
                    acted.push(at);
                    timer = None;
                }
                now = next;
                last_call = now;
                match debounce.called(Mono(now)) {
                    Debounced::ActNow => { prop_assert!(timer.is_none()); acted.push(now); }
                    Debounced::ActAt(at) => { prop_assert!(timer.is_none()); timer = Some(at.0); }
                    Debounced::Waiting => prop_assert!(timer.is_some()),
                }
            }
            if let Some(at) = timer {
                prop_assert!(debounce.fired(Mono(at)));
                acted.push(at);
            }
            prop_assert!(acted.windows(2).all(|two| two[1] - two[0] >= cool_down), "{acted:?}");
            prop_assert!(acted.last().is_some_and(|&at| at >= last_call && at - last_call <= cool_down));
        }
    }

    #[test]
    fn an_early_or_second_firing_does_nothing() {
        let mut debounce = Debounce::new(Millis(10));
        assert_eq!(debounce.called(Mono(0)), Debounced::ActNow);
        assert_eq!(debounce.called(Mono(3)), Debounced::ActAt(Mono(10)));
        assert!(!debounce.fired(Mono(9)));
        assert!(debounce.fired(Mono(10)));
        assert!(!debounce.fired(Mono(10)));
    }
}
