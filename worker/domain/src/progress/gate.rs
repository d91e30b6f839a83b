//! Bounds how much of an engine's chatter is passed on.

use pictor_actors::now::Mono;
use pictor_actors::units::Millis;

/// Progress goes out at most this often: nobody sees more, and every message costs each part of the farm.
pub const PROGRESS_EVERY: Millis = Millis(1_000);
/// Log lines that may come at once: the start of a scene prints a few dozen.
pub const LINES_AT_ONCE: u32 = 60;
/// Log lines a second after that.
pub const LINES_PER_SECOND: u64 = 10;

/// Lets one progress message through per [`PROGRESS_EVERY`].
#[derive(Debug, Clone, Default)]
pub struct ProgressGate {
    last: Option<Mono>,
}

impl ProgressGate {
    /// Whether to send one now.
    pub fn admit(&mut self, now: Mono) -> bool {
        let due = self.last.is_none_or(|last| last.until(now) >= PROGRESS_EVERY);
        if due {
            self.last = Some(now);
        }
        due
    }
}

/// Lets log lines through as fast as [`LINES_PER_SECOND`] after a burst, and counts what it held back.
#[derive(Debug, Clone)]
pub struct LineGate {
    /// Thousandths of a line.
    credit: u64,
    at: Option<Mono>,
    dropped: u32,
}

impl Default for LineGate {
    fn default() -> Self {
        Self { credit: u64::from(LINES_AT_ONCE) * 1000, at: None, dropped: 0 }
    }
}

impl LineGate {
    /// Whether this line goes on. If so, the answer is how many were held back since the last one that did.
    pub fn admit(&mut self, now: Mono) -> Option<u32> {
        let passed = self.at.map_or(0, |at| at.until(now).0);
        self.at = Some(now);
        let full = u64::from(LINES_AT_ONCE) * 1000;
        self.credit = self.credit.saturating_add(passed.saturating_mul(LINES_PER_SECOND)).min(full);
        if self.credit < 1000 {
            self.dropped = self.dropped.saturating_add(1);
            return None;
        }
        self.credit -= 1000;
        Some(std::mem::take(&mut self.dropped))
    }

    /// Counts a line that was admitted and then found no room.
    pub fn drop_one(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }
}
