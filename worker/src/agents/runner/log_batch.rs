//! Gathers lines of the engine's output into messages: at most so many lines a second, the rest is counted.

use pictor_actors::limits::{LOG_LINE_CHARS_MAX, LOG_LINES_PER_MESSAGE_MAX};
use pictor_actors::now::Mono;
use pictor_actors::protocol::{LeaseRef, LogLines};
use pictor_actors::units::Millis;

/// A message is sent when this much time has passed since its first line.
pub(super) const FLUSH_AFTER: Millis = Millis::from_secs(1);
/// Lines a second that are passed on; Blender's own are far fewer, a script in a loop writes thousands.
const LINES_PER_SECOND_MAX: u32 = 200;
/// Bytes of lines in one message: well below the wire's limit, escapes included.
const BYTES_MAX: usize = 24 * 1024;

/// Lines that wait, all of one lease.
#[derive(Debug, Default)]
pub(super) struct LogBatch {
    lease: Option<LeaseRef>,
    lines: Vec<String>,
    bytes: usize,
    dropped: u32,
    second: u64,
    in_second: u32,
}

impl LogBatch {
    /// Takes a line of a lease; answers what is to be sent now: the lines of the lease before it, or all when
    /// they are many.
    pub(super) fn add(&mut self, lease: LeaseRef, line: &str, now: Mono) -> Option<LogLines> {
        let before = if self.lease == Some(lease) { None } else { self.take() };
        self.lease = Some(lease);
        let second = now.0 / 1_000;
        if self.second != second {
            (self.second, self.in_second) = (second, 0);
        }
        self.in_second += 1;
        if self.in_second > LINES_PER_SECOND_MAX {
            self.dropped = self.dropped.saturating_add(1);
            return before;
        }
        let line: String = line.chars().take(LOG_LINE_CHARS_MAX).collect();
        self.bytes += line.len();
        self.lines.push(line);
        let is_full = self.lines.len() >= LOG_LINES_PER_MESSAGE_MAX || self.bytes >= BYTES_MAX;
        before.or_else(|| is_full.then(|| self.take()).flatten())
    }

    /// What waits, as a message; nothing if nothing does.
    pub(super) fn take(&mut self) -> Option<LogLines> {
        let lease = self.lease.take()?;
        self.bytes = 0;
        let dropped = std::mem::take(&mut self.dropped);
        Some(LogLines { lease, lines: std::mem::take(&mut self.lines), dropped })
    }

    /// The same if it is of this lease.
    pub(super) fn take_of(&mut self, lease: LeaseRef) -> Option<LogLines> {
        if self.lease == Some(lease) { self.take() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pictor_actors::ids::LeaseId;

    #[test]
    fn a_flood_is_counted_and_no_message_grows_too_large() {
        let lease = LeaseRef { lease: LeaseId::from_u128(1), fence: 1 };
        let mut batch = LogBatch::default();
        let (mut passed, mut dropped) = (0, 0);
        for _ in 0..1_000 {
            if let Some(message) = batch.add(lease, &"ü\"".repeat(400), Mono(5)) {
                let text = pictor_actors::protocol::codec::encode(&message).unwrap();
                assert!(text.len() < pictor_actors::limits::WIRE_FRAME_BYTES_MAX);
                passed += message.lines.len();
                dropped += message.dropped;
            }
        }
        let rest = batch.take().unwrap();
        assert_eq!((passed + rest.lines.len(), dropped + rest.dropped), (200, 800));
        assert!(batch.take().is_none());
    }

    #[test]
    fn a_line_stays_with_its_lease() {
        let [one, other] = [1, 2].map(|id| LeaseRef { lease: LeaseId::from_u128(id), fence: 1 });
        let mut batch = LogBatch::default();
        assert!(batch.add(one, "a", Mono(5)).is_none());
        assert!(batch.take_of(other).is_none());
        let before = batch.add(other, "b", Mono(6)).unwrap();
        assert_eq!((before.lease, before.lines), (one, vec!["a".to_owned()]));
        let rest = batch.take_of(other).unwrap();
        assert_eq!((rest.lease, rest.lines), (other, vec!["b".to_owned()]));
    }
}
