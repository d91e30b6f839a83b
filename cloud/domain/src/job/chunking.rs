//! How many frames the next tasks get.
//!
//! Tasks are cut as they are needed, from the front: while no frame time is known one frame each, so that
//! every slot soon tells; then as many as take [`TASK_TIME`], but never more than leaves a share for each
//! slot. Shares shrink toward the end, so that no slot works long after the others are done.

use pictor_actors::limits::FRAMES_PER_TASK_MAX;
use pictor_actors::units::Millis;

/// What a task should take: long enough for few hand-overs, short enough to lose little.
pub const TASK_TIME: Millis = Millis::from_secs(180);
/// Tasks of one job that wait at most; bounds what is cut before it is known how long frames take.
pub const PENDING_MAX: u32 = 64;

/// A job at the moment of a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Frames in all.
    pub frames_total: u32,
    /// Frames that are cut into tasks already.
    pub frames_planned: u32,
    /// Tasks without a lease.
    pub tasks_pending: u32,
    /// Slots that could render it, busy or not.
    pub slots: u32,
    /// Mean render time; unknown before the first frame.
    pub frame_mean: Option<Millis>,
    /// Frames a task, fixed by its creator.
    pub chunk: Option<u32>,
}

/// The sizes of the tasks to cut now, in order; empty while more than half of what should wait does.
#[must_use]
pub fn next_tasks(cut: &Cut) -> Vec<u32> {
    let slots = cut.slots.max(1);
    let enough = slots.saturating_mul(2).min(PENDING_MAX);
    // Many at a time, not one for each that is taken.
    let wanted = if cut.tasks_pending > enough / 2 { 0 } else { enough - cut.tasks_pending };
    let mut left = cut.frames_total.saturating_sub(cut.frames_planned);
    let mut sizes = Vec::new();
    for _ in 0..wanted {
        if left == 0 {
            break;
        }
        let size = task_size(cut, slots, left).clamp(1, left);
        sizes.push(size);
        left -= size;
    }
    sizes
}

fn task_size(cut: &Cut, slots: u32, left: u32) -> u32 {
    let frames_max = u32::try_from(FRAMES_PER_TASK_MAX).unwrap_or(u32::MAX);
    if let Some(chunk) = cut.chunk {
        return chunk.min(frames_max);
    }
    let Some(mean) = cut.frame_mean else { return 1 };
    let by_time = u32::try_from(TASK_TIME.0 / mean.0.max(1)).unwrap_or(u32::MAX);
    // Two shares a slot where several work: a slow one then holds up the end by half as much.
    let shares = if slots == 1 { 1 } else { slots.saturating_mul(2) };
    by_time.min(left.div_ceil(shares)).min(frames_max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CUT: Cut = Cut {
        frames_total: 24,
        frames_planned: 0,
        tasks_pending: 0,
        slots: 1,
        frame_mean: None,
        chunk: None,
    };

    #[test]
    fn one_frame_each_until_a_frame_time_is_known_then_by_time_and_share() {
        assert_eq!(next_tasks(&CUT), [1, 1]);
        let known = Cut { frames_planned: 4, frame_mean: Some(Millis(1_000)), ..CUT };
        assert_eq!(next_tasks(&known), [20]);
        assert_eq!(next_tasks(&Cut { slots: 2, ..known }), [5, 4, 3, 2]);
        assert_eq!(next_tasks(&Cut { frame_mean: Some(Millis(60_000)), ..known }), [3, 3]);
        assert_eq!(next_tasks(&Cut { frame_mean: Some(Millis(600_000)), ..known }), [1, 1]);
        assert_eq!(next_tasks(&Cut { chunk: Some(7), slots: 10, ..CUT }), [7, 7, 7, 3]);
    }

    #[test]
    fn without_any_slot_a_little_is_cut_and_with_very_many_not_all() {
        assert_eq!(next_tasks(&Cut { slots: 0, ..CUT }), [1, 1]);
        assert_eq!(
            next_tasks(&Cut { slots: 10_000, frames_total: 1_000, ..CUT }).len(),
            PENDING_MAX as usize
        );
    }

    proptest! {
        #[test]
        fn cut_after_cut_covers_each_frame_exactly_once(
            frames_total in 1u32..20_000,
            slots in 0u32..100,
            mean in proptest::option::of(0u64..500_000),
            chunk in proptest::option::of(1u32..1_000),
            taken in 1u32..50,
        ) {
            let mut cut = Cut { frames_total, slots, frame_mean: mean.map(Millis), chunk, ..CUT };
            let mut rounds = 0u32;
            while cut.frames_planned < frames_total {
                let sizes = next_tasks(&cut);
                let enough = slots.max(1).saturating_mul(2).min(PENDING_MAX);
                prop_assert!(!sizes.is_empty() || cut.tasks_pending > enough / 2, "stuck at {cut:?}");
                prop_assert!(sizes.iter().all(|size| (1..=FRAMES_PER_TASK_MAX as u32).contains(size)));
                cut.frames_planned += sizes.iter().sum::<u32>();
                cut.tasks_pending = (cut.tasks_pending + sizes.len() as u32).saturating_sub(taken.max(1));
                prop_assert!(cut.tasks_pending < PENDING_MAX);
                rounds += 1;
                prop_assert!(rounds <= 2 * frames_total);
            }
            prop_assert_eq!(cut.frames_planned, frames_total);
            prop_assert!(next_tasks(&cut).is_empty());
        }
    }
}
