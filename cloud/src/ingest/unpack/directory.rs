//! The end of a zip, read before anything else: how many entries it says it has.
//!
//! A library makes a table of all entries before it can be asked anything, and keeps one of two entries with
//! the same name; so the count is checked here first, and compared with the table afterwards.

use std::io::{self, Read, Seek, SeekFrom};

/// The record, and the longest comment behind it.
const TAIL_BYTES: u64 = 22 + 65_535;

/// Entries that the zip declares; nothing if this is no zip.
pub(super) fn entries_declared(file: &mut (impl Read + Seek)) -> io::Result<Option<u64>> {
    let size = file.seek(SeekFrom::End(0))?;
    let start = size.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    let Some(end) = tail.windows(22).rposition(|window| window.starts_with(b"PK\x05\x06")) else {
        return Ok(None);
    };
    let small = u16::from_le_bytes([tail[end + 10], tail[end + 11]]);
    if small != u16::MAX {
        return Ok(Some(u64::from(small)));
    }
    let locator = end.checked_sub(20).and_then(|at| tail.get(at..at + 20));
    match locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
        None => Ok(Some(u64::from(small))),
        Some(locator) => {
            let at = u64_at(locator, 8);
            file.seek(SeekFrom::Start(at))?;
            let mut record = [0; 40];
            file.read_exact(&mut record)?;
            Ok(record.starts_with(b"PK\x06\x06").then(|| u64_at(&record, 32)))
        }
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(u64::MAX, u64::from_le_bytes)
}
