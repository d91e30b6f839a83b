//! What a try of an engine came to, and how long that is believed. Pure: the time comes in.

use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::units::{Millis, UnixMillis};
use serde::{Deserialize, Serialize};

/// An engine that brought no picture in time is tried again after this, then after twice as long, and so on.
const AGAIN_FIRST: Millis = Millis::from_secs(10 * 60);
/// It costs a processor for a minute: at most once a day.
const AGAIN_MAX: Millis = Millis::from_secs(24 * 3_600);

/// What a try came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// It rendered.
    Runs,
    /// It said why it does not; so it stays until the program changes.
    RunsNot { why: String },
    /// No picture came in time: the engine may be hopeless here, or the machine was slow this once.
    TooSlow { why: String, tries: u32, again_at: UnixMillis },
}

impl Outcome {
    /// `why_not` is what the try told; nothing: it rendered. `before` is what the try before came to.
    pub(super) fn of(
        why_not: Option<String>,
        is_too_slow: bool,
        before: Option<&Self>,
        now: UnixMillis,
    ) -> Self {
        let Some(why) = why_not else { return Self::Runs };
        if !is_too_slow {
            return Self::RunsNot { why };
        }
        let tries = match before {
            Some(Self::TooSlow { tries, .. }) => tries.saturating_add(1),
            Some(Self::Runs | Self::RunsNot { .. }) | None => 1,
        };
        let doubled = AGAIN_FIRST.0.saturating_mul(1_u64.checked_shl(tries - 1).unwrap_or(u64::MAX));
        Self::TooSlow { why, tries, again_at: now.plus(Millis(doubled).min(AGAIN_MAX)) }
    }

    /// Why it does not run; nothing: it does.
    pub(super) fn why_not(&self) -> Option<&str> {
        match self {
            Self::Runs => None,
            Self::RunsNot { why } | Self::TooSlow { why, .. } => Some(why),
        }
    }

    /// When it is worth another try: zero, now; nothing, never.
    pub(super) fn again_after(&self, now: UnixMillis) -> Option<Millis> {
        match self {
            Self::Runs | Self::RunsNot { .. } => None,
            // A clock that was set back must not keep it waiting.
            Self::TooSlow { again_at, .. } => {
                Some(now.until(*again_at)).map(|left| if left > AGAIN_MAX { Millis(0) } else { left })
            }
        }
    }
}

/// Something that a program lacks here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What, in words.
    pub lack: String,
    /// What its owner can do.
    pub advice: &'static str,
}

impl Note {
    pub(super) fn of_engine(engine: RenderEngine, gpu: Option<&str>, outcome: &Outcome) -> Option<Self> {
        let why = outcome.why_not()?;
        let device = gpu.map_or("here".to_owned(), |kind| format!("on {kind}"));
        let advice = match (outcome, engine, gpu) {
            (Outcome::TooSlow { .. }, _, _) => {
                "nothing: it is tried again by itself, at most once a day; until then its tasks go elsewhere"
            }
            (_, RenderEngine::Cycles, Some(_)) => {
                "update NVIDIA's driver, or install a Blender that is made for this GPU (blender.org's are)"
            }
            (_, RenderEngine::Cycles, None) => "install a Blender that has Cycles (blender.org's have)",
            (_, RenderEngine::Eevee | RenderEngine::Workbench, _) => {
                "install a graphics driver that works without a display (EGL); its tasks go elsewhere"
            }
            // No program has it, so none is asked for it.
            (_, RenderEngine::Simulated, _) => return None,
        };
        Some(Self { lack: format!("{engine:?} does not run {device}: {why}"), advice })
    }

    pub(super) fn no_denoiser() -> Self {
        Self {
            lack: "this build has no denoiser: scenes are rendered without".to_owned(),
            advice: "install a Blender that has one (blender.org's have), if creators ask for it",
        }
    }

    pub(super) fn silent() -> Self {
        Self {
            lack: "it did not answer at one of its probes".to_owned(),
            advice: "start the program by hand and see what it says; it is asked again at the next start",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn too_slow(before: Option<&Outcome>, now: UnixMillis) -> Outcome {
        Outcome::of(Some("no picture in 60 s".into()), true, before, now)
    }

    #[test]
    fn a_time_out_is_tried_again_ever_more_seldom_but_never_given_up() {
        let mut outcome = too_slow(None, NOW);
        let mut waits = Vec::new();
        for _ in 0..12 {
            waits.push(outcome.again_after(NOW).unwrap());
            outcome = too_slow(Some(&outcome), NOW);
        }
        assert_eq!(waits[..3], [AGAIN_FIRST, Millis(AGAIN_FIRST.0 * 2), Millis(AGAIN_FIRST.0 * 4)]);
        assert_eq!(waits.last(), Some(&AGAIN_MAX));
        assert!(waits.is_sorted());
        for _ in 0..100 {
            outcome = too_slow(Some(&outcome), NOW);
        }
        assert_eq!(outcome.again_after(NOW), Some(AGAIN_MAX), "no wrap-around");
        assert_eq!(outcome.again_after(NOW.plus(AGAIN_MAX)), Some(Millis(0)));
        assert_eq!(outcome.again_after(UnixMillis(0)), Some(Millis(0)), "the clock was set back");
    }

    #[test]
    fn what_was_told_is_believed() {
        let runs = Outcome::of(None, false, Some(&too_slow(None, NOW)), NOW);
        assert_eq!((runs.why_not(), runs.again_after(NOW)), (None, None));
        let not = Outcome::of(Some("no such engine".into()), false, None, NOW);
        assert_eq!((not.why_not(), not.again_after(NOW)), (Some("no such engine"), None));
    }

    #[test]
    fn every_lack_comes_with_an_advice() {
        let outcomes = [Outcome::RunsNot { why: "no kernel".into() }, too_slow(None, NOW)];
        for engine in [RenderEngine::Cycles, RenderEngine::Eevee, RenderEngine::Workbench] {
            for (outcome, gpu) in outcomes.iter().zip([Some("A GPU with driver 1"), None]) {
                let note = Note::of_engine(engine, gpu, outcome).unwrap();
                assert!(note.advice.len() > 10 && !note.lack.is_empty(), "{note:?}");
                assert_eq!(note.lack.contains("A GPU"), gpu.is_some(), "{note:?}");
            }
            assert_eq!(Note::of_engine(engine, None, &Outcome::Runs), None);
        }
    }
}
