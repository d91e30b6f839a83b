//! The steps of a slot, one function an event; the caller checks that nothing is left out.

use super::{
    AttemptOutcome, CancelReason, DeclineReason, Effect, Engine, FRAMES_PER_PROCESS_MAX, FRAMES_PER_TASK_MAX,
    FailureClass, JobId, LeaseRef, Mono, Phase, Refused, STOP_MAX, Slot, Step, WARM_FOR, Work,
};

type Done = (Slot, Vec<Effect>);

impl Slot {
    pub(super) fn offered(mut self, lease: LeaseRef, job: JobId, frames: Vec<i32>) -> Done {
        if self.leases().contains(&lease) {
            return (self, vec![Effect::Accept(lease)]);
        }
        if frames.is_empty() || frames.len() > FRAMES_PER_TASK_MAX {
            let text = format!("a task of {} frames", frames.len());
            return (self, vec![Effect::Decline(lease, DeclineReason::CannotRun { text })]);
        }
        let taken = vec![Effect::Accept(lease), Effect::FetchInputs(lease)];
        let work = Work::new(lease, job, frames);
        match self.phase {
            _ if self.is_closing => (self, vec![Effect::Decline(lease, DeclineReason::NotAccepting)]),
            Phase::Idle { .. } => {
                self.phase = Phase::Fetching(work);
                (self, taken)
            }
            Phase::Fetching(_) | Phase::Loading(_) | Phase::Rendering(_) | Phase::Stopping { .. }
                if self.ahead.is_none() =>
            {
                self.ahead = Some(work);
                (self, taken)
            }
            Phase::Fetching(_) | Phase::Loading(_) | Phase::Rendering(_) | Phase::Stopping { .. } => {
                (self, vec![Effect::Decline(lease, DeclineReason::SlotBusy)])
            }
            Phase::Closed => (self, vec![Effect::Decline(lease, DeclineReason::NotAccepting)]),
        }
    }

    pub(super) fn inputs_ready(mut self, lease: LeaseRef, now: Mono) -> Step {
        if let Some(ahead) = self.ahead.as_mut().filter(|ahead| ahead.lease == lease) {
            ahead.has_inputs = true;
            return Ok((self, Vec::new()));
        }
        match &mut self.phase {
            Phase::Fetching(work) if work.lease == lease => {
                work.has_inputs = true;
                let work = work.clone();
                Ok(self.begin(work, now))
            }
            Phase::Stopping { work: Some(work), .. } if work.lease == lease => {
                work.has_inputs = true;
                Ok((self, Vec::new()))
            }
            Phase::Idle { .. }
            | Phase::Fetching(_)
            | Phase::Loading(_)
            | Phase::Rendering(_)
            | Phase::Stopping { .. }
            | Phase::Closed => Err(self.refuse("inputs of a lease it does not wait for")),
        }
    }

    pub(super) fn inputs_failed(
        mut self,
        lease: LeaseRef,
        class: FailureClass,
        message: String,
        now: Mono,
    ) -> Step {
        let ended = AttemptOutcome::Failed { class, message, frame: None };
        if self.ahead.as_ref().is_some_and(|ahead| ahead.lease == lease) {
            self.ahead = None;
            return Ok((self, given_back(lease, ended)));
        }
        match &mut self.phase {
            Phase::Fetching(work) if work.lease == lease => Ok(self.next(given_back(lease, ended), now)),
            // Nobody fetches anew: a lease that went on without its inputs would wait for ever.
            Phase::Stopping { work, .. }
                if work.as_ref().is_some_and(|work| work.lease == lease && !work.has_inputs) =>
            {
                *work = None;
                Ok((self, given_back(lease, ended)))
            }
            Phase::Idle { .. }
            | Phase::Fetching(_)
            | Phase::Loading(_)
            | Phase::Rendering(_)
            | Phase::Stopping { .. }
            | Phase::Closed => Err(self.refuse("a failed fetch of a lease it does not wait for")),
        }
    }

    pub(super) fn engine_ready(mut self, now: Mono) -> Step {
        match self.phase {
            Phase::Loading(work) => {
                self.engine = Engine::Warm { job: work.job, frames_left: FRAMES_PER_PROCESS_MAX };
                self.phase = Phase::Closed; // replaced by `begin` at once
                Ok(self.begin(work, now))
            }
            // It was killed while it started.
            Phase::Stopping { .. } => Ok((self, Vec::new())),
            Phase::Idle { .. } | Phase::Fetching(_) | Phase::Rendering(_) | Phase::Closed => {
                Err(self.refuse("an engine that is ready"))
            }
        }
    }

    pub(super) fn engine_worn(mut self) -> Step {
        match &mut self.engine {
            Engine::Warm { frames_left, .. } => {
                *frames_left = 0;
                Ok((self, Vec::new()))
            }
            Engine::Absent | Engine::Starting => Err(self.refuse("wear of an engine it does not have")),
        }
    }

    pub(super) fn frame_written(mut self, frame: i32, now: Mono) -> Step {
        match self.phase {
            Phase::Rendering(mut work) if work.in_hand == Some(frame) => {
                work.in_hand = None;
                work.spooling.insert(frame);
                let mut effects = vec![Effect::SpoolFrame { lease: work.lease, frame }];
                if let Engine::Warm { frames_left, .. } = &mut self.engine {
                    *frames_left = frames_left.saturating_sub(1);
                }
                if work.todo.is_empty() || work.is_stopping {
                    self.phase = Phase::Rendering(work);
                    return Ok((self, effects));
                }
                self.phase = Phase::Closed; // replaced by `begin` at once
                let (slot, more) = self.begin(work, now);
                effects.extend(more);
                Ok((slot, effects))
            }
            Phase::Idle { .. }
            | Phase::Fetching(_)
            | Phase::Loading(_)
            | Phase::Rendering(_)
            | Phase::Stopping { .. }
            | Phase::Closed => Err(self.refuse("a frame that is not in hand")),
        }
    }

    pub(super) fn frame_spooled(mut self, lease: LeaseRef, frame: i32, now: Mono) -> Step {
        let is_known = self.work_mut(lease).is_some_and(|work| {
            let was_there = work.spooling.remove(&frame);
            work.frames_done += u32::from(was_there);
            was_there
        });
        if !is_known {
            return Err(self.refuse("a kept frame of a lease it does not run"));
        }
        match &self.phase {
            Phase::Rendering(work) if work.is_over() => {
                let outcome =
                    if work.todo.is_empty() { AttemptOutcome::Rendered } else { AttemptOutcome::Stopped };
                Ok(self.next(given_back(lease, outcome), now))
            }
            Phase::Idle { .. }
            | Phase::Fetching(_)
            | Phase::Loading(_)
            | Phase::Rendering(_)
            | Phase::Stopping { .. }
            | Phase::Closed => Ok((self, Vec::new())),
        }
    }

    pub(super) fn frame_not_spooled(
        mut self,
        lease: LeaseRef,
        frame: i32,
        class: FailureClass,
        message: String,
        now: Mono,
    ) -> Step {
        if !self.work_mut(lease).is_some_and(|work| work.spooling.contains(&frame)) {
            return Err(self.refuse("a lost frame of a lease it does not run"));
        }
        Ok(self.fail(AttemptOutcome::Failed { class, message, frame: Some(frame) }, now))
    }

    pub(super) fn engine_failed(
        self,
        class: FailureClass,
        message: String,
        frame: Option<i32>,
        now: Mono,
    ) -> Step {
        match &self.phase {
            Phase::Loading(work) | Phase::Rendering(work) => {
                let frame = frame.or(work.in_hand);
                Ok(self.fail(AttemptOutcome::Failed { class, message, frame }, now))
            }
            Phase::Idle { .. } | Phase::Fetching(_) if self.engine != Engine::Absent => {
                Ok(self.drop_engine(now))
            }
            // It was killed: what it says about that is no failure.
            Phase::Stopping { .. } => Ok((self, Vec::new())),
            Phase::Idle { .. } | Phase::Fetching(_) | Phase::Closed => {
                Err(self.refuse("a failure of an engine it does not have"))
            }
        }
    }

    pub(super) fn engine_exited(mut self, now: Mono) -> Step {
        match self.phase {
            Phase::Stopping { work, .. } => {
                self.engine = Engine::Absent;
                self.phase = Phase::Closed; // replaced below
                Ok(match work {
                    Some(work) => self.go_on(work, now),
                    None => self.next(Vec::new(), now),
                })
            }
            Phase::Rendering(ref work) if work.in_hand.is_none() => {
                self.engine = Engine::Absent;
                Ok((self, Vec::new()))
            }
            Phase::Loading(ref work) | Phase::Rendering(ref work) => {
                let frame = work.in_hand;
                let message =
                    "the engine's process ended without a word; its last lines are in the log".into();
                self.engine = Engine::Absent;
                Ok(self.fail(AttemptOutcome::Failed { class: FailureClass::Crash, message, frame }, now))
            }
            Phase::Idle { ref mut warm_until } => {
                *warm_until = None;
                self.engine = Engine::Absent;
                Ok((self, Vec::new()))
            }
            Phase::Fetching(_) => {
                self.engine = Engine::Absent;
                Ok((self, Vec::new()))
            }
            Phase::Closed => Err(self.refuse("the end of an engine it does not have")),
        }
    }

    pub(super) fn cancelled(mut self, lease: LeaseRef, reason: CancelReason, now: Mono) -> Step {
        let gone = given_back(lease, AttemptOutcome::Stopped);
        if self.ahead.as_ref().is_some_and(|ahead| ahead.lease == lease) {
            self.ahead = None;
            return Ok((self, gone));
        }
        match &mut self.phase {
            Phase::Fetching(work) if work.lease == lease => Ok(self.next(gone, now)),
            Phase::Rendering(work) if work.lease == lease && may_finish_frame(work, reason) => {
                work.is_stopping = true;
                Ok((self, Vec::new()))
            }
            Phase::Rendering(work) if work.lease == lease && work.in_hand.is_none() => {
                Ok(self.next(gone, now))
            }
            Phase::Loading(work) | Phase::Rendering(work) if work.lease == lease => {
                Ok(self.fail(AttemptOutcome::Stopped, now))
            }
            Phase::Stopping { work, .. } if work.as_ref().is_some_and(|work| work.lease == lease) => {
                *work = None;
                Ok((self, gone))
            }
            Phase::Idle { .. }
            | Phase::Fetching(_)
            | Phase::Loading(_)
            | Phase::Rendering(_)
            | Phase::Stopping { .. }
            | Phase::Closed => Err(self.refuse("a cancel of a lease it does not hold")),
        }
    }

    pub(super) fn stop_asked(mut self, now: Mono) -> Done {
        if self.is_closing {
            return (self, Vec::new());
        }
        self.is_closing = true;
        let mut effects = Vec::new();
        for lease in self.leases() {
            effects.extend(given_back(lease, AttemptOutcome::Stopped));
        }
        self.ahead = None;
        match self.phase {
            Phase::Stopping { ref mut work, .. } => {
                *work = None;
                (self, effects)
            }
            Phase::Idle { .. } | Phase::Fetching(_) | Phase::Loading(_) | Phase::Rendering(_) => {
                let (slot, more) = self.drop_engine_or_next(now);
                effects.extend(more);
                (slot, effects)
            }
            Phase::Closed => (self, effects),
        }
    }

    pub(super) fn deadline_due(mut self, now: Mono) -> Done {
        match self.phase {
            Phase::Idle { warm_until: Some(until) } if until <= now => self.drop_engine(now),
            Phase::Stopping { ref mut work, deadline } if deadline <= now => {
                let work = work.take();
                self.engine = Engine::Absent;
                match work {
                    Some(work) => self.go_on(work, now),
                    None => self.next(Vec::new(), now),
                }
            }
            // A timer may fire early; it is armed again.
            Phase::Idle { .. }
            | Phase::Fetching(_)
            | Phase::Loading(_)
            | Phase::Rendering(_)
            | Phase::Stopping { .. }
            | Phase::Closed => (self, Vec::new()),
        }
    }

    /// Goes on with a lease whose inputs may or may not be there yet.
    fn go_on(mut self, work: Work, now: Mono) -> Done {
        if work.has_inputs {
            return self.begin(work, now);
        }
        self.phase = Phase::Fetching(work);
        (self, Vec::new())
    }

    /// The next frame of a lease whose inputs are in place, with an engine that suits it.
    fn begin(mut self, mut work: Work, now: Mono) -> Done {
        match self.engine {
            Engine::Warm { job, frames_left } if job == work.job && frames_left > 0 => {
                let mut effects = Vec::new();
                if !work.is_started {
                    work.is_started = true;
                    effects.push(Effect::ReportStarted(work.lease));
                }
                work.in_hand = work.todo.pop_front();
                effects.extend(work.in_hand.map(|frame| Effect::RenderFrame { lease: work.lease, frame }));
                self.phase = Phase::Rendering(work);
                (self, effects)
            }
            Engine::Warm { .. } | Engine::Starting => {
                self.phase = Phase::Stopping { work: Some(work), deadline: now.plus(STOP_MAX) };
                (self, vec![Effect::KillEngine])
            }
            Engine::Absent => {
                let lease = work.lease;
                self.engine = Engine::Starting;
                self.phase = Phase::Loading(work);
                (self, vec![Effect::StartEngine(lease)])
            }
        }
    }

    /// The lease in hand is over: the one ahead, or nothing.
    fn next(mut self, mut effects: Vec<Effect>, now: Mono) -> Done {
        if let Some(work) = self.ahead.take() {
            let (slot, more) = self.go_on(work, now);
            effects.extend(more);
            return (slot, effects);
        }
        let is_warm = self.engine != Engine::Absent;
        if self.is_closing && !is_warm {
            self.phase = Phase::Closed;
            effects.push(Effect::Closed);
        } else {
            self.phase = Phase::Idle { warm_until: is_warm.then(|| now.plus(WARM_FOR)) };
        }
        (self, effects)
    }

    /// Ends the attempt in hand with its engine: after a failure nothing in that process can be trusted.
    fn fail(self, outcome: AttemptOutcome, now: Mono) -> Done {
        let mut effects = self.work().map(|work| given_back(work.lease, outcome)).unwrap_or_default();
        let (slot, more) = self.drop_engine_or_next(now);
        effects.extend(more);
        (slot, effects)
    }

    fn drop_engine_or_next(self, now: Mono) -> Done {
        if self.engine == Engine::Absent { self.next(Vec::new(), now) } else { self.drop_engine_only(now) }
    }

    /// Kills the engine; a lease that only waits for its inputs goes on afterwards.
    fn drop_engine(mut self, now: Mono) -> Done {
        let work = match &mut self.phase {
            Phase::Fetching(work) => Some(work.clone()),
            Phase::Idle { .. }
            | Phase::Loading(_)
            | Phase::Rendering(_)
            | Phase::Stopping { .. }
            | Phase::Closed => None,
        };
        self.phase = Phase::Stopping { work, deadline: now.plus(STOP_MAX) };
        (self, vec![Effect::KillEngine])
    }

    fn drop_engine_only(mut self, now: Mono) -> Done {
        self.phase = Phase::Stopping { work: None, deadline: now.plus(STOP_MAX) };
        (self, vec![Effect::KillEngine])
    }

    fn work_mut(&mut self, lease: LeaseRef) -> Option<&mut Work> {
        let work = match &mut self.phase {
            Phase::Fetching(work) | Phase::Loading(work) | Phase::Rendering(work) => Some(work),
            Phase::Stopping { work, .. } => work.as_mut(),
            Phase::Idle { .. } | Phase::Closed => None,
        };
        work.filter(|work| work.lease == lease)
    }

    fn refuse(&self, event: &'static str) -> Refused {
        Refused { machine: "slot", state: self.phase.word(), event }
    }
}

/// A paused job's frame in hand is worth keeping; a cancelled or superseded one is not.
fn may_finish_frame(work: &Work, reason: CancelReason) -> bool {
    match reason {
        CancelReason::JobPaused => work.in_hand.is_some() || !work.spooling.is_empty(),
        CancelReason::JobCancelled | CancelReason::Superseded | CancelReason::NotAnswered => false,
    }
}

fn given_back(lease: LeaseRef, outcome: AttemptOutcome) -> Vec<Effect> {
    vec![Effect::ReportEnded(lease, outcome), Effect::ReleaseInputs(lease)]
}
