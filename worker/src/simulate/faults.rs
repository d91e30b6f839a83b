//! What goes wrong on purpose, and when: each kind hits each worker at times of its own.

use std::fmt;

use pictor_actors::now::Mono;
use pictor_actors::units::Millis;

use super::dice::Dice;
use super::plan::Plan;

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The worker's program dies; a new one comes soon. What is in the spool stays.
    Crash,
    /// The program stands still with its socket open, as a stopped process: nothing said, nothing heard.
    Silence,
    /// Heartbeats come late.
    SlowBeats,
    /// The line is cut without a word, and opened anew.
    Cut,
    /// Every message is said twice.
    Duplicate,
    /// Messages wait on their way, some longer than those behind them.
    Late,
    /// A frame that was delivered is sent again under the fence before its own.
    StaleFence,
    /// The worker speaks and hears nothing.
    OneWay,
    /// A second machine runs under the same identity.
    Twin,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Crash,
        Self::Silence,
        Self::SlowBeats,
        Self::Cut,
        Self::Duplicate,
        Self::Late,
        Self::StaleFence,
        Self::OneWay,
        Self::Twin,
    ];

    /// As it is written on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Silence => "silence",
            Self::SlowBeats => "slow-beats",
            Self::Cut => "cut",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::StaleFence => "stale-fence",
            Self::OneWay => "one-way",
            Self::Twin => "twin",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When the next fault of each kind comes, and which last at this moment.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    kinds: Vec<Timed>,
}

#[derive(Debug, Clone)]
struct Timed {
    kind: FaultKind,
    every: Millis,
    next_at: Mono,
    until: Option<Mono>,
}

impl Faults {
    /// Of one worker.
    #[must_use]
    pub fn new(plan: &Plan, dice: &mut Dice, now: Mono) -> Self {
        let timed = |(kind, every): &(FaultKind, Millis)| Timed {
            kind: *kind,
            every: *every,
            next_at: now.plus(dice.wait(*every)),
            until: None,
        };
        Self { kinds: plan.faults.iter().map(timed).collect() }
    }

    /// The faults that begin now. Those with a length last from now on; see [`Faults::is_on`].
    pub fn begin(&mut self, length: Millis, dice: &mut Dice, now: Mono) -> Vec<FaultKind> {
        let mut begun = Vec::new();
        for timed in &mut self.kinds {
            if timed.until.is_some_and(|until| until <= now) {
                timed.until = None;
            }
            if timed.next_at <= now {
                timed.until = Some(now.plus(length));
                timed.next_at = now.plus(length).plus(dice.wait(timed.every));
                begun.push(timed.kind);
            }
        }
        begun
    }

    /// Whether a fault lasts.
    #[must_use]
    pub fn is_on(&self, kind: FaultKind, now: Mono) -> bool {
        self.until(kind).is_some_and(|until| until > now)
    }

    /// When a fault that lasts ends.
    #[must_use]
    pub fn until(&self, kind: FaultKind) -> Option<Mono> {
        self.kinds.iter().find(|timed| timed.kind == kind)?.until
    }

    /// When something begins or ends.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        self.kinds
            .iter()
            .map(|timed| timed.until.map_or(timed.next_at, |until| until.min(timed.next_at)))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_comes_about_as_often_as_asked_and_lasts_as_long() {
        let plan = Plan { faults: vec![(FaultKind::Cut, Millis(1_000))], ..Plan::default() };
        let mut dice = Dice::new(3, 0);
        let mut faults = Faults::new(&plan, &mut dice, Mono(0));
        let (mut begun, mut now, length) = (0_u64, Mono(0), Millis(500));
        while begun < 1_000 {
            let next = faults.next_deadline().unwrap();
            assert!(next > now || begun == 0, "it would be asked for ever");
            now = next;
            let kinds = faults.begin(length, &mut dice, now);
            begun += u64::try_from(kinds.len()).unwrap();
            if !kinds.is_empty() {
                assert!(faults.is_on(FaultKind::Cut, now) && !faults.is_on(FaultKind::Cut, now.plus(length)));
            }
        }
        let mean = now.0 / begun;
        assert!((1_400..1_600).contains(&mean), "{mean} ms from one to the next");
        assert_eq!(Faults::new(&Plan::default(), &mut dice, now).next_deadline(), None);
    }

    #[test]
    fn names_read_back() {
        for kind in FaultKind::ALL {
            assert_eq!(FaultKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(FaultKind::parse("earthquake"), None);
    }
}
