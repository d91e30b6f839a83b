//! How far a job is and when it will be done. Unknown stays unknown: without a frame time there is no guess.

use pictor_actors::units::{Millis, UnixMillis};

/// Render times of a job's frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameTimes {
    /// Frames measured.
    pub count: u64,
    /// Their render times together.
    pub total: Millis,
}

impl FrameTimes {
    /// One more frame.
    pub fn add(&mut self, render: Millis) {
        self.count += 1;
        self.total = Millis(self.total.0.saturating_add(render.0));
    }

    /// Their mean; unknown before the first.
    #[must_use]
    pub fn mean(&self) -> Option<Millis> {
        (self.count > 0).then(|| Millis(self.total.0 / self.count))
    }
}

/// What an estimate rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlook {
    /// Frames that are neither stored nor given up.
    pub frames_left: u32,
    /// Parts done of the frames in hand, added up.
    pub in_hand_done: f64,
    /// Slots that render it now.
    pub slots_busy: u32,
    /// Mean render time.
    pub frame_mean: Option<Millis>,
}

/// When the last frame will be there, if all goes on as now; unknown while nothing renders or no frame time
/// is known.
#[must_use]
pub fn eta(outlook: &Outlook, now: UnixMillis) -> Option<UnixMillis> {
    let mean = outlook.frame_mean?;
    if outlook.slots_busy == 0 || outlook.frames_left == 0 {
        return None;
    }
    // No more slots can work than there are frames.
    let slots = f64::from(outlook.slots_busy.min(outlook.frames_left));
    let frames = (f64::from(outlook.frames_left) - outlook.in_hand_done).max(0.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let left = Millis((frames / slots * mean.0 as f64).round() as u64);
    Some(now.plus(left))
}

/// Part done, 0 to 1, frames in hand included.
#[must_use]
pub fn progress(frames_total: u32, frames_done: u32, in_hand_done: f64) -> f64 {
    if frames_total == 0 {
        return 0.0;
    }
    ((f64::from(frames_done) + in_hand_done) / f64::from(frames_total)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_needs_a_frame_time_and_somebody_who_renders() {
        let mut times = FrameTimes::default();
        assert_eq!(times.mean(), None);
        times.add(Millis(1_000));
        times.add(Millis(3_000));
        let outlook = Outlook { frames_left: 10, in_hand_done: 1.0, slots_busy: 3, frame_mean: times.mean() };
        assert_eq!(eta(&outlook, UnixMillis(100)), Some(UnixMillis(6_100)));
        assert_eq!(
            eta(&Outlook { frames_left: 1, in_hand_done: 0.5, ..outlook }, UnixMillis(0)),
            Some(UnixMillis(1_000))
        );
        assert_eq!(eta(&Outlook { frame_mean: None, ..outlook }, UnixMillis(0)), None);
        assert_eq!(eta(&Outlook { slots_busy: 0, ..outlook }, UnixMillis(0)), None);
    }

    #[test]
    fn progress_counts_frames_in_hand_and_stays_within_its_bounds() {
        assert!((progress(10, 4, 1.0) - 0.5).abs() < 1e-9);
        assert!((progress(10, 10, 1.0) - 1.0).abs() < 1e-9);
        assert!(progress(0, 0, 0.0).abs() < 1e-9);
    }
}
