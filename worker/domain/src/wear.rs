//! When an engine process has grown so much that it is replaced.
//!
//! Programs that render thousands of frames leak. A process is measured after each frame: what it holds once
//! its second frame is done is what the scene needs (the first frame loads and builds, the second may keep
//! what is animated), and what it holds beyond that later is taken for leaked. The number of frames is
//! bounded apart from this, by [`crate::slot::FRAMES_PER_PROCESS_MAX`].
//!
//! Not here: how memory is measured, how a process is replaced.

/// After so many frames a process has all that its scene needs.
const SETTLED_AFTER: u32 = 2;

/// How much a process may grow; the defaults are what is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WearLimits {
    /// Percent of what it held when it had settled.
    pub percent: u64,
    /// Bytes beyond that: a small process may grow many times over.
    pub bytes: u64,
    /// Frames before it is judged: a new process opens the scene again, which must stay rare.
    pub frames_min: u32,
}

impl Default for WearLimits {
    fn default() -> Self {
        Self { percent: 150, bytes: 1 << 30, frames_min: 10 }
    }
}

/// One process, from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wear {
    limits: WearLimits,
    frames: u32,
    settled_bytes: Option<u64>,
}

/// A process that is to be replaced before its next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worn {
    /// Frames it has rendered.
    pub frames: u32,
    /// What it held when it had settled.
    pub settled_bytes: u64,
    /// What it holds.
    pub bytes: u64,
}

impl Wear {
    /// A process that has rendered nothing yet.
    #[must_use]
    pub const fn new(limits: WearLimits) -> Self {
        Self { limits, frames: 0, settled_bytes: None }
    }

    /// A frame is done, and the process holds so many bytes; nothing: nobody can tell.
    pub fn after_frame(&mut self, bytes: Option<u64>) -> Option<Worn> {
        self.frames = self.frames.saturating_add(1);
        let bytes = bytes?;
        if self.frames < SETTLED_AFTER {
            return None;
        }
        let settled_bytes = *self.settled_bytes.get_or_insert(bytes);
        let by_part = bytes >= settled_bytes / 100 * self.limits.percent;
        let by_size = bytes.saturating_sub(settled_bytes) >= self.limits.bytes;
        let is_worn = by_part && by_size && self.frames >= self.limits.frames_min;
        is_worn.then_some(Worn { frames: self.frames, settled_bytes, bytes })
    }
}

impl std::fmt::Display for Worn {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { frames, settled_bytes, bytes } = self;
        let (then, now) = (settled_bytes >> 20, bytes >> 20);
        write!(out, "it has grown from {then} to {now} MiB in {frames} frames")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// The frame after which a process with these sizes is worn.
    fn worn_after(sizes: impl IntoIterator<Item = u64>) -> Option<Worn> {
        let mut wear = Wear::new(WearLimits::default());
        sizes.into_iter().find_map(|bytes| wear.after_frame(Some(bytes)))
    }

    #[test]
    fn a_steady_process_lives_on_however_large() {
        assert_eq!(worn_after([8 * GIB; 1000]), None);
        assert_eq!(worn_after((0..1000).map(|n| 8 * GIB + n % 7 * GIB / 2)), None);
    }

    #[test]
    fn what_the_first_two_frames_load_is_no_growth() {
        assert_eq!(worn_after([GIB / 4].into_iter().chain([9 * GIB; 1000])), None);
    }

    #[test]
    fn a_leak_is_seen_once_it_is_large_in_part_and_in_size() {
        // From 400 MiB by 100 MiB a frame: 1 GiB more is reached at the thirteenth.
        let worn = worn_after((0..).map(|n| (300 + 100 * n) << 20)).unwrap();
        assert_eq!((worn.frames, worn.settled_bytes >> 20, worn.bytes >> 20), (13, 400, 1500));
        assert_eq!(worn.to_string(), "it has grown from 400 to 1500 MiB in 13 frames");
        // From 8 GiB: half as much again.
        let worn = worn_after((0..).map(|n| 8 * GIB + n * GIB / 4)).unwrap();
        assert!(worn.bytes >= worn.settled_bytes / 2 * 3 && worn.frames == 19, "{worn:?}");
    }

    #[test]
    fn a_fast_leak_waits_for_its_tenth_frame() {
        assert_eq!(worn_after((1..).map(|n| n * 4 * GIB)).unwrap().frames, 10);
    }

    #[test]
    fn what_nobody_can_tell_wears_nothing() {
        let mut wear = Wear::new(WearLimits::default());
        assert!((0..1000).all(|_| wear.after_frame(None).is_none()));
    }
}
