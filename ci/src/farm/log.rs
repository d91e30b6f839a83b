//! Reading the worker's log: when each frame of a job began and ended.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Farm;

impl Farm {
    /// Begin and end of each frame of a job, in the order of their begin, milliseconds since 1970. Taken from the
    /// worker's log (JSON lines), because only the worker knows it to the millisecond.
    pub fn frame_spans(&self, job: &str) -> Result<Vec<(f64, f64)>> {
        let mut spans: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
        for worker in self.worker_folders()? {
            let verb = self
                .programs
                .command("pictor-worker")
                .args(["logs", "--json", "--data"])
                .arg(worker)
                .output()?;
            for line in String::from_utf8_lossy(&verb.stdout).lines() {
                let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
                let fields = &entry["fields"];
                if fields["job.id"] != job {
                    continue;
                }
                let (Some(frame), Some(at)) = (fields["frame"].as_i64(), entry["timestamp"].as_str()) else {
                    continue;
                };
                let span = spans.entry(frame).or_insert((f64::NAN, f64::NAN));
                match fields["message"].as_str() {
                    Some("frame started") => span.0 = unix_ms(at)?,
                    Some("frame rendered") => span.1 = unix_ms(at)?,
                    _ => {}
                }
            }
        }
        let mut spans: Vec<_> =
            spans.into_values().filter(|(began, ended)| !began.is_nan() && !ended.is_nan()).collect();
        spans.sort_by(|one, other| one.0.total_cmp(&other.0));
        Ok(spans)
    }
}

/// Milliseconds since 1970 of an RFC 3339 text in UTC.
pub fn unix_ms(text: &str) -> Result<f64> {
    let stamp: jiff::Timestamp = text.parse().with_context(|| format!("{text} is not a time"))?;
    Ok(stamp.as_microsecond() as f64 / 1000.0)
}
