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

/// Lines that wait.
#[derive(Debug, Default)]
pub(super) struct LogBatch {
    lines: Vec<String>,
    bytes: usize,
    dropped: u32,
    second: u64,
    in_second: u32,
}

impl LogBatch {
    /// Takes a line; `true`: it is time to send.
    pub(super) fn add(&mut self, line: &str, now: Mono) -> bool {
        let second = now.0 / 1_000;
        if self.second != second {
            (self.second, self.in_second) = (second, 0);
        }
        self.in_second += 1;
        if self.in_second > LINES_PER_SECOND_MAX {
            self.dropped = self.dropped.saturating_add(1);
            return false;
        }
        let line: String = line.chars().take(LOG_LINE_CHARS_MAX).collect();
        self.bytes += line.len();
        self.lines.push(line);
        self.lines.len() >= LOG_LINES_PER_MESSAGE_MAX || self.bytes >= BYTES_MAX
    }

    /// What waits, as a message; nothing if nothing does.
    pub(super) fn take(&mut self, lease: LeaseRef) -> Option<LogLines> {
        if self.lines.is_empty() && self.dropped == 0 {
            return None;
        }
        self.bytes = 0;
        let dropped = std::mem::take(&mut self.dropped);
        Some(LogLines { lease, lines: std::mem::take(&mut self.lines), dropped })
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
            if batch.add(&"ü\"".repeat(400), Mono(5)) {
                let message = batch.take(lease).unwrap();
                let text = pictor_actors::protocol::codec::encode(&message).unwrap();
                assert!(text.len() < pictor_actors::limits::WIRE_FRAME_BYTES_MAX);
                passed += message.lines.len();
                dropped += message.dropped;
            }
        }
        let rest = batch.take(lease).unwrap();
        assert_eq!((passed + rest.lines.len(), dropped + rest.dropped), (200, 800));
        assert!(batch.take(lease).is_none());
    }
}
