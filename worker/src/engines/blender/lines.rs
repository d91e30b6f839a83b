//! Lines of a child's output, bounded in length.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Longest line kept; the rest of a longer one is thrown away.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// Reads lines; safe to drop between polls.
pub struct BoundedLines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> BoundedLines<R> {
    /// Lines of `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader: BufReader::new(reader), line: Vec::new() }
    }

    /// The next line without its end, bytes that are no UTF-8 replaced; nothing at the end of the output or
    /// when it cannot be read any more.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let chunk = self.reader.fill_buf().await.unwrap_or_default();
            if chunk.is_empty() {
                return (!self.line.is_empty()).then(|| self.take());
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let upto = end.unwrap_or(chunk.len());
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(&chunk[..upto.min(room)]);
            self.reader.consume(end.map_or(upto, |end| end + 1));
            if end.is_some() {
                return Some(self.take());
            }
        }
    }

    fn take(&mut self) -> String {
        let line = std::mem::take(&mut self.line);
        String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_cut_at_the_bound_and_the_last_needs_no_end() {
        let long = "x".repeat(LINE_BYTES_MAX + 10);
        let text = format!("a\r\n\n{long}\nb\u{fffd}");
        let mut lines = BoundedLines::new(text.as_bytes());
        assert_eq!(lines.next().await.as_deref(), Some("a"));
        assert_eq!(lines.next().await.as_deref(), Some(""));
        assert_eq!(lines.next().await.map(|line| line.len()), Some(LINE_BYTES_MAX));
        assert_eq!(lines.next().await.as_deref(), Some("b\u{fffd}"));
        assert_eq!(lines.next().await, None);
    }
}
